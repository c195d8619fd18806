"""Model packs: one zip file that is checked wholly before any of it is used.

The checks come in this order, each with a message of its own: is it there, is it a zip within
bounds, does the manifest make sense, is it signed (where keys are given), are the files whole, does
it fit this machine and gateway (`fitness`), does it load, do the golden windows come out right
(`proof`).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from gateway.errors import PackError
from gateway.inference.fitness import fits, fits_graph
from gateway.inference.manifest import Contents, Manifest
from gateway.inference.proof import prove
from gateway.inference.session import INPUTS, OUTPUTS, OnnxModel

BUILTIN = Path(__file__).parent / "packs" / "base.zip"
"""The pack that ships with the gateway."""

MODEL, GOLDEN, MANIFEST, SIGNATURE = "model.onnx", "golden.npz", "manifest.json", "signature"

LARGEST_BYTES = 256 * 2**20
"""No pack may be larger."""

_UNPACKED_BYTES = 512 * 2**20
_MANIFEST_BYTES = 2**20
_SIGNATURE_BYTES = 4096
_MEMBERS = 64
_ZIP_BEGINS, _ZIP_ENDS, _ZIP_TAIL = b"PK\x03\x04", b"PK\x05\x06", 65557
_GET_AGAIN = "Get the file again, or keep the pack that is installed."
_NO_PACK = "Is it a model pack? `lora-gateway models pack` makes one of a folder."
_BUILD_AGAIN = "Build the pack again with `models/`."

AnyManifest = TypeVar("AnyManifest", bound=Contents)


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is whole: manifest, graph and golden windows, not yet loaded.

    `signer` is the trusted public key that signed it, "" where none was asked for.
    """

    path: Path
    manifest: Manifest
    graph: bytes
    golden: dict[str, npt.NDArray[np.float32]]
    signer: str = ""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the graph, in hex."""
        return self.manifest.files[MODEL].sha256

    @property
    def identity(self) -> str:
        """Return `name@sha256:…` of the graph, as alerts state it."""
        return f"{self.manifest.name}@sha256:{self.sha256[:16]}"


def load_model(path: Path | str = "", *, threads: int = 1) -> OnnxModel:
    """Read, load and prove a pack ("" is the built-in one); see `read_pack` and `prove`."""
    return open_model(read_pack(Path(path) if str(path) else BUILTIN), threads=threads)


def open_model(pack: Pack, *, threads: int = 1) -> OnnxModel:
    """Load and prove a pack that was read."""
    entry = pack.manifest.model
    model = OnnxModel(
        pack.graph,
        name=pack.identity,
        context=entry.context,
        horizon=entry.horizon,
        threads=threads,
    )
    prove(model, pack.manifest, pack.golden)
    return model


def read_pack(path: Path, trusted: Sequence[str] | None = None) -> Pack:
    """Read a pack and check all that can be checked without running it.

    `trusted` are the public keys one of which must have signed it; None asks for no signature.

    Raises
    ------
    PackError
        `missing`, `not_readable`, `too_large`, `truncated`, `not_a_zip`, `unsafe_member`,
        `no_manifest`, `bad_manifest`, `missing_file`, `damaged`, `bad_golden`, and what
        `signing.check`, `fitness.fits` and `fitness.fits_graph` raise.

    """
    manifest, files, signer = unpack(path, Manifest, trusted)
    for name in (MODEL, GOLDEN):
        if name not in files:
            raise PackError("missing_file", f"The pack lists no {name}.", _BUILD_AGAIN)
    fits(manifest)
    fits_graph(files[MODEL])
    return Pack(path, manifest, files[MODEL], _golden(files[GOLDEN]), signer)


def unpack(
    path: Path, kind: type[AnyManifest], trusted: Sequence[str] | None = None
) -> tuple[AnyManifest, dict[str, bytes], str]:
    """Return what a pack or an adapter's file holds: its manifest, files by name, and signer.

    Raises
    ------
    PackError
        As `read_pack`, up to `damaged`.

    """
    content = _content(path)
    signer = ""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _bounded(archive)
            manifest = _manifest(archive, kind)
            if trusted is not None:
                from gateway.inference import signing  # noqa: PLC0415 - 6 MB the daemon needs not

                signer = signing.check(archive.read(MANIFEST), _signature(archive), trusted)
            files = {name: _member(archive, manifest, name) for name in manifest.files}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if content.startswith(_ZIP_BEGINS) and _ZIP_ENDS not in content[-_ZIP_TAIL:]:
            raise PackError(
                "truncated",
                f"{path} breaks off: it begins as a zip file and has no end.",
                "The copy was interrupted: copy or download it again.",
            ) from error
        raise PackError(
            "not_a_zip", f"{path} is not a readable zip file: {error}.", _GET_AGAIN
        ) from error
    return manifest, files, signer


def _signature(archive: zipfile.ZipFile) -> bytes | None:
    try:
        member = archive.getinfo(SIGNATURE)
    except KeyError:
        return None
    return archive.read(member) if member.file_size <= _SIGNATURE_BYTES else b""


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            limit = LARGEST_BYTES // 2**20
            raise PackError(
                "too_large", f"{path} has {size // 2**20} MB, over {limit} MB.", _BUILD_AGAIN
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise PackError(
            "missing", f"{path} does not exist.", 'Set `inference.pack` to a pack file, or to "".'
        ) from None
    except OSError as error:
        raise PackError(
            "not_readable",
            f"{path} cannot be read: {error.strerror}.",
            "Make it readable by the user that the gateway runs as.",
        ) from error


def _bounded(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > _MEMBERS or sum(member.file_size for member in members) > _UNPACKED_BYTES:
        raise PackError(
            "too_large",
            f"The pack holds more than {_MEMBERS} files or {_UNPACKED_BYTES // 2**20} MB unpacked.",
            _BUILD_AGAIN,
        )
    names = [member.filename for member in members]
    for name in names:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            raise PackError(
                "unsafe_member", f"The pack holds a file named {name[:80]!r}.", _BUILD_AGAIN
            )
    if len(set(names)) != len(names):
        raise PackError("unsafe_member", "The pack holds two files of one name.", _BUILD_AGAIN)


def _manifest(archive: zipfile.ZipFile, kind: type[AnyManifest]) -> AnyManifest:
    try:
        member = archive.getinfo(MANIFEST)
    except KeyError:
        raise PackError(
            "no_manifest",
            f"The file is a zip, but holds no {MANIFEST}.",
            _NO_PACK,
        ) from None
    if member.file_size > _MANIFEST_BYTES:
        raise PackError("too_large", f"{MANIFEST} is over 1 MB.", _BUILD_AGAIN)
    try:
        return kind.model_validate(json.loads(archive.read(member)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PackError(
            "bad_manifest", f"{MANIFEST}: {where or 'the whole'}: {first['msg']}.", _BUILD_AGAIN
        ) from error
    except (ValueError, RecursionError) as error:
        raise PackError("bad_manifest", f"{MANIFEST} is not JSON: {error}.", _GET_AGAIN) from error


def _member(archive: zipfile.ZipFile, manifest: Contents, name: str) -> bytes:
    entry = manifest.files[name]
    try:
        stored = archive.getinfo(name)
    except KeyError:
        raise PackError("missing_file", f"The pack lacks {name[:80]!r}.", _GET_AGAIN) from None
    whole = stored.file_size == entry.bytes
    content = archive.read(stored) if whole else b""
    if not whole or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise PackError(
            "damaged", f"{name} is not what the manifest says (size or sha256).", _GET_AGAIN
        )
    return content


def _golden(content: bytes) -> dict[str, npt.NDArray[np.float32]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            golden = {name: np.asarray(arrays[name], np.float32) for name in (*INPUTS, *OUTPUTS)}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise PackError("bad_golden", f"{GOLDEN} cannot be used: {error}.", _BUILD_AGAIN) from error
    if len({len(array) for array in golden.values()}) != 1 or not len(golden["values"]):
        raise PackError("bad_golden", f"{GOLDEN}: arrays of different lengths.", _BUILD_AGAIN)
    return golden


__all__ = ["BUILTIN", "Pack", "load_model", "open_model", "prove", "read_pack", "unpack"]
