"""Coverage-guided fuzzing of layouts: the file, the payload, and the command are all a stranger's.

Needs atheris, run by hand; the layouts of the vectors are good seeds:

    python tests/fuzz/fuzz_layouts.py -max_total_time=300 tests/vectors/codecs/layouts

An input is a layout, a zero byte, a port, a payload; where the layout cannot be read, the payload
goes to one that can. A layout's own text is also tried as a command.
"""

import contextlib
import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from gateway.codecs.payloads.contract import Frame
    from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
    from gateway.errors import BadInput

VECTORS = Path(__file__).parents[1] / "vectors" / "codecs" / "layouts"
KNOWN = tuple(
    parse_layout(path.read_text("utf-8"), path.stem) for path in sorted(VECTORS.glob("*.toml"))
)


def one_input(data: bytes) -> None:
    """Read a layout, decode with it, encode what it said. Only `BadInput` may be raised."""
    text, _, payload = data.partition(b"\0")
    codecs = KNOWN
    with contextlib.suppress(BadInput):
        codecs = (parse_layout(text.decode("utf-8", "replace"), "fuzzed"), *KNOWN)
    for codec in codecs:
        frame = Frame(payload[1:256], payload[0] if payload else 1)
        both_ways(codec, frame)


def both_ways(codec: LayoutCodec, frame: Frame) -> None:
    """Decode a frame as an uplink and as a downlink, and encode what either says."""
    for decode in (codec.decode, codec.decode_downlink):
        with contextlib.suppress(BadInput):
            decoded = decode(frame)
            json.dumps(decoded.data, allow_nan=False)
            codec.encode(decoded.data, {})


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
