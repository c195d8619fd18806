"""`lora-gateway models install | rollback | doctor`: packs come into use, and go out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.commands import models_adapters
from gateway.config import InferenceConfig, load
from gateway.errors import PackError
from gateway.inference import Model, active
from gateway.inference.adapter import is_adapter
from gateway.inference.installed import roll_back, stage, switch
from gateway.inference.installed_adapters import installed
from gateway.inference.pack import BUILTIN, Pack, open_model, read_pack
from gateway.inference.proof import fast_enough, milliseconds
from gateway.inference.session import INPUTS

_WORSE = 1.25
"""A canary whose quantile loss on the golden windows of the pack in use is this much larger."""


@dataclass(frozen=True, slots=True)
class Check:
    """One step of `doctor`."""

    name: str
    ok: bool
    said: str
    remedy: str = ""


def install(
    file: Path, config_path: Path | None, *, unsigned: bool = False, as_json: bool = False
) -> int:
    """Check `file`, stage it and switch to it; nothing changes unless every check passes.

    Raises
    ------
    PackError
        Whatever is wrong, with its remedy.

    """
    config = load(config_path).inference
    if is_adapter(file):
        return models_adapters.install(file, config, unsigned=unsigned, as_json=as_json)
    _switchable(config)
    pack = read_pack(file, None if unsigned else config.trusted_keys)
    model = open_model(pack)
    spent_ms = milliseconds(model, pack.golden)
    fast_enough(spent_ms)
    canary(model, config)
    made = stage(pack, config.packs)
    open_model(read_pack(made))  # what was copied, not what was read before
    switch(config.packs, made)
    facts = {
        "installed": str(made),
        "model": pack.identity,
        "version": pack.manifest.version,
        "signed_by": pack.signer,
        "ms_per_window": round(spent_ms, 3),
    }
    _tell(facts, f"{pack.identity} is installed; the gateway uses it after a restart.", as_json)
    return 0


def canary(model: Model, config: InferenceConfig) -> None:
    """Let a new model forecast what the pack in use was proved on, next to the one in use.

    Raises
    ------
    PackError
        `canary_failed`: it foretells what is then seen much worse than the one in use.

    """
    try:
        pack = read_pack(active(config))
        present = open_model(pack)
    except PackError:
        return  # what does not load is no measure
    ours, theirs = _loss(model, pack), _loss(present, pack)
    if ours > _WORSE * theirs:
        raise PackError(
            "canary_failed",
            f"On known windows its forecasts err {ours / theirs:.1f} times as much as those of the "
            "pack in use.",
            "Keep the pack that is installed; `lora-gateway backtest` compares them on your data.",
        )


def _loss(model: Model, pack: Pack) -> float:
    """Return the mean error of the median on the golden windows' own newest 96 slots."""
    values, mask, clock = (pack.golden[name] for name in INPUTS)
    ahead = model.horizon
    past, seen = np.zeros_like(values), np.zeros_like(mask)
    past[:, ahead:], seen[:, ahead:] = values[:, :-ahead], mask[:, :-ahead]
    before = clock.copy()
    before[:, 0] = (before[:, 0] - ahead * before[:, 1]) % 1.0
    enough = (seen.sum(axis=1) >= ahead) & (mask[:, -ahead:].sum(axis=1) > 0)
    made = model.run(past[enough], seen[enough], before[enough]).quantiles
    middle = made[:, :, made.shape[2] // 2]
    truth, known = values[enough, -ahead:], mask[enough, -ahead:]
    spread = np.abs(past[enough]).max(axis=1, keepdims=True) + 1e-9
    return float((np.abs(middle - truth) / spread * known).sum() / max(known.sum(), 1.0) + 1e-6)


def rollback(config_path: Path | None, *, as_json: bool = False) -> int:
    """Go back to the pack that was in use before."""
    config = load(config_path).inference
    _switchable(config)
    back = roll_back(config.packs)
    _tell({"active": str(back)}, f"{back} is in use again after a restart.", as_json)
    return 0


def doctor(file: Path | None, config_path: Path | None, *, as_json: bool = False) -> int:
    """Go through the checks of a pack in order; exit status 1 when one fails."""
    config = load(config_path).inference
    path = file or active(config)
    trusted = None if path == BUILTIN else config.trusted_keys
    checks = [] if is_adapter(path) else list(examine(path, trusted))
    for adapter in (path,) if is_adapter(path) else () if file else installed(config):
        checks += _examined(adapter, config)
    if as_json:
        print(json.dumps([{"check": c.name, "ok": c.ok, "said": c.said, "remedy": c.remedy}
                          for c in checks]))  # fmt: skip
    else:
        for check in checks:
            print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.said}")
            if check.remedy:
                print(f"       {check.remedy}")
    return 0 if all(check.ok for check in checks) else 1


def examine(path: Path, trusted: tuple[str, ...] | None) -> Iterator[Check]:
    """Yield the checks of a pack up to the first that stops the others."""
    packs: list[Pack] = []

    def whole() -> str:
        packs.append(read_pack(path))
        manifest = packs[0].manifest
        return f"{manifest.name} {manifest.version}, {manifest.quantization}"

    def signed() -> str:
        if trusted is None:
            return "it came with the gateway"
        return f"signed by {read_pack(path, trusted).signer}"

    def right() -> str:
        spent_ms = milliseconds(open_model(packs[0]), packs[0].golden)
        fast_enough(spent_ms)
        return f"golden windows come out right, {spent_ms:.2f} ms per window"

    first = _check("whole and fitting", whole)
    yield first
    if first.ok:
        yield _check("signature", signed)
        yield _check("works here", right)


def _examined(adapter: Path, config: InferenceConfig) -> Iterator[Check]:
    """Yield the checks of an adapter; where it is not whole, there is no other."""
    for name, work in models_adapters.steps(adapter, config):
        check = _check(name, work)
        yield check
        if not check.ok and name.endswith("whole"):
            return


def _check(name: str, work: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, said=work())
    except PackError as error:
        return Check(name, ok=False, said=f"{error.reason}: {error.detail}", remedy=error.remedy)


def _switchable(config: InferenceConfig) -> None:
    if config.pack:
        raise PackError(
            "fixed_by_configuration",
            f"`inference.pack` names {config.pack}, so an installed pack would not be used.",
            'Set `inference.pack` to "" first.',
        )


def _tell(facts: dict[str, object], sentence: str, as_json: bool) -> None:  # noqa: FBT001
    print(json.dumps(facts) if as_json else sentence)
