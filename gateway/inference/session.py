"""An ONNX Runtime session that stays small: one thread, no spinning, no arena."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from gateway.errors import PackError
from gateway.inference.model import Outputs
from gateway.types import FloatArray

INPUTS = ("values", "mask", "clock")
OUTPUTS = ("quantiles", "reconstruction", "embedding")
_ERROR_ONLY = 3


class OnnxModel:
    """A loaded model: `Model` by means of ONNX Runtime on the CPU.

    `threads` is 1 in the daemon, which shares its cores, and may be 2 for work on files.

    Raises
    ------
    PackError
        `not_loadable`: the runtime refuses the graph.

    """

    def __init__(
        self, graph: bytes, *, name: str, context: int, horizon: int, threads: int = 1
    ) -> None:
        self.name = name
        self.context = context
        self.horizon = horizon
        self.sha256 = hashlib.sha256(graph).hexdigest()
        try:
            self._session: Any = ort.InferenceSession(
                graph, options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise PackError(
                "not_loadable",
                f"ONNX Runtime {ort.__version__} cannot load the model: {first_line(error)}.",
                "Export it for opset 18 with standard operators and no external data.",
            ) from error

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge a batch; see `Model`."""
        return self.run_with(None, values, mask, clock)

    def run_with(
        self,
        options: Any,  # noqa: ANN401 - the runtime has no types
        values: FloatArray,
        mask: FloatArray,
        clock: FloatArray,
    ) -> Outputs:
        """Judge a batch under the runtime's `options`, which may hold an adapter."""
        fed = dict(zip(INPUTS, (values, mask, clock), strict=True))
        quantiles, reconstruction, embedding = self._session.run(list(OUTPUTS), fed, options)
        return Outputs(
            np.asarray(quantiles, np.float32),
            np.asarray(reconstruction, np.float32),
            np.asarray(embedding, np.float32),
        )

    def signature(self) -> dict[str, tuple[tuple[object, ...], str]]:
        """Return the shape and type of every input and output by name."""
        nodes = [*self._session.get_inputs(), *self._session.get_outputs()]
        return {node.name: (tuple(node.shape), str(node.type)) for node in nodes}

    def pairs(self) -> dict[str, tuple[object, ...]]:
        """Return the shape of every input that an adapter can fill, its rank as a name."""
        return {
            node.name: tuple(node.shape) for node in self._session.get_overridable_initializers()
        }


class AdaptedModel:
    """`Model`: a loaded one with an adapter beside its weights, which are shared.

    `parameters` is the file of a `.onnx_adapter`; it may be removed afterwards.
    """

    def __init__(self, base: OnnxModel, name: str, parameters: Path) -> None:
        self.name = f"{base.name}+{name}"
        self.context = base.context
        self.horizon = base.horizon
        self._base = base
        self._adapter: Any = ort.LoraAdapter()  # the options hold no reference of their own
        self._adapter.Load(str(parameters))
        self._options: Any = ort.RunOptions()
        self._options.add_active_adapter(self._adapter)

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge a batch; see `Model`."""
        return self._base.run_with(self._options, values, mask, clock)


def options(threads: int) -> Any:  # noqa: ANN401 - the runtime has no types
    """Return session options for a machine that has other work to do."""
    made = ort.SessionOptions()
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    made.enable_cpu_mem_arena = False
    made.enable_mem_pattern = False
    made.log_severity_level = _ERROR_ONLY
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return made


def first_line(error: Exception) -> str:
    """Return what the runtime says first, without the stop at its end."""
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
