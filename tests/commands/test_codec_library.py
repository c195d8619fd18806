"""Codecs come into the user's folder only when they load, whole, and with their examples."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from stand_in_codecs import (
    CHIRPSTACK,
    METER,
    THINGS_NETWORK,
    evaluate_json5,
    make_codec,
    write_tree,
)

from gateway.commands import codec_library, codec_test
from gateway.errors import BadInput, ConfigError


def add(path: Path, folder: Path, *, force: bool = False) -> int:
    return codec_library.add(
        [path], folder, force=force, make_codec=make_codec, evaluate_json5=evaluate_json5
    )


def import_device(checkout: Path, device: str, folder: Path, *, force: bool = False) -> int:
    return codec_library.import_device(
        checkout,
        device,
        folder,
        force=force,
        make_codec=make_codec,
        evaluate_json5=evaluate_json5,
    )


@pytest.mark.parametrize(
    "device", ["acme/meter", "ACME/Meter-Codec", "acme/Acme Water Meter 3000", "acme/meter.js"]
)
def test_a_device_of_the_things_network_is_found_by_any_of_its_names(
    tmp_path: Path, device: str
) -> None:
    checkout = write_tree(tmp_path / "lorawan-devices", THINGS_NETWORK)
    folder = tmp_path / "codecs"
    assert import_device(checkout, device, folder) == 0
    assert (folder / "acme/meter.js").read_text() == json.dumps(METER)
    listing = json.loads((folder / "acme/meter.examples.json").read_text())
    assert listing["from"] == "lorawan-devices/acme/meter"
    assert len(listing["examples"]) == 6


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("acme/meter-3000", "acme/meter-3000"),  # its codec's name
        ("acme/Acme Water Meter", "acme/meter"),
        ("acme/0b2f3c2e-1f7e-4c3e-9f59-0e7d0f8f0001", "acme/meter"),
    ],
)
def test_a_device_of_chirpstack_is_found_by_any_of_its_names_and_kept_under_its_id(
    tmp_path: Path, device: str, name: str
) -> None:
    checkout = write_tree(tmp_path / "profiles", CHIRPSTACK)
    folder = tmp_path / "codecs"
    assert import_device(checkout, device, folder) == 0
    assert (folder / f"{name}.js").is_file()
    assert len(json.loads((folder / f"{name}.examples.json").read_text())["examples"]) == 3


def test_what_was_imported_passes_its_test_afterwards(tmp_path: Path) -> None:
    checkout = write_tree(tmp_path / "lorawan-devices", THINGS_NETWORK)
    folder = tmp_path / "codecs"
    import_device(checkout, "acme/meter", folder)
    assert codec_test.run(folder, as_json=True, make_codec=make_codec) == 0


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("acme/metre", ["acme/metre", "did you mean", "meter"]),
        ("acmee/meter", ["no vendor 'acmee'", "did you mean acme"]),
        ("acme/zzzz", ["no 'acme/zzzz'"]),
        ("meter", ["VENDOR/MODEL"]),
    ],
)
def test_a_device_that_is_not_there_is_told_with_the_nearest(
    tmp_path: Path, device: str, words: list[str]
) -> None:
    checkout = write_tree(tmp_path / "lorawan-devices", THINGS_NETWORK)
    with pytest.raises(ConfigError) as caught:
        import_device(checkout, device, tmp_path / "codecs")
    for word in words:
        assert word in str(caught.value)


def test_a_device_with_several_codecs_must_be_told_apart(tmp_path: Path) -> None:
    profiles = "{EU: {id: p, codec: v1-codec}, US: {id: p, codec: v2-codec}}"
    files = {
        "vendor/acme/pump.yaml": f"name: Pump\nfirmwareVersions: [{{profiles: {profiles}}}]\n",
        "vendor/acme/v1-codec.yaml": "uplinkDecoder: {fileName: v1.js}\n",
        "vendor/acme/v2-codec.yaml": "uplinkDecoder: {fileName: v2.js}\n",
        "vendor/acme/v1.js": METER,
        "vendor/acme/v2.js": METER,
    }
    checkout = write_tree(tmp_path / "checkout", files)
    with pytest.raises(ConfigError, match="name one of v1, v2"):
        import_device(checkout, "acme/pump", tmp_path / "codecs")
    assert import_device(checkout, "acme/v2", tmp_path / "codecs") == 0


def test_nothing_is_overwritten_without_being_told_to(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "mine", {"meter.js": METER})
    folder = tmp_path / "codecs"
    assert add(source / "meter.js", folder) == 0
    (source / "meter.js").write_text("{}")
    with pytest.raises(ConfigError, match="--force"):
        add(source / "meter.js", folder)
    assert json.loads((folder / "meter.js").read_text()) == METER
    assert add(source / "meter.js", folder, force=True) == 0
    assert (folder / "meter.js").read_text() == "{}"


def test_a_layout_that_takes_a_scripts_place_is_alone_there(tmp_path: Path) -> None:
    folder = tmp_path / "codecs"
    add(write_tree(tmp_path / "a", {"meter.js": "{}"}), folder)
    add(write_tree(tmp_path / "b", {"meter.toml": "{}"}), folder, force=True)
    assert sorted(p.name for p in folder.iterdir()) == ["meter.examples.json", "meter.toml"]


def test_a_folder_of_codecs_is_added_with_its_vendors_and_what_does_not_load_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"Acme & Co/Meter.js": METER, "Acme & Co/bad.js": "function (", "pump.toml": "{}"}
    folder = tmp_path / "codecs"
    assert add(write_tree(tmp_path / "mine", files), folder) == 1
    there = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert there == [
        "acme-co/meter.examples.json",
        "acme-co/meter.js",
        "pump.examples.json",
        "pump.toml",
    ]
    assert "Acme & Co/bad: not added, codec_syntax" in capsys.readouterr().out


def test_files_may_be_read_by_the_daemon_and_no_half_file_stays(tmp_path: Path) -> None:
    folder = tmp_path / "codecs"
    add(write_tree(tmp_path / "mine", {"meter.js": METER}), folder)
    assert stat.S_IMODE((folder / "meter.js").stat().st_mode) == 0o644
    assert sorted(p.name for p in folder.iterdir()) == ["meter.examples.json", "meter.js"]


def test_an_import_that_does_not_load_leaves_nothing(tmp_path: Path) -> None:
    checkout = write_tree(tmp_path / "c", {**THINGS_NETWORK, "vendor/acme/meter.js": "function ("})
    with pytest.raises(BadInput) as caught:
        import_device(checkout, "acme/meter", tmp_path / "codecs")
    assert caught.value.reason == "codec_syntax"
    assert not (tmp_path / "codecs").exists()


def test_the_list_says_what_each_codec_does_and_where_it_is_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "function decodeUplink(input) {}\nencodeDownlink = (input) => 1;\n"
    write_tree(tmp_path, {"acme/meter.js": script, "pump.toml": "x = 1"})
    write_tree(tmp_path, {"acme/meter.examples.json": {"from": "here", "examples": []}})
    assert codec_library.list_codecs(tmp_path, as_json=True) == 0
    meter, pump, *shipped = json.loads(capsys.readouterr().out)
    assert {row["from"] for row in shipped} == {"built-in"}
    assert {"dragino/lse01", "milesight/em500-smtc", "cayenne_lpp", "raw"} <= {
        row["name"] for row in shipped
    }
    assert meter["functions"] == ["decode", "encode"]
    assert (meter["name"], meter["kind"], meter["from"]) == ("acme/meter", "JavaScript", "here")
    assert (pump["name"], pump["kind"], pump["functions"]) == ("pump", "layout", [])
    assert codec_library.list_codecs(tmp_path, as_json=False) == 0
    assert meter["sha256"] in capsys.readouterr().out


def test_a_folder_that_is_not_there_leaves_what_ships(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert codec_library.list_codecs(tmp_path / "none", as_json=True) == 0
    assert {row["from"] for row in json.loads(capsys.readouterr().out)} == {"built-in"}
