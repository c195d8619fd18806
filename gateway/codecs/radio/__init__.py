"""Radios people own: bytes from a wire to heard frames, and back. Pure; README.md lists them.

`DIALECTS` has one maker per kind of board, under the name that the settings use.
"""

from collections.abc import Callable, Mapping

from gateway.codecs.radio.board import Board
from gateway.codecs.radio.heard import read_heard, write_heard
from gateway.codecs.radio.rak811 import Rak811
from gateway.codecs.radio.reyax import Reyax
from gateway.codecs.radio.rn2483 import Rn2483
from gateway.codecs.radio.rnode import RNode
from gateway.codecs.radio.semtech_udp import SemtechUdp
from gateway.types import RadioDialect

__all__ = [
    "BAUD_RATES",
    "DIALECTS",
    "Board",
    "RNode",
    "Rak811",
    "Reyax",
    "Rn2483",
    "SemtechUdp",
    "read_heard",
    "write_heard",
]

DIALECTS: Mapping[str, Callable[[], RadioDialect]] = {
    Board.name: Board,
    Rn2483.name: Rn2483,
    RNode.name: RNode,
    Reyax.name: Reyax,
    Rak811.name: Rak811,
    SemtechUdp.name: SemtechUdp,
}

BAUD_RATES: Mapping[str, tuple[int, ...]] = {
    Board.name: (500_000, 115_200),
    Rn2483.name: (57_600,),
    RNode.name: (115_200,),
    Reyax.name: (115_200,),
    Rak811.name: (115_200,),
}
"""The rates a serial board may speak at, the usual one first."""
