"""Which device is judged with which adapter, and batches in which several have a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.errors import PackError
from gateway.inference.adapter import Adapter
from gateway.inference.model import Model, Outputs, Stack, run_all
from gateway.types import DevEui, DeviceInfo

ModelOf = Callable[[DevEui], Model]
SITE_TAG = "site"


def site_of(info: DeviceInfo) -> str:
    """Return the site of a device: its tag `site`, else the name of its application."""
    return info.tags.get(SITE_TAG, "") or info.application


def keys_of(info: DeviceInfo) -> tuple[tuple[str, str], ...]:
    """Return what an adapter may serve of a device, the narrowest first."""
    return (
        ("device", info.dev_eui),
        ("profile", info.profile),
        ("site", site_of(info)),
    )


def overlapping(adapters: Sequence[Adapter]) -> tuple[str, Adapter, Adapter] | None:
    """Return the first thing that two adapters both claim to serve, and the two."""
    claimed: dict[tuple[str, str], Adapter] = {}
    for adapter in adapters:
        for key in adapter.manifest.serves.names():
            if key in claimed:
                return f"{key[0]} {key[1]}", claimed[key], adapter
            claimed[key] = adapter
    return None


def refuse_overlap(adapters: Sequence[Adapter]) -> None:
    """Refuse adapters of which two are for the same devices: the runtime takes the first, silently.

    Raises
    ------
    PackError
        `overlapping`.

    """
    if (found := overlapping(adapters)) is not None:
        what, one, other = found
        raise PackError(
            "overlapping",
            f"The adapters {one.manifest.name} and {other.manifest.name} are both for the {what}.",
            f"Remove one: `lora-gateway models remove {one.manifest.name}`.",
        )


@dataclass(slots=True)
class Adaptation:
    """The model of each device: with its own adapter, its profile's, its site's, or the base.

    `served` maps ("device" | "profile" | "site", name) to a model; `chosen` is what the settings
    say, by DevEUI, profile or site, and goes before. Devices are known once they are met.
    """

    base: Model
    served: Mapping[tuple[str, str], Model] = field(default_factory=dict)
    chosen: Mapping[str, Model] = field(default_factory=dict)
    _met: dict[DevEui, Model] = field(default_factory=dict)

    def meet(self, info: DeviceInfo) -> None:
        """Note who a device is; its profile or site may have changed."""
        if self.served or self.chosen:
            self._met[info.dev_eui] = self._find(info)

    def model_of(self, dev_eui: DevEui) -> Model:
        """Return the model that judges a device."""
        return self._met.get(dev_eui, self.base)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        self._met.pop(dev_eui, None)

    def _find(self, info: DeviceInfo) -> Model:
        keys = keys_of(info)
        for _, name in keys:
            if name and name in self.chosen:
                return self.chosen[name]
        return next((self.served[key] for key in keys if key in self.served), self.base)


def run_each(models: Sequence[Model], stacked: Stack) -> Outputs:
    """Run each row of a stack on its own model, in one group for each; see `run_all`."""
    first = models[0]
    if all(model is first for model in models):
        return run_all(first, stacked)
    groups = [(model, np.array(rows)) for model, rows in _grouped(models)]
    parts = [run_all(model, stacked.rows(rows)) for model, rows in groups]
    back = np.argsort(np.concatenate([rows for _, rows in groups]), kind="stable")
    return Outputs(
        np.concatenate([part.quantiles for part in parts])[back],
        np.concatenate([part.reconstruction for part in parts])[back],
        np.concatenate([part.embedding for part in parts])[back],
    )


def _grouped(models: Sequence[Model]) -> Iterator[tuple[Model, list[int]]]:
    rows: dict[int, list[int]] = {}
    for at, model in enumerate(models):
        rows.setdefault(id(model), []).append(at)
    for found in rows.values():
        yield models[found[0]], found
