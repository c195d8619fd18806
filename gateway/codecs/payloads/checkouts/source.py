"""One codec of a checkout: its text and its examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.codecs.payloads.checkouts.examples import Example
from gateway.codecs.payloads.contract import PayloadCodec


@dataclass(frozen=True, slots=True)
class CodecSource:
    """One codec's text and examples. `problems` says, as (file, reason), what is broken in it.

    `script` is empty where it could not be read; `suffix` begins with a dot. `path` is the
    script's file, or that of what names it; `origins` are all files it was put together from.
    """

    vendor: str
    model: str
    suffix: str
    script: str
    examples: tuple[Example, ...]
    path: Path
    origins: frozenset[Path]
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Return `vendor/model`, or the model alone where no folder names a vendor."""
        return f"{self.vendor}/{self.model}" if self.vendor else self.model


MakeCodec = Callable[[str, str, str], PayloadCodec]
"""Makes a codec of (name, suffix, script); raises `BadInput` where the script cannot be used."""
