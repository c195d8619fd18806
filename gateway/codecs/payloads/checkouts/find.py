"""Finding codecs and their examples in any layout, by looking at every folder.

::

    vendor/<vendor>/<codec>.yaml + <script>.js            The Things Network's repository
    devices/<vendor>/<model>/index.json + codecs/*.js     the same, as its site publishes it
    vendors/<vendor>/codecs/<name>.js                     ChirpStack's device profiles, with
                     test_decode_<name>.json, test_encode_<name>.json beside
    <folder>/package.json, index.js, examples.json        a codec package (LoRa Alliance TS013)
    <vendor>/<model>.js|.toml + <model>.examples.json     our own folder of codecs

Each is known by its files, not by where the search began, so a whole checkout, one vendor's
folder, and a single file all work, and so does a tree that mixes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.codecs.payloads.checkouts.examples import EvaluateJson5
from gateway.codecs.payloads.checkouts.files import FileTree
from gateway.codecs.payloads.checkouts.folder import Folder, Rules
from gateway.codecs.payloads.checkouts.source import CodecSource
from gateway.errors import BadInput


@dataclass(frozen=True, slots=True)
class Checkout:
    """A tree of codecs. `layout` is the ecosystem it looks like; `only` limits it to one file."""

    tree: FileTree
    layout: str
    evaluate_json5: EvaluateJson5 | None = None
    only: Path | None = None

    def sources(self) -> Iterator[CodecSource]:
        """Yield every codec, in a fixed order; what is broken comes with its `problems`."""
        if self.only is not None:
            yield from self._of_file(self.only)
            return
        rules = Rules(self.layout, self.evaluate_json5)
        for folder, names in self.tree.folders():
            yield from Folder(self.tree, folder, names, rules).sources()

    def _of_file(self, file: Path) -> list[CodecSource]:
        """Return the codecs that a file is part of: with examples, where any has them."""
        rules = Rules(self.layout, self.evaluate_json5, only=file)
        found = [
            source
            for folder in dict.fromkeys((file.parent, self.tree.root))
            for source in Folder(self.tree, folder, _files(folder), rules).sources()
            if file in source.origins
        ]
        return [source for source in found if source.examples] or found[:1]


def _files(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return []


def find(path: Path, evaluate_json5: EvaluateJson5 | None = None) -> Checkout:
    """Return the checkout, folder or single codec that `path` is.

    `evaluate_json5` reads test files that are JavaScript rather than JSON; without it they are
    reported as broken.

    Raises
    ------
    BadInput
        `no_such_path`.

    """
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise BadInput("no_such_path", f"{path} is not there") from None
    if resolved.is_dir():
        return Checkout(FileTree(resolved), _layout(resolved), evaluate_json5)
    above = resolved.parent.parent
    root = resolved.parent if above == Path(above.anchor) else above
    return Checkout(FileTree(root), "codecs", evaluate_json5, only=resolved)


_MARKS = {
    "things_network": (
        "vendor/*/*.yaml",
        "*/*-codec*.yaml",
        "*-codec*.yaml",
        "devices/*/*/index.json",
        "*/vendor/*/*.yaml",
    ),
    "chirpstack": (
        "vendors/*/codecs",
        "vendors/*/vendor.toml",
        "*/vendor.toml",
        "vendor.toml",
        "*/vendors/*/vendor.toml",
    ),
    "packages": (
        "vendors/*/drivers",
        "drivers/*/package.json",
        "examples.json",
        "*/examples.json",
        "*/*/examples.json",
    ),
}
"""What each ecosystem's tree holds, seen from its root, from a part of it, and from just above."""


def _layout(root: Path) -> str:
    """Return the ecosystem of a folder; one of nobody's is a folder of `codecs`."""
    for layout, patterns in _MARKS.items():
        if any(any(root.glob(pattern)) for pattern in patterns):
            return layout
    return "codecs"
