"""Adapter files made on the spot, without training: small random pairs for the built-in pack."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import model_packs as packs
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from gateway.inference import BUILTIN, Pack, read_pack
from gateway.inference.adapter import member_of
from gateway.inference.pack import open_model
from gateway.inference.session import INPUTS, OUTPUTS, AdaptedModel, OnnxModel

Pairs = dict[str, npt.NDArray[Any]]
PROFILE = "soil-probe"


@cache
def built_in() -> tuple[Pack, OnnxModel]:
    """Return the built-in pack and its model, loaded once."""
    pack = read_pack(BUILTIN)
    return pack, open_model(pack)


def pairs(rank: int = 4, seed: int = 1) -> Pairs:
    """Return pairs that move the built-in pack's forecasts a little."""
    rng = np.random.default_rng(seed)
    shapes = built_in()[1].pairs()
    return {
        name: (
            0.02 * rng.standard_normal([n if isinstance(n, int) else rank for n in shape])
        ).astype(np.float32)
        for name, shape in shapes.items()
    }


def exported(made: Pairs) -> bytes:
    """Return pairs in the runtime's own format."""
    stored = ort.AdapterFormat()
    stored.set_adapter_version(1)
    stored.set_model_version(1)
    stored.set_parameters({n: ort.OrtValue.ortvalue_from_numpy(a) for n, a in made.items()})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.onnx_adapter"
        stored.export_adapter(str(file))
        return file.read_bytes()


@cache
def golden(content: bytes) -> bytes:
    """Return what the built-in pack makes of its golden windows with these pairs beside it."""
    base, model = built_in()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.onnx_adapter"
        file.write_bytes(content)
        made = AdaptedModel(model, "golden", file)
    outputs = made.run(*(base.golden[name] for name in INPUTS))
    out = io.BytesIO()
    np.savez(out, **{name: getattr(outputs, name) for name in OUTPUTS})
    return out.getvalue()


def manifest(files: Mapping[str, bytes], name: str, **serves: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the manifest of an adapter that gains a tenth."""
    base = built_in()[0]
    return {
        "format": 1,
        "kind": "adapter",
        "name": name,
        "created": "2026-11-25T00:00:00Z",
        "base": {"name": "base", "version": base.manifest.version, "sha256": base.sha256},
        "serves": serves or {"profiles": [PROFILE]},
        "rank": 4,
        "files": {
            held: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for held, content in files.items()
        },
        "training": {},
        "metrics": {
            "base": {"pinball": 1.0, "episodes": 3},
            "adapter": {"pinball": 0.9, "episodes": 3},
            "windows": 24,
            "channels": 1,
        },
    }


def members(
    name: str = "field",
    *,
    made: Pairs | None = None,
    content: bytes | None = None,
    outputs: bytes | None = None,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    **serves: Any,  # noqa: ANN401
) -> dict[str, bytes]:
    """Return the members of an adapter's file; `change` may spoil its manifest."""
    held = exported(made or pairs()) if content is None else content
    files = {member_of(name): held, "golden.npz": outputs or golden(exported(pairs()))}
    head = manifest(files, name, **serves)
    change(head)
    return {"manifest.json": json.dumps(head).encode(), **files}


def write(path: Path, name: str = "field", **options: Any) -> Path:  # noqa: ANN401
    """Write an adapter's file; see `members`."""
    return packs.write(path, members(name, **options))
