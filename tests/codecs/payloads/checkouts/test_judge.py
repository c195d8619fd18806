"""An example is run as its ecosystem would run it, and judged on data, warnings and errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in_codecs import METER, StandInCodec

from gateway.codecs.payloads.checkouts import Example, Kind, Outcome, Verdict, judge
from gateway.codecs.payloads.checkouts.examples import of_definition, of_listing
from gateway.codecs.payloads.checkouts.judge import bytes_of, frame_of
from gateway.errors import BadInput
from gateway.types import Json

CODEC = StandInCodec("acme/meter", METER)


def judged(kind: Kind, asked: Json, expected: Json, codec: StandInCodec = CODEC) -> Verdict:
    return judge(codec, Example(kind, "", asked, expected))


def uplink(expected: Json, asked: Json = None) -> Verdict:
    return judged(Kind.UPLINK, asked or {"fPort": 2, "bytes": [1, 16]}, expected)


GOOD = {"valve": "On", "level": 1.6}


def test_empty_lists_of_errors_and_warnings_are_none() -> None:
    assert uplink({"data": GOOD, "errors": [], "warnings": []}).outcome is Outcome.EXACT


def test_a_warning_that_is_expected_and_missing_differs() -> None:
    assert uplink({"data": GOOD, "warnings": ["hot"]}).diff == ('warnings[0]: "hot" -> missing',)


def test_a_warning_that_nobody_expected_differs_as_both_validators_have_it() -> None:
    verdict = uplink({"data": {"valve": "NO", "level": 1.7}}, {"fPort": 2, "bytes": "0111"})
    assert verdict.diff == ('warnings[0]: extra "low battery"',)


def test_expected_errors_must_come_in_the_same_words() -> None:
    at_42 = {"fPort": 42, "bytes": [255]}
    assert uplink({"errors": ["unknown FPort"]}, at_42).outcome is Outcome.EXACT
    assert uplink({"data": {}, "errors": "unknown FPort"}, at_42).outcome is Outcome.EXACT
    other = uplink({"errors": ["bad port"]}, at_42)
    assert other.outcome is Outcome.DIFFER
    assert other.diff == ('errors: ["bad port"] -> "unknown FPort"',)
    assert uplink({"errors": ["unknown"]}, at_42).outcome is Outcome.DIFFER


def test_expected_errors_that_do_not_come_differ() -> None:
    assert uplink({"errors": ["no"]}).diff == ('errors: ["no"] -> none',)


def test_several_long_errors_are_compared_as_far_as_a_reason_holds_them() -> None:
    texts = ["x" * 150, "y" * 150]
    codec = StandInCodec("a", {"uplink": {"@0": {"errors": texts}}})
    assert judged(Kind.UPLINK, {}, {"errors": texts}, codec).outcome is Outcome.EXACT
    wrong = judged(Kind.UPLINK, {}, {"errors": ["x" * 150, "z" * 150]}, codec)
    assert wrong.outcome is Outcome.DIFFER


def test_an_error_that_nobody_expected_is_a_failure_with_its_words() -> None:
    verdict = uplink({"data": {}}, {"fPort": 42, "bytes": [255]})
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == "codec_error: unknown FPort"


def test_an_exception_is_a_failure_even_where_an_error_was_expected() -> None:
    verdict = uplink({"errors": ["x"]}, {"fPort": 9, "bytes": []})
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith("codec_exception")


def test_a_layouts_reason_may_be_what_an_example_expects() -> None:
    assert uplink({"errors": ["codec_exception"]}, {"bytes": []}).outcome is Outcome.EXACT


def test_a_downlink_is_compared_by_bytes_port_and_warnings() -> None:
    asked = {"data": {"valve": "open"}}
    assert judged(Kind.ENCODE, asked, {"bytes": "01FF", "fPort": 3}).outcome is Outcome.EXACT
    verdict = judged(Kind.ENCODE, asked, {"bytes": [1, 2], "fPort": 4})
    assert verdict.diff == ("bytes: 0102 -> 01ff", "fPort: 4 -> 3")
    assert judged(Kind.ENCODE, {}, {"bytes": []}).reason.startswith("invalid_example")


def test_variables_reach_the_encoder() -> None:
    codec = StandInCodec("a", {"encode": {'{"a": 1, "k": "2"}': {"bytes": [7]}}})
    asked = {"data": {"a": 1}, "variables": {"k": 2}}
    assert judged(Kind.ENCODE, asked, {"bytes": [7]}, codec).outcome is Outcome.EXACT


def test_one_normalized_measurement_may_stand_without_a_list() -> None:
    for data in ({"water": {"level": 1.6}}, [{"water": {"level": 1.6}}]):
        assert judged(Kind.NORMALIZE, {"data": GOOD}, {"data": data}).outcome is Outcome.EXACT
    verdict = judged(Kind.NORMALIZE, {"data": GOOD}, {"data": []})
    assert verdict.diff == ('data[0]: extra {"water": {"level": 1.6}}',)


def test_a_nan_that_json_writes_as_null_is_what_the_example_expects() -> None:
    answer = {"data": {"b": 1}, "rejects": [["not_finite", "a"]]}
    codec = StandInCodec("a", {"uplink": {"@0": answer}})
    expected = {"data": {"a": None, "b": 1}}
    assert judged(Kind.UPLINK, {}, expected, codec).outcome is Outcome.EXACT


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        ([1, 255, 256, -1], b"\x01\xff\x00\xff"),
        (["0x0a", "10", 3.0], b"\x0a\x0a\x03"),
        ("0A ff", b"\x0a\xff"),
        ("0x0a:0xff", b"\x0a\xff"),
        ("AQI=", b"\x01\x02"),
        ("", b""),
        (None, b""),
    ],
)
def test_bytes_come_in_many_spellings(raw: Json, data: bytes) -> None:
    assert bytes_of(raw) == data


@pytest.mark.parametrize("raw", ["xyz!", [1.5], [None], [[1]], 7, ["q"], [1e400]])
def test_what_are_no_bytes_are_refused(raw: Json) -> None:
    with pytest.raises(BadInput) as caught:
        bytes_of(raw)
    assert caught.value.reason == "invalid_example"


@pytest.mark.parametrize(
    ("raw", "time_s"),
    [
        ("2020-08-02T20:00:00.000+05:00", 1596380400.0),
        ("2020-08-02 15:00:00", 1596380400.0),
        (1596380400, 1596380400.0),
        (1596380400000, 1596380400.0),
        (10**400, None),
        (True, None),
        ("some day", None),
        (None, None),
    ],
)
def test_a_time_comes_in_many_spellings(raw: Json, time_s: float | None) -> None:
    assert frame_of({"recvTime": raw}).time_s == time_s


FIELDS = st.sampled_from(
    [
        "input",
        "output",
        "expected",
        "bytes",
        "fPort",
        "recvTime",
        "data",
        "errors",
        "warnings",
        "kind",
        "type",
        "name",
        "description",
        "variables",
        "normalizedOutput",
        "examples",
        "uplinkDecoder",
        "downlinkEncoder",
        "downlinkDecoder",
        "fileName",
    ]
)
HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["uplink", "downlink", "encode", "normalize", "00ff", "x", 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(HOSTILE, max_size=3))
def test_no_entry_of_a_listing_ends_the_run(entries: list[Json]) -> None:
    for example in of_listing(entries, None):
        assert judge(CODEC, example).outcome in Outcome


@given(st.dictionaries(FIELDS, HOSTILE, max_size=6))
def test_no_definition_ends_the_run(definition: Json) -> None:
    try:
        scripts = list(of_definition(definition))
    except BadInput:
        return
    for _, examples in scripts:
        for example in examples:
            assert judge(CODEC, example).outcome in Outcome
