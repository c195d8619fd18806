"""Built-in codecs against a recording in which the network server had decoded the same bytes.

    python tests/codecs/payloads/compare_recording.py --recording FILE --codec PROFILE=NAME ...

FILE holds lines as `mosquitto_sub -F '%J'` records ChirpStack's events, gzipped or not. PROFILE is
a device profile's name, NAME a built-in codec. Leaf by leaf, what both have is compared; leaves
that only one has, and pairs that differ, are counted with one example each. No test: recordings
are their owners'.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gateway.codecs.flatten import leaves
from gateway.codecs.payloads.builtin import builtin_text
from gateway.codecs.payloads.contract import Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.errors import BadInput


class Recorded(NamedTuple):
    """One uplink of a recording."""

    profile: str
    frame: Frame
    tree: dict[str, Any]


def uplinks(recording: Path) -> Iterator[Recorded]:
    """Yield the uplinks that a server decoded; other lines are passed over."""
    opened = gzip.open if recording.suffix == ".gz" else open
    with opened(recording, "rt", encoding="utf-8") as lines:
        for line in lines:
            body = json.loads(line).get("payload")
            event = json.loads(body) if isinstance(body, str) else body
            if isinstance(event, dict) and event.get("object") is not None:
                frame = Frame(base64.b64decode(event.get("data") or ""), event.get("fPort", 0))
                yield Recorded(event["deviceInfo"]["deviceProfileName"], frame, event["object"])


class Tally:
    """What was found for one codec."""

    def __init__(self, codec: LayoutCodec) -> None:
        self.codec = codec
        self.counts: Counter[str] = Counter()
        self.seen: dict[str, str] = {}

    def add(self, recorded: Recorded) -> None:
        """Compare one uplink."""
        try:
            decoded = self.codec.decode(recorded.frame)
        except BadInput as error:
            size = "no bytes" if not recorded.frame.data else "bytes"
            self._count(f"refused, {size}: {error.reason}", recorded, "")
            return
        ours, theirs = dict(leaves(decoded.data)), dict(leaves(recorded.tree))
        self._count("decoded", recorded, "")
        for key in ours.keys() | theirs.keys():
            if key not in theirs:
                self._count(f"only ours: {key}", recorded, ours[key])
            elif key not in ours:
                self._count(f"only the server's: {key}", recorded, theirs[key])
            elif ours[key] == theirs[key]:
                self._count(f"equal: {key}", recorded, ours[key])
            else:
                self._count(f"different: {key}", recorded, f"{ours[key]} / {theirs[key]}")

    def _count(self, what: str, recorded: Recorded, value: object) -> None:
        self.counts[what] += 1
        self.seen.setdefault(what, f"{recorded.frame.data.hex()} {value}")

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        for what, count in sorted(self.counts.items()):
            yield f"{count:7} {what:50} {self.seen[what]}"


def main() -> None:
    """Print one table per codec."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--codec", action="append", default=[], metavar="PROFILE=NAME")
    given = parser.parse_args()
    tallies = {}
    for pair in given.codec:
        profile, _, name = pair.rpartition("=")
        tallies[profile] = Tally(parse_layout(builtin_text(name)[1], name))
    for recorded in uplinks(given.recording):
        if recorded.profile in tallies:
            tallies[recorded.profile].add(recorded)
    for profile, tally in tallies.items():
        sys.stdout.write("\n".join([f"{profile} = {tally.codec.name}", *tally.lines(), ""]) + "\n")


if __name__ == "__main__":
    main()
