"""Codecs of the public device repositories, from the user's own checkouts: found, read, tested.

`find(path)` knows the layouts, `judge(codec, example)` runs an example, `compare` says how what
came is held against what was expected. Files are read and never written; nothing is fetched.
"""

from gateway.codecs.payloads.checkouts.devices import find_device
from gateway.codecs.payloads.checkouts.examples import Example, Kind, read_json, to_listing
from gateway.codecs.payloads.checkouts.find import Checkout, find
from gateway.codecs.payloads.checkouts.judge import judge
from gateway.codecs.payloads.checkouts.source import CodecSource, MakeCodec
from gateway.codecs.payloads.compare import Outcome, Verdict, compare

__all__ = [
    "Checkout",
    "CodecSource",
    "Example",
    "Kind",
    "MakeCodec",
    "Outcome",
    "Verdict",
    "compare",
    "find",
    "find_device",
    "judge",
    "read_json",
    "to_listing",
]
