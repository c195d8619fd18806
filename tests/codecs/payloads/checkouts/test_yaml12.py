"""YAML is read by the 1.2 core schema, and no text makes the reader fail other than by BadInput."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.payloads.checkouts.yaml12 import read_yaml
from gateway.errors import BadInput
from gateway.types import Json


@pytest.mark.parametrize("word", ["On", "Off", "on", "off", "yes", "no", "NO", "Y", "n", "tRUE"])
def test_what_yaml_1_1_calls_a_boolean_is_text(word: str) -> None:
    assert read_yaml(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b101", 5),
        ("010", 10),
        ("-7", -7),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E-3", -0.0015),
        (".inf", None),
        (".NaN", None),
        ("1e999", None),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2021-01-02", "2021-01-02"),
        ("2021-01-02T03:04:05Z", "2021-01-02T03:04:05Z"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("0x", "0x"),
        ("=", "="),
    ],
)
def test_a_scalar_is_what_the_core_schema_says(text: str, value: Json) -> None:
    got = read_yaml(f"a: {text}")["a"]
    assert got == value
    assert type(got) is type(value)


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: [*a, *a]\nd:\n  <<: [{x: 5}, *a]\n"
    assert read_yaml(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}, {"x": 1, "y": 2}],
        "d": {"x": 5, "y": 2},
    }


def test_of_a_key_written_twice_the_last_counts() -> None:
    assert read_yaml("a: 1\nb: 2\na: 3\n") == {"a": 3, "b": 2}


def test_keys_are_text_as_javascript_has_them() -> None:
    assert read_yaml("1: a\n1.0: b\n2.5: c\ntrue: d\nnull: e\non: f\n") == {
        "1": "b",
        "2.5": "c",
        "true": "d",
        "null": "e",
        "on": "f",
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2",
        "a: b: c",
        "\tx: 1",
        "*nothing",
        "&a [*a]",
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 50_000 + "x",
        "? [1]\n: 2",
        "<<: 3",
        "a: \x01",
        "a: &a ["
        + "1," * 50
        + "]\n"
        + "".join(
            f"{new}: &{new} [" + f"*{old}," * 50 + "]\n" for old, new in ("ab", "bc", "cd", "de")
        ),
    ],
    ids=lambda text: text[:12],
)
def test_what_cannot_be_read_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_yaml(text)
    assert caught.value.reason == "invalid_yaml"


@given(st.text(alphabet="[]{}:,-&*<!|>'\"#%@ \nab1.0x~\t?", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(BadInput):
        read_yaml(text)
