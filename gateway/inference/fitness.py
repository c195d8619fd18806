"""Whether a pack fits this machine and this gateway: asked before anything of it is run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from gateway.errors import BadInput, PackError
from gateway.inference.graph import read_graph
from gateway.inference.manifest import Manifest

CONTEXT = 512
HIGHEST_OPSET = 23
BUILD_AGAIN = "Build the pack again with `models/`."
_MEMORY = Path("/proc/meminfo")
_SPELLINGS: Mapping[str, str] = {"arm64": "aarch64", "amd64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What a pack is held against; `memory_mb` is what is free now, None where nobody says.

    `total_mb` is all the memory that the machine has, None likewise.
    """

    processor: str
    python: str
    onnxruntime: str
    memory_mb: float | None
    total_mb: float | None = None


def this_machine() -> Machine:
    """Return the machine that this runs on."""
    processor = platform.machine().lower()
    free_mb, total_mb = _memory_mb(_MEMORY, "MemAvailable"), _memory_mb(_MEMORY, "MemTotal")
    return Machine(processor, platform.python_version(), ort.__version__, free_mb, total_mb)


def fits(manifest: Manifest, machine: Machine | None = None) -> None:
    """Hold a manifest against the gateway and a machine (this one, unless given).

    Raises
    ------
    PackError
        `unsupported`, `missing_input`, `missing_output`, `wrong_shape`, `wrong_architecture`,
        `wrong_python`, `runtime_too_old`, `opset_too_new`, `not_enough_memory`.

    """
    complaint = manifest.model.complaint()
    if complaint is not None:
        reason, detail = complaint
        raise PackError(reason, f"The model cannot be used here: {detail}.", BUILD_AGAIN)
    if manifest.model.context != CONTEXT:
        raise PackError(
            "wrong_shape",
            f"The model's context is {manifest.model.context} slots, the gateway's is {CONTEXT}.",
            BUILD_AGAIN,
        )
    _fits_machine(manifest, machine or this_machine())
    _opset(manifest.needs.opset)


def fits_graph(content: bytes) -> None:
    """Look into the graph itself, whatever its manifest says.

    Raises
    ------
    PackError
        `not_loadable`, `external_data`, `custom_operator`, `opset_too_new`.

    """
    try:
        graph = read_graph(content)
    except BadInput as error:
        raise PackError("not_loadable", f"The model is {error.detail}.", BUILD_AGAIN) from error
    if graph.external:
        raise PackError(
            "external_data",
            "The model keeps weights in a file outside itself.",
            "Export it with its weights inside (save_as_external_data=False).",
        )
    if graph.custom:
        raise PackError(
            "custom_operator",
            f"The model uses operators that this runtime lacks: {', '.join(graph.custom[:5])}.",
            "Export it with standard operators.",
        )
    _opset(graph.opset)


def _fits_machine(manifest: Manifest, machine: Machine) -> None:
    needs = manifest.needs
    processor = _SPELLINGS.get(machine.processor, machine.processor)
    if needs.machines and processor not in needs.machines:
        raise PackError(
            "wrong_architecture",
            f"The pack is for {' or '.join(needs.machines)}, this machine is {processor}.",
            "Get the pack that was made for this processor.",
        )
    if _numbers(machine.python) < _numbers(needs.python):
        raise PackError(
            "wrong_python",
            f"The pack needs Python {needs.python}, this is {machine.python}.",
            "Upgrade the operating system, or use a pack made for this version.",
        )
    if _numbers(machine.onnxruntime) < _numbers(needs.onnxruntime):
        raise PackError(
            "runtime_too_old",
            f"The model needs ONNX Runtime {needs.onnxruntime}, this is {machine.onnxruntime}.",
            "Upgrade the gateway, or use a pack made for this version.",
        )
    if machine.memory_mb is not None and machine.memory_mb < needs.memory_mb:
        raise PackError(
            "not_enough_memory",
            f"The model needs {needs.memory_mb:g} MB, {machine.memory_mb:.0f} MB are free.",
            "Stop other programs, or use a smaller pack.",
        )


def _opset(opset: int) -> None:
    if opset > HIGHEST_OPSET:
        raise PackError(
            "opset_too_new",
            f"The model needs opset {opset}, over {HIGHEST_OPSET}.",
            "Export it for opset 18.",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:3] if part.isdigit()
    )


def _memory_mb(path: Path, wanted: str) -> float | None:
    """Return one of Linux's figures: `MemAvailable` is what can be had without swapping."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        name, _, amount = line.partition(":")
        if name == wanted and amount.split()[:1]:
            return int(amount.split()[0]) / 1024.0
    return None
