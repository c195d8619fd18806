"""Pack files made on the spot: the built-in one with something changed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx_bytes import OnnxFile

from gateway.inference.pack import BUILTIN, read_pack


def members(path: Path = BUILTIN) -> dict[str, bytes]:
    """Return a pack's files by name, the built-in one's unless another is given."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed_manifest(change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """Return the built-in pack's files with a changed manifest."""
    files = members()
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return files | {"manifest.json": json.dumps(manifest).encode()}


def replaced(name: str, content: bytes) -> dict[str, bytes]:
    """Return the built-in pack's files, one of them replaced and entered in the manifest."""
    return replaced_in(members(), name, content)


def replaced_in(files: dict[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    """Return a pack's files, one of them replaced and entered in the manifest."""
    manifest = json.loads(files["manifest.json"])
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["files"][name] = entry
    return files | {name: content, "manifest.json": json.dumps(manifest).encode()}


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write the files as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path


def zeros() -> bytes:
    """Return golden windows of a model that answers zeros."""
    golden = read_pack(BUILTIN).golden
    names = ("quantiles", "reconstruction", "embedding")
    buffer = io.BytesIO()
    np.savez(buffer, **{**golden, **{name: np.zeros_like(golden[name]) for name in names}})
    return buffer.getvalue()


def around(graph: OnnxFile) -> dict[str, bytes]:
    """Return a pack around a graph written by hand, right in all but the graph."""
    return replaced_in(replaced("model.onnx", graph.content()), "golden.npz", zeros())
