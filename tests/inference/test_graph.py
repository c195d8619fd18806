"""An ONNX file is looked into without `onnx`: operators, their sets, weights outside the file."""

from __future__ import annotations

import model_packs as packs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInput
from gateway.inference.graph import read_graph


def field(number: int, content: bytes | int) -> bytes:
    """Return one protobuf field of fewer than 128 bytes."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def model(*nodes_and_weights: bytes, domain: bytes = b"", opset: int = 18) -> bytes:
    imports = field(8, field(1, domain) + field(2, opset))
    return imports + field(7, b"".join(nodes_and_weights))


def test_the_built_in_model_uses_standard_operators_of_opset_18_and_holds_its_weights() -> None:
    graph = read_graph(packs.members()["model.onnx"])
    assert (graph.opset, graph.custom, graph.external) == (18, (), False)


def test_a_strangers_operator_is_named() -> None:
    node = field(1, field(4, b"Evil") + field(7, b"acme"))
    assert read_graph(model(node)).custom == ("acme.Evil",)


def test_a_strangers_operator_inside_a_branch_is_named() -> None:
    inner = field(1, field(4, b"Evil") + field(7, b"acme"))
    branch = field(1, field(4, b"If") + field(5, field(6, inner)))
    assert read_graph(model(branch)).custom == ("acme.Evil",)


@pytest.mark.parametrize("attribute", [False, True])
def test_weights_outside_the_file_are_seen(*, attribute: bool) -> None:
    tensor = field(14, 1)
    part = (
        field(1, field(4, b"Constant") + field(5, field(5, tensor)))
        if attribute
        else field(5, tensor)
    )
    assert read_graph(model(part)).external
    assert not read_graph(model(field(5, field(14, 0)))).external


def test_branches_within_branches_end_somewhere() -> None:
    inner = field(1, b"")
    for _ in range(12):
        inner = field(1, field(5, field(6, inner)))
    with pytest.raises(BadInput):
        read_graph(model(inner))


def outcome(content: bytes) -> str:
    try:
        read_graph(content)
    except BadInput as error:
        return error.reason
    return "read"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert outcome(content) in {"read", "not_onnx"}


def test_every_prefix_of_a_model_is_read_or_refused() -> None:
    content = model(field(1, field(4, b"Evil") + field(7, b"acme")))
    assert {outcome(content[:end]) for end in range(len(content))} == {"read", "not_onnx"}
