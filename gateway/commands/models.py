"""`lora-gateway models`: the packs on this machine, listed and verified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.commands import models_adapters
from gateway.config import InferenceConfig, load
from gateway.errors import PackError
from gateway.inference import active, load_model, read_pack, trial
from gateway.inference.adapter import is_adapter
from gateway.inference.proof import milliseconds
from gateway.inference.sizes import SHIPPED, Choice, settle
from gateway.inference.trial import Record
from gateway.speech import say


def list_packs(config_path: Path | None, *, as_json: bool) -> int:
    """Print the packs that ship, the installed and the configured one, and adapters, marked `+`.

    The pack in use is marked `*`.

    One that cannot be read is listed with what is wrong; below stands why this one is in use, and
    what became of packs on trial.
    """
    config = load(config_path).inference
    choice = settle(config.packs)
    used, record = active(config), trial.read(config.packs)
    kept = sorted(config.packs.glob("*.zip")) if config.packs.is_dir() else []
    chosen = [] if config.pack in {"", *SHIPPED} else [Path(config.pack)]
    paths = dict.fromkeys([*SHIPPED.values(), *kept, *chosen])
    rows = [_row(path, active=path == used, record=record) for path in paths]
    adapters = models_adapters.rows(config)
    why = _why(config, used, choice)
    if as_json:
        for row in rows:
            row["why"] = why if row["active"] else ""
        print(json.dumps([*rows, *adapters]))
        return 0
    for row in rows:
        print("{mark} {name} {version}  {bytes} bytes  {path}{trouble}{trial}".format(**row))
    for row in adapters:
        print("+ {name} for {serves}  {bytes} bytes  {path}{trouble}".format(**row))
    print(why)
    return 0


def _why(config: InferenceConfig, used: Path, choice: Choice) -> str:
    if config.pack:
        return say("In use: `inference.pack` names it.")
    if used not in SHIPPED.values():
        return say("In use: it was installed.")
    return say("In use: {size}, chosen for this machine. {why}", size=choice.size, why=choice.why)


def verify(file: Path | None, config_path: Path | None, *, as_json: bool) -> int:
    """Check one pack from its bytes to its speed; a failure raises PackError with the remedy."""
    config = load(config_path).inference
    path = file or active(config)
    if is_adapter(path):
        return models_adapters.verify(path, config, as_json=as_json)
    report = verify_pack(path)
    if as_json:
        print(json.dumps(report))
    else:
        print(f"{path}: good.")
        for name, value in report.items():
            print(f"  {name:<22} {value}")
    return 0


def verify_pack(path: Path) -> Mapping[str, object]:
    """Load a pack as the daemon does, golden windows included, and time it on this machine."""
    pack = read_pack(path)
    model = load_model(path)
    return {
        "name": model.name,
        "version": pack.manifest.version,
        "quantization": pack.manifest.quantization,
        "bytes": path.stat().st_size,
        "ms_per_window": round(milliseconds(model, pack.golden), 3),
    }


def _row(path: Path, *, active: bool, record: Record) -> dict[str, object]:
    row: dict[str, object] = {
        "mark": "*" if active else " ",
        "active": active,
        "name": path.stem,
        "version": "",
        "bytes": path.stat().st_size if path.exists() else 0,
        "path": str(path),
        "trouble": "",
        "trial": _trial(path.name, record),
    }
    try:
        manifest = read_pack(path).manifest
    except PackError as error:
        return row | {"trouble": f"  ({error.reason})"}
    return row | {"name": manifest.name, "version": manifest.version}


def _trial(pack: str, record: Record) -> str:
    """Say how a pack stands or fared; "" for one that was never on trial."""
    if record.trial is not None and record.trial.pack == pack:
        if record.trial.began_s is None:
            return say("  on trial from the next start on")
        since = _day(record.trial.began_s)
        return say("  on trial since {time}", time=since)
    ending = record.ending(pack)
    if ending is None:
        return ""
    when = _day(ending.time_s)
    if not ending.reason:
        return say("  passed its trial {time}", time=when)
    return say("  rolled back {time}: {detail}", time=when, detail=ending.detail)


def _day(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"
