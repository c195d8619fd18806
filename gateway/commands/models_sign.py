"""`lora-gateway models keygen | sign | pack`: what the maker of a pack does."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import PackError
from gateway.inference import signing
from gateway.inference.adapter import is_adapter, read_adapter
from gateway.inference.pack import MANIFEST, SIGNATURE, read_pack

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_KEY_HELP = "`lora-gateway models keygen` makes one."


def keygen(out: Path) -> int:
    """Write a new private key (base64, mode 0600) and print the public one.

    Raises
    ------
    PackError
        `not_writable`: also where a file is there already; a key is never written over.

    """
    private, public = signing.new_key()
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(private) + b"\n")
    except OSError as error:
        raise PackError(
            "not_writable", f"{out} cannot be written: {error.strerror}.", "Name another file."
        ) from error
    print(public)
    return 0


def sign(file: Path, key: Path) -> int:
    """Put a signature into a pack or an adapter that is whole."""
    _whole(file)
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files[SIGNATURE] = signing.sign(files[MANIFEST], _private(key))
    _write(file, files)
    print(f"{file} is signed by {signing.public_key(_private(key))}.")
    return 0


def pack(folder: Path, out: Path, key: Path | None) -> int:
    """Make a pack of a folder, checked before it takes its name.

    Raises
    ------
    PackError
        The folder holds no manifest, or what comes of it is no good pack.

    """
    try:
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        files = {name: (folder / name).read_bytes() for name in names}
        manifest = json.loads(files.pop(MANIFEST))
        files.pop(SIGNATURE, None)
    except (KeyError, OSError, ValueError, RecursionError) as error:
        raise PackError(
            "no_manifest",
            f"{folder} holds no readable {MANIFEST}.",
            "`python -m models.pack` writes one; `unzip` of a pack shows how it looks.",
        ) from error
    if isinstance(manifest, dict):
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        }
    head = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    made = {MANIFEST: head, **files}
    if key is not None:
        made[SIGNATURE] = signing.sign(head, _private(key))
    _write(out, made)
    print(f"{out}: {read_pack(out).identity}")
    return 0


def _whole(file: Path) -> None:
    if is_adapter(file):
        read_adapter(file)
    else:
        read_pack(file)


def _private(key: Path) -> bytes:
    try:
        private = base64.b64decode(key.read_bytes().strip(), validate=True)
    except OSError as error:
        raise PackError(
            "no_key", f"The key {key} cannot be read: {error.strerror}.", _KEY_HELP
        ) from error
    except ValueError as error:
        raise PackError("no_key", f"{key} holds no private key.", _KEY_HELP) from error
    if len(private) != signing.KEY_BYTES:
        raise PackError("no_key", f"{key} holds no private key.", _KEY_HELP)
    return private


def _write(file: Path, files: Mapping[str, bytes]) -> None:
    """Write a pack whole or not at all; equal content gives equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_TIME), content, zipfile.ZIP_DEFLATED)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(buffer.getvalue())
        _whole(part)
        part.replace(file)
    except OSError as error:
        raise PackError(
            "not_writable", f"{file} cannot be written: {error.strerror}.", "Name another file."
        ) from error
    finally:
        part.unlink(missing_ok=True)
