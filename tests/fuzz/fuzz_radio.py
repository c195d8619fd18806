"""Coverage-guided fuzzing of every dialect; run by hand, `python tests/fuzz/fuzz_radio.py`.

Needs atheris in an environment of its own beside the package's. The first byte picks the dialect;
the rest is cut into pieces that are fed, with time, transmissions and restarts in between.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gateway.codecs.radio", "gateway.errors"]):
    from gateway.codecs.radio import DIALECTS, read_heard, write_heard
    from gateway.codecs.radio.contract import HeardFrame, RadioSettings, Transmit
    from gateway.errors import BadInput

NAMES = sorted(DIALECTS)
SETTINGS = RadioSettings(868_100_000, sync_word=0x12)


def one_input(data: bytes) -> None:
    """Drive one dialect; anything it raises is a finding."""
    chosen = atheris.FuzzedDataProvider(data)
    dialect = DIALECTS[NAMES[chosen.ConsumeIntInRange(0, len(NAMES) - 1)]]()
    now_s = 0.0
    dialect.start(SETTINGS, now_s)
    for number in range(24):
        now_s += chosen.ConsumeIntInRange(0, 200) / 20
        kind = chosen.ConsumeIntInRange(0, 9)
        if kind == 0:
            turn = dialect.tick(now_s)
        elif kind == 1:
            request = Transmit(str(number), chosen.ConsumeBytes(8))
            turn = dialect.transmit(request, now_s)
        else:
            turn = dialect.feed(chosen.ConsumeBytes(chosen.ConsumeIntInRange(0, 400)), now_s, "x")
        for event in turn.events:
            if isinstance(event, HeardFrame) and read_heard(write_heard(event)) != event:
                raise AssertionError("a heard frame is not what was written of it")
    try:
        read_heard(data)
    except BadInput:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
