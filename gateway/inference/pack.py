"""Model packs: one zip file that is checked wholly before any of it is used.

The checks come in this order, each with a message of its own: is it there, is it a zip within
bounds, does the manifest make sense, are the files whole, does it fit this machine and gateway,
does it load, do the golden windows come out right.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pydantic import ValidationError

from gateway.errors import PackError
from gateway.inference.manifest import Manifest
from gateway.inference.model import Outputs
from gateway.inference.session import INPUTS, OUTPUTS, OnnxModel

BUILTIN = Path(__file__).parent / "packs" / "base.zip"
"""The pack that ships with the gateway."""

MODEL, GOLDEN, MANIFEST = "model.onnx", "golden.npz", "manifest.json"
HIGHEST_OPSET = 23
CONTEXT = 512

_PACK_BYTES = 256 * 2**20
_UNPACKED_BYTES = 512 * 2**20
_MANIFEST_BYTES = 2**20
_MEMBERS = 64
_RELATIVE, _ABSOLUTE = 2e-3, 2e-3
_GET_AGAIN = "Get the file again, or keep the pack that is installed."
_BUILD_AGAIN = "Build the pack again with `models/`."


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is whole: manifest, graph and golden windows, not yet loaded."""

    path: Path
    manifest: Manifest
    graph: bytes
    golden: dict[str, npt.NDArray[np.float32]]

    @property
    def identity(self) -> str:
        """Return `name@sha256:…` of the graph, as alerts state it."""
        return f"{self.manifest.name}@sha256:{self.manifest.files[MODEL].sha256[:16]}"


def load_model(path: Path | str = "", *, threads: int = 1) -> OnnxModel:
    """Read, load and prove a pack ("" is the built-in one); see `read_pack` and `prove`."""
    pack = read_pack(Path(path) if str(path) else BUILTIN)
    entry = pack.manifest.model
    model = OnnxModel(
        pack.graph,
        name=pack.identity,
        context=entry.context,
        horizon=entry.horizon,
        threads=threads,
    )
    prove(model, pack)
    return model


def read_pack(path: Path) -> Pack:
    """Read a pack and check all that can be checked without running it.

    Raises
    ------
    PackError
        `missing`, `not_readable`, `too_large`, `not_a_zip`, `unsafe_member`, `no_manifest`,
        `bad_manifest`, `missing_file`, `damaged`, `unsupported`, `runtime_too_old`,
        `bad_golden`.

    """
    content = _content(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _bounded(archive)
            manifest = _manifest(archive)
            files = {name: _member(archive, manifest, name) for name in manifest.files}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise PackError(
            "not_a_zip", f"{path} is not a readable zip file: {error}.", _GET_AGAIN
        ) from error
    for name in (MODEL, GOLDEN):
        if name not in files:
            raise PackError("missing_file", f"The pack lists no {name}.", _BUILD_AGAIN)
    _fits(manifest)
    return Pack(path, manifest, files[MODEL], _golden(files[GOLDEN]))


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _PACK_BYTES:
            limit = _PACK_BYTES // 2**20
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


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        member = archive.getinfo(MANIFEST)
    except KeyError:
        raise PackError(
            "no_manifest", f"The file is a zip, but holds no {MANIFEST}.", "Is it a model pack?"
        ) from None
    if member.file_size > _MANIFEST_BYTES:
        raise PackError("too_large", f"{MANIFEST} is over 1 MB.", _BUILD_AGAIN)
    try:
        return Manifest.model_validate(json.loads(archive.read(member)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PackError(
            "bad_manifest", f"{MANIFEST}: {where or 'the whole'}: {first['msg']}.", _BUILD_AGAIN
        ) from error
    except (ValueError, RecursionError) as error:
        raise PackError("bad_manifest", f"{MANIFEST} is not JSON: {error}.", _GET_AGAIN) from error


def _member(archive: zipfile.ZipFile, manifest: Manifest, name: str) -> bytes:
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


def _fits(manifest: Manifest) -> None:
    complaint = manifest.model.complaint()
    if not complaint and manifest.model.context != CONTEXT:
        complaint = f"its context is {manifest.model.context} slots, the gateway's is {CONTEXT}"
    if complaint:
        raise PackError("unsupported", f"The model cannot be used here: {complaint}.", _BUILD_AGAIN)
    needed, present = manifest.needs.onnxruntime, ort.__version__
    if _numbers(present) < _numbers(needed):
        raise PackError(
            "runtime_too_old",
            f"The model needs ONNX Runtime {needed}, this is {present}.",
            "Upgrade the gateway, or use a pack made for this version.",
        )
    if manifest.needs.opset > HIGHEST_OPSET:
        raise PackError(
            "unsupported",
            f"The model needs opset {manifest.needs.opset}, over {HIGHEST_OPSET}.",
            "Export it for opset 18.",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:3] if part.isdigit()
    )


def _golden(content: bytes) -> dict[str, npt.NDArray[np.float32]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            golden = {name: np.asarray(arrays[name], np.float32) for name in (*INPUTS, *OUTPUTS)}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise PackError("bad_golden", f"{GOLDEN} cannot be used: {error}.", _BUILD_AGAIN) from error
    if len({len(array) for array in golden.values()}) != 1 or not len(golden["values"]):
        raise PackError("bad_golden", f"{GOLDEN}: arrays of different lengths.", _BUILD_AGAIN)
    return golden


def prove(model: OnnxModel, pack: Pack) -> None:
    """Hold a loaded model against its manifest and its golden windows.

    Raises
    ------
    PackError
        `wrong_signature`, `not_runnable`, `golden_differs`.

    """
    _signature(model, pack.manifest)
    golden = pack.golden
    try:
        outputs = model.run(*(golden[name] for name in INPUTS))
    except Exception as error:
        raise PackError(
            "not_runnable", f"The model loads but does not run: {error}.", _BUILD_AGAIN
        ) from error
    for name in OUTPUTS:
        if (off := _worst(outputs, golden, name)) > 1.0:
            raise PackError(
                "golden_differs",
                f"On this machine the model's {name} differ from the golden ones, {off:.1f} times "
                "what is allowed.",
                "The processor or the runtime computes it wrongly: use another pack.",
            )


def _signature(model: OnnxModel, manifest: Manifest) -> None:
    stated = {**manifest.model.inputs, **manifest.model.outputs}
    for name, (shape, kind) in model.signature().items():
        fixed = [size for size in shape[1:] if isinstance(size, int)]
        wanted = stated[name].shape[1:] if name in stated else None
        if wanted is None or kind != "tensor(float)" or (fixed and fixed != wanted):
            raise PackError(
                "wrong_signature",
                f"The graph has {name!r} as {kind} {list(shape)}, the manifest says otherwise.",
                _BUILD_AGAIN,
            )


def _worst(outputs: Outputs, golden: dict[str, npt.NDArray[np.float32]], name: str) -> float:
    """Largest deviation as a multiple of what is allowed; infinite for a wrong shape or NaN."""
    expected, got = golden[name], np.asarray(getattr(outputs, name))
    if got.shape != expected.shape or not np.isfinite(got).all():
        return float("inf")
    scale = np.abs(expected).max(axis=tuple(range(1, expected.ndim)), keepdims=True)
    allowed = _ABSOLUTE * np.minimum(scale, 1.0) + _RELATIVE * scale + 1e-6
    return float((np.abs(got - expected) / allowed).max())


__all__ = ["BUILTIN", "Pack", "load_model", "prove", "read_pack"]
