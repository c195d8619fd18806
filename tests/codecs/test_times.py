import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs import format_rfc3339, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2022-07-18T09:34:15.775023242+00:00", 1658136855.775023),
        ("2022-07-18t09:34:15z", 1658136855.0),
        ("2022-07-18 11:34:15+02:00", 1658136855.0),
        ("2022-07-18T04:04:15.5-05:30", 1658136855.5),
        ("2016-12-31T23:59:60Z", 1483228800.0),
    ],
)
def test_rfc_3339_text_is_read(text: str, seconds: float) -> None:
    assert parse_rfc3339(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2022-07-18", "2022-07-18T09:34:15", "2022-W29-1T09:34:15Z",
        "2022-13-18T09:34:15Z", "2022-02-30T09:34:15Z", "2022-07-18T24:00:00Z",
        "2022-07-18T09:34:15.1234567890Z", "2022-07-18T09:34:15+0200", "٢٠٢٢-07-18T09:34:15Z",
        "20220718T093415Z", "2022-07-18T09:34:15Z\n", "2022-07-18T09:61:00Z",
        "0000-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_not_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        parse_rfc3339(text)


def test_milliseconds_are_written_where_they_say_it_all() -> None:
    assert format_rfc3339(1658136855.5) == "2022-07-18T09:34:15.500Z"
    assert format_rfc3339(1658136855.775023) == "2022-07-18T09:34:15.775023Z"


@pytest.mark.parametrize("seconds", [1e30, -1e30, float("inf"), float("nan")])
def test_a_moment_outside_the_calendar_cannot_be_written(seconds: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        format_rfc3339(seconds)


@given(st.integers(0, 4_000_000_000_000_000))
def test_writing_and_reading_are_inverse_to_the_microsecond(microseconds: int) -> None:
    seconds = microseconds / 1e6
    assert parse_rfc3339(format_rfc3339(seconds)) == pytest.approx(seconds, abs=1e-6)
