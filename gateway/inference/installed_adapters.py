"""The folder of installed adapters: one file for each name, and the one it replaced.

::

    packs/adapters/north-field.zip        in use
    packs/adapters/north-field.previous   what `models rollback --adapter north-field` goes back to
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.config import InferenceConfig
from gateway.errors import PackError
from gateway.inference.adaptation import Adaptation, refuse_overlap
from gateway.inference.adapter import Adapter, adapt, read_adapter
from gateway.inference.installed import refusal
from gateway.inference.model import Model
from gateway.inference.session import OnnxModel
from gateway.types import FloatArray

_FOLDER, _IN_USE, _BEFORE = "adapters", ".zip", ".previous"

Told = Callable[[PackError], None]


def folder_of(config: InferenceConfig) -> Path:
    """Return where adapters are installed."""
    return config.packs / _FOLDER


def installed(config: InferenceConfig) -> tuple[Path, ...]:
    """Return the files in use, by name."""
    return tuple(sorted(folder_of(config).glob(f"*{_IN_USE}")))


def file_of(config: InferenceConfig, name: str) -> Path:
    """Return the file of an installed adapter.

    Raises
    ------
    PackError
        `no_such_adapter`.

    """
    found = {path.stem: path for path in installed(config)}
    if name not in found:
        known = ", ".join(found) or "none"
        raise PackError(
            "no_such_adapter",
            f"No adapter of the name {name} is installed; there is: {known}.",
            "`lora-gateway models list` shows them.",
        )
    return found[name]


def stage(adapter: Adapter, config: InferenceConfig) -> Path:
    """Take a checked adapter into use; one of the same name is kept as the previous.

    Raises
    ------
    PackError
        `overlapping`, `not_enough_disk`, `not_writable`.

    """
    folder = folder_of(config)
    made = folder / f"{adapter.manifest.name}{_IN_USE}"
    others = [read_adapter(path) for path in installed(config) if path != made]
    refuse_overlap([*others, adapter])
    part = folder / f".{made.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(adapter.path, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
        if made.exists():
            made.replace(made.with_suffix(_BEFORE))
        part.replace(made)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise refusal(folder, error) from error
    return made


def remove(name: str, config: InferenceConfig) -> None:
    """Take an adapter out of use; it is kept as the previous, for `roll_back`.

    Raises
    ------
    PackError
        `no_such_adapter`, `not_writable`.

    """
    file = file_of(config, name)
    try:
        file.replace(file.with_suffix(_BEFORE))
    except OSError as error:
        raise refusal(file.parent, error) from error


def roll_back(name: str, config: InferenceConfig) -> Path:
    """Take the adapter that was in use before under this name into use again; swap the two.

    Raises
    ------
    PackError
        `no_previous`, `overlapping`, `not_writable`.

    """
    now = folder_of(config) / f"{name}{_IN_USE}"
    before = now.with_suffix(_BEFORE)
    if not before.is_file():
        raise PackError(
            "no_previous",
            f"No earlier adapter of the name {name} is kept in {now.parent}.",
            f"To use the base alone: `lora-gateway models remove {name}`.",
        )
    others = [read_adapter(path) for path in installed(config) if path != now]
    refuse_overlap([*others, read_adapter(before)])
    spare = now.with_suffix(".swap")
    try:
        if now.exists():
            now.replace(spare)
        before.replace(now)
        if spare.exists():
            spare.replace(before)
    except OSError as error:
        raise refusal(now.parent, error) from error
    return now


def adaptation(
    base: Model, windows: dict[str, FloatArray], config: InferenceConfig, tell: Told
) -> Adaptation:
    """Load every installed adapter beside the base; one that cannot be used is told, not raised.

    Of two that overlap, neither is used: nobody can say which was meant.
    """
    usable: dict[str, tuple[Adapter, Model]] = {}
    for path in installed(config):
        try:
            adapter = read_adapter(path)
            if not isinstance(base, OnnxModel):
                continue
            usable[adapter.manifest.name] = (adapter, adapt(base, adapter, windows))
        except PackError as error:
            tell(error)
    for name in _disputed([adapter for adapter, _ in usable.values()], tell):
        del usable[name]
    served = {
        key: model for adapter, model in usable.values() for key in adapter.manifest.serves.names()
    }
    return Adaptation(base, served, _chosen(base, usable, config, tell))


def _disputed(adapters: Sequence[Adapter], tell: Told) -> set[str]:
    disputed: set[str] = set()
    for at, one in enumerate(adapters):
        for other in adapters[at + 1 :]:
            try:
                refuse_overlap([one, other])
            except PackError as error:
                tell(error)
                disputed |= {one.manifest.name, other.manifest.name}
    return disputed


def _chosen(
    base: Model, usable: dict[str, tuple[Adapter, Model]], config: InferenceConfig, tell: Told
) -> dict[str, Model]:
    """Return what `inference.adapters` says: for a DevEUI, profile or site, an adapter's name."""
    chosen: dict[str, Model] = {}
    for whom, name in config.adapters.items():
        if name and name not in usable:
            tell(
                PackError(
                    "no_such_adapter",
                    f"`inference.adapters` names {name} for {whom}, which cannot be used.",
                    "`lora-gateway models list` shows what is installed, and what is wrong.",
                )
            )
        chosen[whom] = usable[name][1] if name in usable else base
    return chosen
