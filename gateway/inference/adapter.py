"""Adapter files: low-rank pairs for one base model and some devices, checked before any use.

::

    manifest.json                  which base, for whom, how it was trained, what it gains
    adapters/NAME.onnx_adapter     the pairs, as ONNX Runtime reads them
    golden.npz                     what base and adapter make of the base's own golden windows
    signature                      as a pack's

The runtime itself refuses some wrong adapters only at the first window, and takes others in
silence (pairs that are missing, weights that are no numbers): all that is looked for here.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from gateway.errors import PackError
from gateway.inference.manifest import AdapterManifest
from gateway.inference.model import Outputs
from gateway.inference.pack import GOLDEN, MANIFEST, unpack
from gateway.inference.proof import prove_outputs
from gateway.inference.session import INPUTS, OUTPUTS, AdaptedModel, OnnxModel
from gateway.types import FloatArray

SUFFIX = ".onnx_adapter"
TRAIN_AGAIN = "Train it again with `lora-gateway models adapt`."

Parameters = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's file that is whole, its pairs not yet held against a model.

    `golden` holds the outputs alone; `signer` is as in `Pack`.
    """

    path: Path
    manifest: AdapterManifest
    content: bytes
    golden: dict[str, FloatArray]
    signer: str = ""

    @property
    def identity(self) -> str:
        """Return `name@sha256:…` of the pairs, as alerts state it."""
        return f"{self.manifest.name}@sha256:{self.sha256[:16]}"

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the pairs, in hex."""
        return self.manifest.files[member_of(self.manifest.name)].sha256


def member_of(name: str) -> str:
    """Return where an adapter of this name lies within its file."""
    return f"adapters/{name}{SUFFIX}"


def is_adapter(path: Path) -> bool:
    """Tell an adapter's file from a pack, by its name or by what is in it."""
    if path.suffix == SUFFIX:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return MANIFEST in names and any(name.endswith(SUFFIX) for name in names)


def read_adapter(path: Path, trusted: Sequence[str] | None = None) -> Adapter:
    """Read an adapter's file and check all that can be checked without its base.

    `trusted` is as in `read_pack`.

    Raises
    ------
    PackError
        `bare_adapter`, `missing_file`, `bad_golden`, and what `unpack` raises.

    """
    if path.suffix == SUFFIX and not zipfile.is_zipfile(path):
        raise PackError(
            "bare_adapter",
            f"{path} holds weights alone: nothing says for which model and devices they are.",
            "Give the .zip that `lora-gateway models adapt` wrote.",
        )
    manifest, files, signer = unpack(path, AdapterManifest, trusted)
    content = files.get(member_of(manifest.name))
    if content is None:
        raise PackError(
            "missing_file", f"The file lists no {member_of(manifest.name)}.", TRAIN_AGAIN
        )
    return Adapter(path, manifest, content, _golden(files.get(GOLDEN, b"")), signer)


def adapt(base: OnnxModel, adapter: Adapter, windows: Mapping[str, FloatArray]) -> AdaptedModel:
    """Return the base with an adapter beside it, proved on the base's golden `windows`.

    Raises
    ------
    PackError
        `other_base`, `no_pairs`, `not_an_adapter`, `unknown_parameter`, `missing_parameter`,
        `wrong_shape`, `nan_weights`, `not_runnable`, `nan_output`, `golden_differs`, `no_effect`.

    """
    facts = adapter.manifest
    if facts.base.sha256 != base.sha256:
        raise PackError(
            "other_base",
            f"The adapter {facts.name} belongs to {facts.base.name} {facts.base.version} "
            f"(sha256:{facts.base.sha256[:16]}); the model in use is {base.name}.",
            "Train it again on the model in use, or install the pack that it belongs to.",
        )
    try:
        with tempfile.TemporaryDirectory(prefix="lora-gateway-") as folder:
            file = Path(folder) / f"{facts.name}{SUFFIX}"
            file.write_bytes(adapter.content)
            check(parameters(file), base.pairs())
            made = AdaptedModel(base, adapter.identity, file)
    except OSError as error:
        raise PackError(
            "not_writable",
            f"The adapter cannot be unpacked: {error.strerror}.",
            "Make room in the folder for temporary files, and let this user write there.",
        ) from error
    _prove(made, base, adapter.golden, windows)
    return made


def parameters(file: Path) -> Parameters:
    """Read the pairs of an `.onnx_adapter` file by name.

    Raises
    ------
    PackError
        `not_an_adapter`.

    """
    try:
        stored = ort.AdapterFormat.read_adapter(str(file)).get_parameters()
        return {str(name): np.asarray(value.numpy()) for name, value in stored.items()}
    except Exception as error:
        raise PackError(
            "not_an_adapter",
            f"{file.name} is not an adapter that ONNX Runtime {ort.__version__} can read.",
            TRAIN_AGAIN,
        ) from error


def check(found: Parameters, wanted: Mapping[str, tuple[object, ...]]) -> None:
    """Hold pairs against the inputs [in, R] and [R, out] that a base has for them.

    Raises
    ------
    PackError
        `no_pairs`, `unknown_parameter`, `missing_parameter`, `wrong_shape`, `nan_weights`.

    """
    if not wanted:
        raise PackError(
            "no_pairs", "The model has no inputs for adapters.", "Install a newer pack."
        )
    for reason, names, said in (
        ("unknown_parameter", set(found) - set(wanted), "has no input for"),
        ("missing_parameter", set(wanted) - set(found), "asks also for"),
    ):
        if names:
            raise PackError(
                reason, f"The model {said} {', '.join(sorted(names)[:4])}.", TRAIN_AGAIN
            )
    ranks = {
        size
        for name, array in found.items()
        for size, fixed in zip(array.shape, wanted[name], strict=False)
        if not isinstance(fixed, int)
    }
    for name, array in found.items():
        if array.dtype != np.float32 or not _fits(array.shape, wanted[name]) or len(ranks) > 1:
            raise PackError(
                "wrong_shape",
                f"{name} is {array.dtype} {list(array.shape)}, the model takes float32 "
                f"{list(wanted[name])} with one rank R for all.",
                TRAIN_AGAIN,
            )
        if not np.isfinite(array).all():
            raise PackError("nan_weights", f"{name} holds values that are no numbers.", TRAIN_AGAIN)


def _fits(shape: tuple[int, ...], wanted: tuple[object, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size == fixed for size, fixed in zip(shape, wanted, strict=True) if isinstance(fixed, int)
    )


def _prove(
    made: AdaptedModel,
    base: OnnxModel,
    golden: Mapping[str, FloatArray],
    windows: Mapping[str, FloatArray],
) -> None:
    fed = [windows[name] for name in INPUTS]
    try:
        outputs = made.run(*fed)
    except Exception as error:
        raise PackError(
            "not_runnable", f"The adapter loads but does not run: {error}.", TRAIN_AGAIN
        ) from error
    prove_outputs(outputs, golden)
    if _same(outputs, base.run(*fed)):
        raise PackError(
            "no_effect", "With the adapter every forecast is as without it.", TRAIN_AGAIN
        )


def _same(one: Outputs, other: Outputs) -> bool:
    return np.array_equal(one.quantiles, other.quantiles)


def _golden(content: bytes) -> dict[str, FloatArray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name], np.float32) for name in OUTPUTS}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise PackError("bad_golden", f"{GOLDEN} cannot be used: {error}.", TRAIN_AGAIN) from error
