"""Whether a loaded model does what its pack says: names, shapes, golden windows, speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import numpy as np

from gateway.errors import PackError
from gateway.inference.fitness import BUILD_AGAIN
from gateway.inference.manifest import Manifest
from gateway.inference.model import Model, Outputs
from gateway.inference.session import INPUTS, OUTPUTS, OnnxModel, first_line
from gateway.types import FloatArray

_RELATIVE, _ABSOLUTE = 2e-3, 2e-3
SLOWEST_MS = 25.0
"""A site of 500 devices of 4 channels at a quarter of an hour asks 2.2 windows a second."""
_RUNS = 15


def prove(model: OnnxModel, manifest: Manifest, golden: Mapping[str, FloatArray]) -> None:
    """Hold a loaded model against its manifest and its golden windows.

    Raises
    ------
    PackError
        `missing_input`, `missing_output`, `wrong_shape`, `not_runnable`, `nan_output`,
        `golden_differs`.

    """
    _names_and_shapes(model, manifest)
    try:
        outputs = model.run(*(golden[name] for name in INPUTS))
    except Exception as error:
        raise PackError(
            "not_runnable", f"The model loads but does not run: {first_line(error)}.", BUILD_AGAIN
        ) from error
    prove_outputs(outputs, golden)


def prove_outputs(outputs: Outputs, golden: Mapping[str, FloatArray]) -> None:
    """Hold outputs against the golden ones.

    Raises
    ------
    PackError
        `nan_output`, `golden_differs`.

    """
    for name in OUTPUTS:
        if not np.isfinite(np.asarray(getattr(outputs, name))).all():
            raise PackError(
                "nan_output",
                f"The model's {name} of a golden window are not numbers (NaN or infinite).",
                "The model or this processor is at fault: export it again, or use another pack.",
            )
        if (off := _worst(outputs, golden, name)) > 1.0:
            raise PackError(
                "golden_differs",
                f"On this machine the model's {name} differ from the golden ones, {off:.1f} times "
                "what is allowed.",
                "The processor or the runtime computes it wrongly: use another pack.",
            )


def _names_and_shapes(model: OnnxModel, manifest: Manifest) -> None:
    stated = {**manifest.model.inputs, **manifest.model.outputs}
    found = model.signature()
    for what, names in (("input", INPUTS), ("output", OUTPUTS)):
        for name in names:
            if name not in found:
                raise PackError(
                    f"missing_{what}", f"The graph has no {what} {name!r}.", BUILD_AGAIN
                )
    for name, (shape, kind) in found.items():
        fixed = [size for size in shape[1:] if isinstance(size, int)]
        wanted = stated[name].shape[1:] if name in stated else None
        if wanted is None or kind != "tensor(float)" or (fixed and fixed != wanted):
            raise PackError(
                "wrong_shape",
                f"The graph has {name!r} as {kind} {list(shape)}, the manifest says otherwise.",
                BUILD_AGAIN,
            )


def _worst(outputs: Outputs, golden: Mapping[str, FloatArray], name: str) -> float:
    """Largest deviation as a multiple of what is allowed; infinite for a wrong shape."""
    expected, got = golden[name], np.asarray(getattr(outputs, name))
    if got.shape != expected.shape:
        return float("inf")
    scale = np.abs(expected).max(axis=tuple(range(1, expected.ndim)), keepdims=True)
    allowed = _ABSOLUTE * np.minimum(scale, 1.0) + _RELATIVE * scale + 1e-6
    return float((np.abs(got - expected) / allowed).max())


def milliseconds(model: Model, golden: Mapping[str, FloatArray]) -> float:
    """Return the median processor time of one window alone, after a first run.

    The processor's time, not the wall's: a busy machine is no slow model.
    """
    one = [golden[name][:1] for name in INPUTS]
    model.run(*one)
    spent = []
    for _ in range(_RUNS):
        began = time.thread_time()
        model.run(*one)
        spent.append(time.thread_time() - began)
    return statistics.median(spent) * 1e3


def fast_enough(measured_ms: float, slowest_ms: float = SLOWEST_MS) -> None:
    """Refuse a model that takes too long for a window.

    Raises
    ------
    PackError
        `too_slow`.

    """
    if measured_ms > slowest_ms:
        raise PackError(
            "too_slow",
            f"One window takes {measured_ms:.1f} ms here, over {slowest_ms:g} ms.",
            "Use a smaller pack, or a faster machine.",
        )
