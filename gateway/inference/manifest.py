"""What a pack says of itself, in `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.types import QUANTILES

Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A block of the manifest: fields of later formats are allowed and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FileEntry(Part):
    """How a file of the pack must look."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Tensor(Part):
    """An input or output: a symbolic first dimension, then fixed ones."""

    shape: Annotated[list[str | int], Field(min_length=1, max_length=4)]
    type: Literal["float32"]


class ModelEntry(Part):
    """What goes in and what comes out."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    context: Count
    horizon: Count
    quantiles: list[float]
    embedding: Annotated[int, Field(ge=1, le=64)]

    def complaint(self) -> tuple[str, str] | None:
        """Say how this differs from what the gateway can use: the reason, and in words."""
        if tuple(self.quantiles) != QUANTILES:
            return (
                "unsupported",
                f"its quantiles are {self.quantiles}, the gateway states {list(QUANTILES)}",
            )
        wanted: dict[str, list[int]] = {
            "values": [self.context],
            "mask": [self.context],
            "clock": [2],
            "quantiles": [self.horizon, len(QUANTILES)],
            "reconstruction": [self.context],
            "embedding": [self.embedding],
        }
        stated = {**self.inputs, **self.outputs}
        for name, shape in wanted.items():
            if name not in stated:
                side = "input" if name in {"values", "mask", "clock"} else "output"
                return f"missing_{side}", f"it has no {side} {name!r}"
            if stated[name].shape[1:] != shape:
                return (
                    "wrong_shape",
                    f"{name!r} has shape {stated[name].shape}, not [B, {str(shape)[1:]}",
                )
        return None


class Needs(Part):
    """What the machine must have; no `machines` means any 64-bit processor."""

    onnxruntime: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
    opset: Count
    memory_mb: Annotated[float, Field(gt=0)]
    python: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")] = "3.11"
    machines: list[Annotated[str, Field(max_length=32)]] = []


class Manifest(Part):
    """The whole file."""

    format: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    created: str
    licence: str
    files: dict[str, FileEntry]
    model: ModelEntry
    needs: Needs
    quantization: str
    training: dict[str, Any]
    metrics: dict[str, Any]
