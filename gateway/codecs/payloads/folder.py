"""The user's codecs folder: which codecs are in it, by name, and which files have changed.

A file's name without its ending is the codec's: `dragino/lse01.js` is `dragino/lse01`. Names are
compared without case. Examples beside a codec, hidden files and everything that is neither `.js`
nor `.toml` are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import BadInput

SUFFIXES = (".js", ".toml")
MAX_BYTES = 1 << 20
MAX_FILES = 10_000
_NOT_CODECS = (".examples.", "test_decode_", "test_encode_")


@dataclass(frozen=True, slots=True)
class CodecFile:
    """One codec's file; `stamp` differs once it is written anew."""

    name: str
    path: Path
    stamp: tuple[int, int]

    def read(self) -> str:
        """Return its text.

        Raises
        ------
        BadInput
            `codec_syntax`: it cannot be read, is too large, or is not UTF-8.

        """
        try:
            data = self.path.read_bytes()
            if len(data) > MAX_BYTES:
                raise BadInput("codec_syntax", f"{self.path} has more than {MAX_BYTES} bytes")
            return data.decode("utf-8-sig")
        except OSError as error:
            raise BadInput("codec_syntax", f"{self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise BadInput("codec_syntax", f"{self.path} is not UTF-8 text") from None


def scan(folder: Path) -> Mapping[str, CodecFile]:
    """Return the codecs of a folder by name; none when it is not there.

    Of two files of one name the script goes before the layout.
    """
    found: dict[str, CodecFile] = {}
    for path, stamp in sorted(_files(folder), reverse=True):
        name = path.relative_to(folder).with_suffix("").as_posix().casefold()
        found[name] = CodecFile(name, path, stamp)
    return dict(sorted(found.items()))


def keep(folder: Path, name: str, suffix: str, text: str) -> None:
    """Write a codec's file whole, in place of any other of its name; raises OSError."""
    path = (folder / name).with_name(Path(name).name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    for other in SUFFIXES:
        if other != suffix:
            path.with_suffix(other).unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if path.suffix not in SUFFIXES or name.startswith("."):
                continue
            if any(mark in name for mark in _NOT_CODECS):
                continue
            try:
                status = path.stat()
            except OSError:
                continue  # gone between the listing and the look
            yield path, (status.st_mtime_ns, status.st_size)
            count += 1
            if count >= MAX_FILES:
                return
