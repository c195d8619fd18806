"""Pack files made on the spot: the built-in one with something changed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.inference.pack import BUILTIN


def members() -> dict[str, bytes]:
    """Return the built-in pack's files by name."""
    with zipfile.ZipFile(BUILTIN) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed_manifest(change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """Return the built-in pack's files with a changed manifest."""
    files = members()
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return files | {"manifest.json": json.dumps(manifest).encode()}


def replaced(name: str, content: bytes) -> dict[str, bytes]:
    """Return the built-in pack's files, one of them replaced and entered in the manifest."""
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    files = changed_manifest(lambda manifest: manifest["files"].update({name: entry}))
    return files | {name: content}


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write the files as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path
