"""`lora-gateway models`, for adapters: checked, taken into use and out of it, and listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.config import InferenceConfig, load
from gateway.errors import PackError
from gateway.inference import Model, active, load_model, read_pack
from gateway.inference.adapter import Adapter, adapt, read_adapter
from gateway.inference.installed_adapters import file_of, installed, remove, roll_back, stage
from gateway.inference.pack import Pack, open_model
from gateway.inference.proof import fast_enough, milliseconds


def install(file: Path, config: InferenceConfig, *, unsigned: bool, as_json: bool) -> int:
    """Check an adapter and take it into use beside the pack in use.

    Raises
    ------
    PackError
        Whatever is wrong, with its remedy; `not_better` where its own figures say so.

    """
    adapter = read_adapter(file, None if unsigned else config.trusted_keys)
    base = read_pack(active(config))
    spent_ms = proved(adapter, base)
    made = stage(adapter, config)
    facts = {
        "installed": str(made),
        "adapter": adapter.identity,
        "serves": adapter.manifest.serves.model_dump(),
        "signed_by": adapter.signer,
        "gain": round(adapter.manifest.metrics.gain, 4),
        "ms_per_window": round(spent_ms, 3),
    }
    sentence = (
        f"{adapter.identity} is installed for {for_whom(adapter)}; the gateway uses it after a "
        "restart."
    )
    print(json.dumps(facts) if as_json else sentence)
    return 0


def proved(adapter: Adapter, base: Pack) -> float:
    """Hold an adapter against its base in every way; return what a window costs in milliseconds.

    Raises
    ------
    PackError
        What `adapt` raises, `not_better`, `too_slow`.

    """
    model = adapt(open_model(base), adapter, base.golden)
    if complaint := adapter.manifest.metrics.complaint():
        raise PackError(
            "not_better",
            f"By its own figures on the held-back end of its history, {complaint}.",
            "Keep the base for these devices, or train again when there is more history.",
        )
    spent_ms = milliseconds(model, base.golden)
    fast_enough(spent_ms)
    return spent_ms


def for_whom(adapter: Adapter) -> str:
    """Return whom an adapter serves, in words."""
    return ", ".join(f"{what} {name}" for what, name in adapter.manifest.serves.names()) or "nobody"


def rows(config: InferenceConfig) -> list[dict[str, object]]:
    """Return a row for each installed adapter; one that cannot be used is listed with why."""
    return [_row(path, config) for path in installed(config)]


def _row(path: Path, config: InferenceConfig) -> dict[str, object]:
    row: dict[str, object] = {
        "kind": "adapter",
        "name": path.stem,
        "path": str(path),
        "bytes": path.stat().st_size,
        "serves": "",
        "gain": None,
        "trouble": "",
    }
    try:
        adapter = read_adapter(path)
        row |= {"serves": for_whom(adapter), "gain": round(adapter.manifest.metrics.gain, 4)}
        base = read_pack(active(config))
        adapt(open_model(base), adapter, base.golden)
    except PackError as error:
        row["trouble"] = f"  ({error.reason})"
    return row


def verify(file: Path, config: InferenceConfig, *, as_json: bool) -> int:
    """Check one adapter against the pack in use; a failure raises PackError with the remedy."""
    adapter = read_adapter(file)
    spent_ms = proved(adapter, read_pack(active(config)))
    metrics = adapter.manifest.metrics
    report: dict[str, object] = {
        "name": adapter.identity,
        "base": f"{adapter.manifest.base.name} {adapter.manifest.base.version}",
        "serves": for_whom(adapter),
        "rank": adapter.manifest.rank,
        "pinball": f"{metrics.adapter.pinball:.4f} (base {metrics.base.pinball:.4f})",
        "episodes": f"{metrics.adapter.episodes} (base {metrics.base.episodes})",
        "ms_per_window": round(spent_ms, 3),
    }
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{file}: good.")
        for name, value in report.items():
            print(f"  {name:<22} {value}")
    return 0


def steps(path: Path, config: InferenceConfig) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the checks of `doctor` for one adapter, each with the work that says what it found."""
    adapters: list[Adapter] = []

    def whole() -> str:
        adapters.append(read_adapter(path))
        return f"{adapters[0].identity} for {for_whom(adapters[0])}"

    def signed() -> str:
        return f"signed by {read_adapter(path, config.trusted_keys).signer}"

    def right() -> str:
        spent_ms = proved(adapters[0], read_pack(active(config)))
        gain = adapters[0].manifest.metrics.gain
        return f"{gain:.1%} better than its base where that was held back, {spent_ms:.2f} ms"

    yield f"adapter {path.stem}: whole", whole
    yield f"adapter {path.stem}: signature", signed
    yield f"adapter {path.stem}: works here", right


def take_out(name: str, config_path: Path | None) -> int:
    """Take an installed adapter out of use."""
    remove(name, load(config_path).inference)
    print(
        f"{name} is out of use after a restart; `lora-gateway models rollback --adapter {name}` "
        "brings it back."
    )
    return 0


def go_back(name: str, config_path: Path | None, *, as_json: bool) -> int:
    """Take the adapter that was in use before under a name into use again."""
    made = roll_back(name, load(config_path).inference)
    print(json.dumps({"active": str(made)}) if as_json else f"{made} is in use after a restart.")
    return 0


def model_for(named: str, config: InferenceConfig, *, threads: int = 1) -> Model:
    """Return the model in use, with an adapter beside it where one is named.

    `named` is the name of an installed adapter or a file; "" is the base alone.

    Raises
    ------
    PackError
        The model or the adapter cannot be used.

    """
    if not named:
        return load_model(active(config), threads=threads)
    base, adapter = read_pack(active(config)), adapter_named(named, config)
    return adapt(open_model(base, threads=threads), adapter, base.golden)


def adapter_named(named: str, config: InferenceConfig) -> Adapter:
    """Return the installed adapter of this name, or the one in this file."""
    file = Path(named)
    return read_adapter(file if file.is_file() else file_of(config, named))
