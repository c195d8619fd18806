"""Reading a stranger's tree of files without leaving it.

Nothing outside `root` is ever read: links are followed only to files inside it, linked folders
not at all. Files and folders whose names begin with a dot, and `node_modules`, are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gateway.errors import BadInput

MAX_FILE = 4 * 1024 * 1024
"""Bytes of one file: bundled codecs come near 1 MiB, tables of examples near 2."""

MAX_FOLDERS = 100_000
_SKIPPED = {"node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class FileTree:
    """A folder that is read and never written. `root` is absolute, without links in it."""

    root: Path

    def folders(self, start: Path | None = None) -> Iterator[tuple[Path, list[str]]]:
        """Yield (folder, sorted names of its files), `start` first, in a fixed order."""
        for count, (folder, inside, names) in enumerate(os.walk(start or self.root)):
            inside[:] = sorted(n for n in inside if n not in _SKIPPED and not n.startswith("."))
            if count >= MAX_FOLDERS:
                raise BadInput("too_many_folders", f"more than {MAX_FOLDERS} below {self.root}")
            yield Path(folder), sorted(n for n in names if not n.startswith("."))

    def inside(self, folder: Path, name: str) -> Path:
        """Return the file that `name`, relative to `folder`, means.

        Raises
        ------
        BadInput
            `outside_checkout`: it is absolute, climbs with `..`, or a link leads out of `root`.
            `file_missing`: there is no such file.

        """
        relative = PurePosixPath(name.replace("\\", "/"))
        climbs = relative.is_absolute() or ".." in relative.parts or "\0" in name
        if climbs or ":" in relative.parts[:1]:
            raise BadInput("outside_checkout", f"{name!r} leaves its folder")
        try:
            path = (folder / relative).resolve()
        except (OSError, RuntimeError):
            raise BadInput("file_missing", f"{name!r} leads nowhere") from None
        if not path.is_relative_to(self.root):
            raise BadInput("outside_checkout", f"{name!r} is a link out of the checkout")
        if not path.is_file():
            raise BadInput("file_missing", f"{name!r} is not there")
        return path

    def read(self, folder: Path, name: str) -> str:
        """Return a file's text; what is not UTF-8 is replaced.

        Raises
        ------
        BadInput
            As `inside`, and `file_too_large`, `file_unreadable`.

        """
        path = self.inside(folder, name)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE + 1)
        except OSError as error:
            raise BadInput("file_unreadable", f"{name!r}: {error.strerror}") from None
        if len(content) > MAX_FILE:
            raise BadInput("file_too_large", f"{name!r} has more than {MAX_FILE} bytes")
        return content.decode("utf-8-sig", errors="replace")
