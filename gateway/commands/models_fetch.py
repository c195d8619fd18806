"""From what a person names, a file or an address, to a file on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from gateway.errors import PackError
from gateway.inference.installed import refusal
from gateway.inference.ownership import as_owner
from gateway.inference.pack import LARGEST_BYTES
from gateway.links.fetch import Fetch, check_sha256
from gateway.links.fetch import Progress as ProgressTold

_SPOILT = frozenset({"truncated", "not_a_zip", "damaged", "wrong_checksum"})
"""With these, what was fetched is of no use: the next try begins anew."""


@contextmanager
def fetched(source: str, folder: Path, sha256: str) -> Iterator[Path]:
    """Give the pack's file; one that was downloaded into `folder` is removed afterwards.

    It stays where the work on it fails for a reason that lies elsewhere, for the next try.

    Raises
    ------
    PackError
        What `links.fetch` raises, `wrong_checksum`, `not_enough_disk`, `not_writable`.

    """
    if "://" not in source:
        yield _checked(Path(source), sha256)
        return
    if source.startswith("file://"):
        yield _checked(_local(source), sha256)
        return
    fetch = _fetch(source, folder)
    try:
        yield _checked(_download(fetch, folder), sha256)
    except PackError as error:
        if error.reason in _SPOILT:
            fetch.forget()
        raise
    fetch.forget()


def _checked(path: Path, sha256: str) -> Path:
    if sha256:
        try:
            check_sha256(path, sha256)
        except OSError:
            return path  # reading it as a pack says what is wrong with it
    return path


def _local(url: str) -> Path:
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise PackError(
            "insecure_url", f"{url} lies on another machine.", "Write file:/// and the whole path."
        )
    return Path(urllib.parse.unquote(parts.path))


def _fetch(url: str, folder: Path) -> Fetch:
    name = hashlib.sha256(url.encode()).hexdigest()[:12]
    return Fetch(url, folder / f".download-{name}.part", LARGEST_BYTES)


def _download(fetch: Fetch, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        as_owner(folder)
        with _bar() as progress:
            return replace(fetch, progress=progress).run()
    except OSError as error:
        if error.errno is not None:
            fetch.forget()
        raise refusal(folder, error) from error


@contextmanager
def _bar() -> Iterator[ProgressTold]:
    """Give what shows the progress: a bar on a terminal, nothing elsewhere."""
    with contextlib.ExitStack() as stack:
        if not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        shown = stack.enter_context(
            Progress("Downloading", BarColumn(), DownloadColumn(), TimeRemainingColumn(),
                     console=Console(stderr=True), transient=True)
        )  # fmt: skip
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
