"""What a pack says of itself, in `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.types import QUANTILES

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LEAST_GAIN = 0.005
"""An adapter that gains less is not worth having: as much comes and goes by chance."""

Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A block of the manifest: fields of later formats are allowed and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FileEntry(Part):
    """How a file of the pack must look."""

    sha256: Sha256
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


class Contents(Part):
    """What every file that can be installed says of itself; `files` holds all but the manifest."""

    format: Literal[1]
    name: Name
    created: str
    files: dict[str, FileEntry]


class Manifest(Contents):
    """The manifest of a model pack."""

    kind: Literal["model"] = "model"
    version: Annotated[str, Field(min_length=1, max_length=64)]
    licence: str
    model: ModelEntry
    needs: Needs
    quantization: str
    training: dict[str, Any]
    metrics: dict[str, Any]


class Base(Part):
    """The model that an adapter belongs to; `sha256` is of its graph."""

    name: Name
    version: str
    sha256: Sha256


class Serves(Part):
    """Whom an adapter is for: the devices of these profiles, these devices, these sites.

    A device's site is its tag `site`, else the name of its application.
    """

    profiles: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    devices: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = ()
    sites: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (what, name) of each, for comparing with another's."""
        return (
            *(("profile", name) for name in self.profiles),
            *(("device", name) for name in self.devices),
            *(("site", name) for name in self.sites),
        )


class HeldBack(Part):
    """One model's figures on the end of the history, which no training had read.

    `pinball` is the quantile loss in units of the seasonal-naive error, the mean over channels;
    `episodes` counts alarm episodes.
    """

    pinball: Annotated[float, Field(gt=0)]
    episodes: Annotated[int, Field(ge=0)]


class Comparison(Part):
    """The base and the adapter side by side, and on how much they were compared."""

    base: HeldBack
    adapter: HeldBack
    windows: Count
    channels: Count

    @property
    def gain(self) -> float:
        """How much less the adapter loses: 0.05 is five per cent."""
        return 1.0 - self.adapter.pinball / self.base.pinball

    def complaint(self) -> str:
        """Say why the adapter is not better than its base, "" where it is.

        It must lose noticeably less, and must not alarm much more often for it.
        """
        figures = (
            f"pinball loss {self.adapter.pinball:.4f} (base {self.base.pinball:.4f}), alarm "
            f"episodes {self.adapter.episodes} (base {self.base.episodes})"
        )
        if self.gain < LEAST_GAIN:
            return f"its forecasts are not better: {figures}"
        if self.adapter.episodes > self.base.episodes + 1 + self.base.episodes // 4:
            return f"it raises more alarms: {figures}"
        return ""


class AdapterManifest(Contents):
    """The manifest of an adapter's file."""

    kind: Literal["adapter"]
    base: Base
    serves: Serves
    rank: Annotated[int, Field(ge=1, le=256)]
    training: dict[str, Any]
    metrics: Comparison
