"""The folder of installed packs: which is in use, which was before, and the switch between them.

::

    packs/base-1.2-0123456789ab.zip     every pack under its name, version and content
    packs/current  -> base-1.2-….zip    renamed over in one step: there is always one or none
    packs/previous -> base-1.1-….zip    what `rollback` goes back to; "builtin" for the one shipped
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from gateway.config import InferenceConfig
from gateway.errors import PackError
from gateway.inference.pack import BUILTIN, Pack

CURRENT, PREVIOUS, SHIPPED = "current", "previous", "builtin"
_SPARE_BYTES = 16 * 2**20
"""Room that must be left on the disk: the store needs some too."""


def active(config: InferenceConfig) -> Path:
    """Return the pack's file that the gateway uses."""
    if config.pack:
        return Path(config.pack)
    return target(config.packs, CURRENT) or BUILTIN


def candidates(config: InferenceConfig) -> tuple[Path, ...]:
    """Return the packs to try, the one in use first: each stands in where one does not load."""
    before = None if config.pack else target(config.packs, PREVIOUS)
    tried = (active(config), before or BUILTIN, BUILTIN)
    return tuple(dict.fromkeys(tried))


def target(folder: Path, name: str) -> Path | None:
    """Return the file that `current` or `previous` points to, None where there is none."""
    link = folder / name
    try:
        pointed = link.readlink().name
    except OSError:
        return None
    return BUILTIN if pointed == SHIPPED else folder / pointed


def stage(pack: Pack, folder: Path) -> Path:
    """Copy a checked pack into the folder under its own name; return where it lies now.

    Raises
    ------
    PackError
        `not_enough_disk`, `not_writable`.

    """
    facts = pack.manifest
    version = "".join(c if c.isalnum() or c in "._-" else "_" for c in facts.version)
    made = folder / f"{facts.name}-{version}-{pack.sha256[:12]}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < pack.path.stat().st_size + _SPARE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - one message for both
        part = folder / f".{made.name}.part"
        shutil.copyfile(pack.path, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
        part.replace(made)
    except OSError as error:
        raise refusal(folder, error) from error
    return made


def switch(folder: Path, made: Path) -> None:
    """Make a staged pack the one in use; the one in use till now becomes the previous.

    Raises
    ------
    PackError
        `not_writable`, `not_enough_disk`.

    """
    before = target(folder, CURRENT)
    if before == made:
        return
    try:
        _point(folder, PREVIOUS, _name(before))
        _point(folder, CURRENT, made.name)
    except OSError as error:
        raise refusal(folder, error) from error


def roll_back(folder: Path) -> Path:
    """Take the previous pack into use again, and keep the present one as the previous.

    Raises
    ------
    PackError
        `no_previous`, `missing`, `not_writable`, `not_enough_disk`.

    """
    before, now = target(folder, PREVIOUS), target(folder, CURRENT)
    if before is None:
        raise PackError(
            "no_previous",
            f"No earlier pack is kept in {folder}.",
            'To use the one that ships with the gateway, set `inference.pack` to "" and remove '
            f"{folder / CURRENT}.",
        )
    if not before.exists():
        raise PackError("missing", f"{before} is gone.", "Install it again.")
    try:
        _point(folder, CURRENT, _name(before))
        _point(folder, PREVIOUS, _name(now))
    except OSError as error:
        raise refusal(folder, error) from error
    return before


def _name(pack: Path | None) -> str:
    return SHIPPED if pack is None or pack == BUILTIN else pack.name


def _point(folder: Path, name: str, at: str) -> None:
    fresh = folder / f".{name}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(at)
    fresh.replace(folder / name)


def refusal(folder: Path, error: OSError) -> PackError:
    """Return what is to be said of a folder that cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return PackError(
            "not_enough_disk",
            f"There is too little room in {folder}.",
            "Remove what is not needed, or lower `store.max_mb`.",
        )
    return PackError(
        "not_writable",
        f"{folder} cannot be written: {error.strerror}.",
        "Try with sudo, or make it writable by this user.",
    )
