"""Coverage-guided fuzzing of every dialect; run by hand, `python tests/fuzz/fuzz_radio.py`.

Needs atheris in an environment of its own beside the package's. The first byte picks the dialect;
the rest is cut into pieces that are fed, with time, transmissions, cancels and restarts in between.
A transmission that ends twice, or that was never asked for, is a finding too.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import atheris

with atheris.instrument_imports(include=["gateway.codecs.radio", "gateway.errors"]):
    from gateway.codecs.radio import DIALECTS, read_heard, write_heard
    from gateway.codecs.radio.board_frames import write_frame
    from gateway.codecs.radio.contract import (
        HeardFrame,
        Hop,
        RadioSettings,
        Transmit,
        Transmitted,
        Turn,
    )
    from gateway.errors import BadInput

NAMES = sorted(DIALECTS)
FIXED = RadioSettings(868_100_000, sync_word=0x12)
HOPPING = replace(FIXED, turns=Hop((868_100_000, 868_300_000)))


def check(turn: Turn, open_: set[str]) -> None:
    """Every end is of an open transmission, every heard frame can be written and read."""
    for event in turn.events:
        if isinstance(event, HeardFrame) and read_heard(write_heard(event)) != event:
            raise AssertionError("a heard frame is not what was written of it")
        if isinstance(event, Transmitted):
            if event.id not in open_:
                raise AssertionError("a transmission ended that was not open")
            open_.remove(event.id)


def one_input(data: bytes) -> None:
    """Drive one dialect; anything it raises is a finding."""
    chosen = atheris.FuzzedDataProvider(data)
    dialect = DIALECTS[NAMES[chosen.ConsumeIntInRange(0, len(NAMES) - 1)]]()
    settings = HOPPING if dialect.name == "board" else FIXED
    now_s = 0.0
    dialect.start(settings, now_s)
    open_: set[str] = set()
    for number in range(24):
        now_s += chosen.ConsumeIntInRange(0, 200) / 20
        kind = chosen.ConsumeIntInRange(0, 11)
        if kind == 0:
            turn = dialect.tick(now_s)
        elif kind == 1:
            open_.add(str(number))
            at_us = chosen.ConsumeIntInRange(0, 2**33) if chosen.ConsumeBool() else None
            turn = dialect.transmit(
                Transmit(str(number), chosen.ConsumeBytes(8), at_us=at_us), now_s
            )
        elif kind == 2:
            turn = dialect.cancel(str(chosen.ConsumeIntInRange(0, number)), now_s)
        elif kind == 3:
            turn = dialect.start(settings, now_s)
        else:
            data = chosen.ConsumeBytes(chosen.ConsumeIntInRange(0, 400))
            if dialect.name == "board" and len(data) > 1 and chosen.ConsumeBool():
                data = write_frame(data[0], data[1], data[2:])  # with the checksum it should have
            turn = dialect.feed(data, now_s, "x")
        check(turn, open_)
    try:
        read_heard(data)
    except BadInput:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
