"""Codecs that ship with the package: `devices/<vendor>/<model>.toml` is called `<vendor>/<model>`.

Layouts are the rule; a `.js` beside them is a codec of our own where a layout cannot say a format.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from gateway.errors import BadInput

SUFFIXES = (".toml", ".js")

_NAME = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@functools.cache
def builtin_names() -> tuple[str, ...]:
    """Return the names of all built-in codecs, sorted."""
    return tuple(sorted(name for name, _ in _files()))


def builtin_text(name: str) -> tuple[str, str]:
    """Return a built-in codec's suffix, `.toml` or `.js`, and its text.

    Raises
    ------
    BadInput
        `codec_no_function`: there is none of this name.

    """
    if _NAME.fullmatch(name):
        vendor, _, model = name.partition("/")
        for suffix in SUFFIXES:
            file = _folder().joinpath(vendor, model + suffix)
            if file.is_file():
                return suffix, file.read_text("utf-8")
    raise BadInput("codec_no_function", f"there is no built-in codec {name[:80]!r}")


def _folder() -> Traversable:
    return resources.files("gateway.codecs.payloads").joinpath("devices")


def _files() -> Iterator[tuple[str, Traversable]]:
    for vendor in _folder().iterdir():
        if not vendor.is_dir():
            continue
        for file in vendor.iterdir():
            stem, dot, suffix = file.name.rpartition(".")
            if dot + suffix in SUFFIXES:
                yield f"{vendor.name}/{stem}", file
