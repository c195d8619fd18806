"""Codecs are found in every layout, from any point of the tree, and nothing outside it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from stand_in_codecs import CHIRPSTACK, METER, THINGS_NETWORK, evaluate_json5, write_tree

from gateway.codecs.payloads.checkouts import CodecSource, Kind, find
from gateway.codecs.payloads.checkouts.files import MAX_FILE
from gateway.errors import BadInput

NOBODY = 65534

UPLINK = {"description": "one", "input": {"fPort": 2, "bytes": "0110"}, "output": {"data": {}}}


def found(path: Path) -> list[CodecSource]:
    return list(find(path, evaluate_json5).sources())


def only(path: Path) -> CodecSource:
    (source,) = found(path)
    return source


def kinds(source: CodecSource) -> list[Kind]:
    return [example.kind for example in source.examples]


@pytest.mark.parametrize(
    "start", ["", "vendor", "vendor/acme", "vendor/acme/meter.js", "vendor/acme/meter-codec.yaml"]
)
def test_the_things_networks_layout_is_found_from_anywhere_in_it(
    tmp_path: Path, start: str
) -> None:
    write_tree(tmp_path, THINGS_NETWORK)
    source = only(tmp_path / start)
    assert source.name == "acme/meter"
    assert source.script == (tmp_path / "vendor/acme/meter.js").read_text()
    assert kinds(source) == ["uplink", "normalize", "uplink", "uplink", "encode", "downlink"]
    assert source.examples[0].expected == {"data": {"valve": "On", "level": 1.6}}
    assert source.problems == ()


@pytest.mark.parametrize("start", ["", "vendors", "vendors/acme"])
def test_chirpstacks_layout_is_found_from_anywhere_in_it(tmp_path: Path, start: str) -> None:
    write_tree(tmp_path, CHIRPSTACK)
    tested, untested = found(tmp_path / start)
    assert (tested.name, untested.name) == ("acme/meter-3000", "acme/untested")
    assert kinds(tested) == ["uplink", "uplink", "encode"]
    assert tested.examples[0].input == {"fPort": 2, "bytes": [1, 16]}
    assert untested.examples == ()


@pytest.mark.parametrize("name", ["meter-3000.js", "test_decode_meter-3000.json"])
def test_one_file_of_chirpstacks_layout_brings_its_tests(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, CHIRPSTACK)
    source = only(tmp_path / "vendors/acme/codecs" / name)
    assert (source.name, len(source.examples)) == ("acme/meter-3000", 3)


def test_tests_that_are_javascript_are_a_problem_without_an_engine_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    write_tree(tmp_path, CHIRPSTACK)
    source = next(find(tmp_path).sources())
    assert kinds(source) == ["encode"]
    assert source.problems[0][0] == "test_decode_meter-3000.json"
    assert source.problems[0][1].startswith("invalid_json")


def test_a_published_site_tells_the_same_codec_for_each_region_and_it_counts_once(
    tmp_path: Path,
) -> None:
    definition = {"uplinkdecoder": {"filename": "meter-2.js", "examples": [UPLINK]}}
    page = {"name": "Meter", "codecs": {"eu868": definition, "us915": definition}}
    write_tree(
        tmp_path,
        {
            "devices/acme/meter/index.json": page,
            "devices/acme/meter/codecs/meter-2.js": METER,
            "devices/acme/index.json": {"codecs": {}},
        },
    )
    for start in ("", "devices", "devices/acme", "devices/acme/meter/codecs/meter-2.js"):
        source = next(iter(found(tmp_path / start)))
        assert (source.name, len(source.examples)) == ("acme/meter", 1)
    assert len(found(tmp_path)) == 1


def test_a_package_names_its_script_and_its_examples_say_what_they_are(tmp_path: Path) -> None:
    command = {"data": {"valve": "open"}}
    write_tree(
        tmp_path,
        {
            "vendors/acme/drivers/meter/package.json": {"main": "main.js"},
            "vendors/acme/drivers/meter/main.js": METER,
            "vendors/acme/drivers/meter/webpack.config.js": "no codec",
            "vendors/acme/drivers/meter/examples.json": [
                {"type": "uplink", **UPLINK},
                {"type": "downlink-encode", "input": command, "output": {"bytes": [1]}},
                {"type": "downlink-decode", "input": {"bytes": [1]}, "output": command},
            ],
            "vendors/acme/drivers/old/package.json": {"name": "old"},
            "vendors/acme/drivers/old/index.js": METER,
            "vendors/acme/drivers/old/examples/all.examples.json": [
                {"type": "uplink", "bytes": "0110", "fPort": 2, "data": {"a": 1}},
                {"type": "downlink", "bytes": "01", "fPort": 5, **command},
            ],
        },
    )
    new, old = found(tmp_path)
    assert (new.name, new.path.name, old.name) == ("acme/meter", "main.js", "acme/old")
    assert kinds(new) == ["uplink", "encode", "downlink"]
    assert [(e.kind, e.input, e.expected) for e in old.examples] == [
        ("uplink", {"bytes": "0110", "fPort": 2}, {"data": {"a": 1}}),
        ("encode", command, {"bytes": "01", "fPort": 5}),
    ]


def test_a_folder_of_ones_own_has_examples_beside_in_json_toml_or_yaml(tmp_path: Path) -> None:
    entry = {"kind": "uplink", "input": {"bytes": [1]}, "expected": {"data": {"a": 1}}}
    write_tree(
        tmp_path,
        {
            "acme/meter.toml": "{}",
            "acme/meter.examples.json": {"from": "here", "examples": [entry]},
            "valve.js": METER,
            "valve.examples.toml": (
                "[[examples]]\nkind='encode'\ninput={data={a=1}}\nexpected={bytes=[1]}\n"
            ),
            "bare.js": "{}",
            "notes.spec.js": "no codec",
        },
    )
    bare, valve, meter = found(tmp_path)
    assert [(s.name, s.suffix, kinds(s)) for s in (bare, valve, meter)] == [
        ("bare", ".js", []),
        ("valve", ".js", ["encode"]),
        ("acme/meter", ".toml", ["uplink"]),
    ]
    assert only(tmp_path / "acme/meter.toml").examples == meter.examples
    assert only(tmp_path / "bare.js").examples == ()


def test_a_decoder_and_an_encoder_may_be_two_scripts(tmp_path: Path) -> None:
    definition = (
        '{"uplinkDecoder": {fileName: up.js}, downlinkEncoder: {fileName: payload/down.js}}'
    )
    files = {"up.js": METER, "payload/down.js": METER, "any-name.yaml": definition}
    write_tree(tmp_path / "vendor/acme", files)
    assert [source.name for source in found(tmp_path)] == ["acme/any-name", "acme/down"]
    assert not any(source.problems for source in found(tmp_path))


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("uplinkDecoder: {fileName: [", "invalid_yaml"),
        ("uplinkDecoder:\n  examples: []\n", "invalid_example"),
        ("uplinkDecoder: 7\n", "invalid_example"),
        ("uplinkDecoder: {fileName: x.js, examples: 7}\n", "invalid_example"),
        ("uplinkDecoder: {fileName: gone.js}\n", "file_missing"),
        ("uplinkDecoder: {fileName: ../../secret.js}\n", "outside_checkout"),
        ("uplinkDecoder: {fileName: /etc/hostname}\n", "outside_checkout"),
        ("uplinkDecoder: {fileName: '..\\..\\secret.js'}\n", "outside_checkout"),
        ("uplinkDecoder: {fileName: link.js}\n", "outside_checkout"),
        ("uplinkDecoder: {fileName: large.js}\n", "file_too_large"),
    ],
)
def test_a_broken_codec_says_why_and_the_others_are_found(
    tmp_path: Path, definition: str, reason: str
) -> None:
    (tmp_path / "secret.js").write_text("secret")
    root = write_tree(tmp_path / "checkout", THINGS_NETWORK)
    write_tree(root / "vendor/acme", {"a-codec.yaml": definition, "large.js": " " * MAX_FILE + "x"})
    (root / "vendor/acme/link.js").symlink_to(tmp_path / "secret.js")
    broken, meter = found(root)
    assert (broken.name, broken.script) == ("acme/a", "")
    assert broken.problems[0][1].startswith(reason)
    assert meter.name == "acme/meter"


def test_a_definition_that_is_too_large_is_told(tmp_path: Path) -> None:
    write_tree(tmp_path, {"vendor/acme/a-codec.yaml": "#" * (MAX_FILE + 1)})
    assert only(tmp_path).problems[0][1].startswith("file_too_large")


def test_an_entry_that_is_no_example_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    entries = [7, {"input": 3}, {"name": "x", "input": {}, "expected": [1]}, UPLINK]
    write_tree(tmp_path, {"a.js": METER, "a.examples.json": entries})
    problems = [example.problem for example in only(tmp_path).examples]
    assert [bool(problem) for problem in problems] == [True, True, True, False]


def test_links_out_of_the_tree_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", {"x.js": METER})
    root = write_tree(tmp_path / "root", {"a.js": METER, ".git/b.js": METER})
    (root / "away").symlink_to(outside)
    (root / "loop").symlink_to(root)
    assert only(root).name == "a"


def test_bytes_that_are_no_utf_8_cost_only_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_bytes(b"\xef\xbb\xbf// caf\xe9")
    assert only(tmp_path).script == "// caf\ufffd"


def test_a_path_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        find(tmp_path / "nowhere")
    assert caught.value.reason == "no_such_path"


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be somebody who may not read everything, also where the tests run as root."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(mine)


@pytest.mark.usefixtures("nobody")
def test_a_file_that_may_not_be_read_is_told() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "a.js")
        file.write_text("{}")
        file.chmod(0)
        assert only(Path(folder)).problems[0][1].startswith("file_unreadable")
