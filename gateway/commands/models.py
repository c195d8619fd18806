"""`lora-gateway models`: the packs on this machine, listed and verified."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gateway.config import load
from gateway.inference import BUILTIN, Pack, load_model, read_pack

RUNS = 20


def list_packs(config_path: Path | None, *, as_json: bool) -> int:
    """Print the built-in pack and the configured one, with their manifests' main facts."""
    chosen = load(config_path).inference.pack
    rows = [_row(BUILTIN, active=not chosen)]
    if chosen:
        rows.append(_row(Path(chosen), active=True))
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print("{mark} {name} {version}  {bytes} bytes  {path}".format(**row))
    return 0


def verify(file: Path | None, config_path: Path | None, *, as_json: bool) -> int:
    """Check one pack from its bytes to its speed; a failure raises PackError with the remedy."""
    chosen = load(config_path).inference.pack
    path = file or (Path(chosen) if chosen else BUILTIN)
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
    values = np.zeros((1, model.context), np.float32)
    clock = np.zeros((1, 2), np.float32)
    started_s = time.perf_counter()
    for _ in range(RUNS):
        model.run(values, np.ones_like(values), clock)
    return {
        "name": model.name,
        "version": pack.manifest.version,
        "quantization": pack.manifest.quantization,
        "bytes": path.stat().st_size,
        "ms_per_window": round((time.perf_counter() - started_s) / RUNS * 1e3, 3),
    }


def _row(path: Path, *, active: bool) -> dict[str, object]:
    pack: Pack = read_pack(path)
    return {
        "mark": "*" if active else " ",
        "active": active,
        "name": pack.manifest.name,
        "version": pack.manifest.version,
        "bytes": path.stat().st_size,
        "path": str(path),
    }
