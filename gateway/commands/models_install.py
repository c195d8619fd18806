"""`lora-gateway models install | rollback | doctor`: packs come into use, and go out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.commands import models_adapters
from gateway.commands.models_canary import canary
from gateway.commands.models_fetch import fetched
from gateway.config import InferenceConfig, load
from gateway.errors import PackError
from gateway.inference import active, trial
from gateway.inference.adapter import is_adapter
from gateway.inference.installed import refusal, roll_back, stage, switch
from gateway.inference.installed_adapters import installed
from gateway.inference.pack import Pack, open_model, read_pack
from gateway.inference.proof import fast_enough, milliseconds
from gateway.inference.sizes import SHIPPED, settle


@dataclass(frozen=True, slots=True)
class Check:
    """One step of `doctor`."""

    name: str
    ok: bool
    said: str
    remedy: str = ""


def install(
    source: str | Path,
    config_path: Path | None,
    *,
    unsigned: bool = False,
    sha256: str = "",
    as_json: bool = False,
) -> int:
    """Check the pack at `source` (a file or a URL), stage it and switch to it.

    Nothing changes unless every check passes. The daemon then has the pack on trial.

    Raises
    ------
    PackError
        Whatever is wrong, with its remedy.

    """
    whole = load(config_path)
    config = whole.inference
    with fetched(str(source), config.packs, sha256) as file:
        if is_adapter(file):
            return models_adapters.install(file, config, unsigned=unsigned, as_json=as_json)
        _switchable(config)
        pack = read_pack(file, None if unsigned else config.trusted_keys)
        model = open_model(pack)
        spent_ms = milliseconds(model, pack.golden)
        fast_enough(spent_ms)
        compared = canary(model, whole)
        made = stage(pack, config.packs)
    open_model(read_pack(made))  # what was copied, not what was read before
    switch(config.packs, made)
    _put_on_trial(config.packs, made)
    facts = {
        "installed": str(made),
        "model": pack.identity,
        "version": pack.manifest.version,
        "signed_by": pack.signer,
        "ms_per_window": round(spent_ms, 3),
        "canary": compared,
        "trial_hours": config.trial_hours,
    }
    _tell(facts, _installed(pack, compared, config), as_json)
    return 0


def _installed(pack: Pack, compared: dict[str, object], config: InferenceConfig) -> str:
    said = [f"{pack.identity} is installed; the gateway uses it after a restart."]
    if compared["samples"]:
        said.append(
            "On {samples} stored samples its errors are {error_ratio} times those of the pack "
            "before.".format(**compared)
        )
    if config.trial_hours:
        said.append(
            f"It is on trial for {config.trial_hours:g} hours: should it misbehave, the one before "
            "is taken back."
        )
    return "\n".join(said)


def _put_on_trial(folder: Path, made: Path) -> None:
    try:
        trial.begin(folder, made)
    except OSError as error:
        raise refusal(folder, error) from error


def rollback(config_path: Path | None, *, as_json: bool = False) -> int:
    """Go back to the pack that was in use before."""
    config = load(config_path).inference
    _switchable(config)
    back = roll_back(config.packs)
    try:
        trial.give_up(config.packs)
    except OSError as error:
        raise refusal(config.packs, error) from error
    said = f"{back} is in use again after a restart."
    failed = trial.read(config.packs).ending(back.name)
    if failed is not None and failed.reason:
        said += f"\nIt was rolled back by itself before: {failed.detail}"
    _tell({"active": str(back)}, said, as_json)
    return 0


def doctor(file: Path | None, config_path: Path | None, *, as_json: bool = False) -> int:
    """Go through the checks of a pack in order; exit status 1 when one fails."""
    config = load(config_path).inference
    path = file or active(config)
    trusted = None if path in SHIPPED.values() else config.trusted_keys
    checks = [] if is_adapter(path) else list(examine(path, trusted))
    for adapter in (path,) if is_adapter(path) else () if file else installed(config):
        checks += _examined(adapter, config)
    checks += [] if file else [_choice(config)]
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


def _choice(config: InferenceConfig) -> Check:
    """Say which of the packs that ship is for this machine; no fault either way."""
    choice = settle(config.packs)
    return Check(f"size for this machine: {choice.size}", ok=True, said=choice.why)


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
