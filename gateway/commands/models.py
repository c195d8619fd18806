"""`lora-gateway models`: the packs on this machine, listed and verified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from gateway.commands import models_adapters
from gateway.config import load
from gateway.errors import PackError
from gateway.inference import BUILTIN, active, load_model, read_pack
from gateway.inference.adapter import is_adapter
from gateway.inference.proof import milliseconds


def list_packs(config_path: Path | None, *, as_json: bool) -> int:
    """Print the built-in pack, the installed and the configured one, and adapters, marked `+`.

    The pack in use is marked `*`.

    One that cannot be read is listed with what is wrong.
    """
    config = load(config_path).inference
    used = active(config)
    kept = sorted(config.packs.glob("*.zip")) if config.packs.is_dir() else []
    chosen = [Path(config.pack)] if config.pack else []
    rows = [_row(path, active=path == used) for path in dict.fromkeys([BUILTIN, *kept, *chosen])]
    adapters = models_adapters.rows(config)
    if as_json:
        print(json.dumps([*rows, *adapters]))
    else:
        for row in rows:
            print("{mark} {name} {version}  {bytes} bytes  {path}{trouble}".format(**row))
        for row in adapters:
            print("+ {name} for {serves}  {bytes} bytes  {path}{trouble}".format(**row))
    return 0


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


def _row(path: Path, *, active: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "mark": "*" if active else " ",
        "active": active,
        "name": path.stem,
        "version": "",
        "bytes": path.stat().st_size if path.exists() else 0,
        "path": str(path),
        "trouble": "",
    }
    try:
        manifest = read_pack(path).manifest
    except PackError as error:
        return row | {"trouble": f"  ({error.reason})"}
    return row | {"name": manifest.name, "version": manifest.version}
