"""Coverage-guided fuzzing of Cayenne LPP.

Needs atheris, run by hand:

python tests/fuzz/fuzz_cayenne.py -max_total_time=300
"""

import contextlib
import json
import sys

import atheris

with atheris.instrument_imports():
    from gateway.codecs.payloads.cayenne_lpp import CayenneLpp
    from gateway.codecs.payloads.contract import Frame
    from gateway.errors import BadInput

CODEC = CayenneLpp()


def one_input(data: bytes) -> None:
    """Decode bytes; take the same bytes for a command too. Only `BadInput` may be raised."""
    with contextlib.suppress(BadInput):
        decoded = CODEC.decode(Frame(data, 1))
        json.dumps(decoded.data, allow_nan=False)
        CODEC.encode(decoded.data, {})
    with contextlib.suppress(ValueError, RecursionError):
        command = json.loads(data)
        if isinstance(command, dict):
            with contextlib.suppress(BadInput):
                CODEC.encode(command, {})


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
