"""Write an adapter's file, as the gateway installs it: `gateway.inference.adapter` reads it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from gateway.inference.adapter import SUFFIX, member_of
from gateway.inference.manifest import Comparison, Serves
from gateway.inference.pack import GOLDEN, MANIFEST, Pack
from gateway.inference.session import INPUTS, OUTPUTS, AdaptedModel, OnnxModel
from models import pack as packing
from models.lora import Pairs


@dataclass(frozen=True, slots=True)
class Made:
    """Pairs with all that their file says of them."""

    name: str
    pairs: Pairs
    rank: int
    serves: Serves
    training: Mapping[str, Any]


def export(pairs: Pairs) -> bytes:
    """Return pairs in ONNX Runtime's own format."""
    stored = ort.AdapterFormat()
    stored.set_adapter_version(1)
    stored.set_model_version(1)
    stored.set_parameters(
        {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in sorted(pairs.items())}
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"pairs{SUFFIX}"
        stored.export_adapter(str(file))
        return file.read_bytes()


def attached(base: OnnxModel, name: str, content: bytes) -> AdaptedModel:
    """Return a base with exported pairs beside it, unproved."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}{SUFFIX}"
        file.write_bytes(content)
        return AdaptedModel(base, name, file)


def write(out: Path, made: Made, compared: Comparison, base: Pack, model: OnnxModel) -> None:
    """Write the file, unsigned; its golden outputs are of the base's golden windows."""
    content = export(made.pairs)
    adapted = attached(model, made.name, content)
    outputs = adapted.run(*(base.golden[name] for name in INPUTS))
    golden = packing.stored({name: np.asarray(getattr(outputs, name)) for name in OUTPUTS})
    files = {member_of(made.name): content, GOLDEN: golden}
    manifest = {
        "format": packing.FORMAT,
        "kind": "adapter",
        "name": made.name,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "base": {
            "name": base.manifest.name,
            "version": base.manifest.version,
            "sha256": base.sha256,
        },
        "serves": made.serves.model_dump(),
        "rank": made.rank,
        "files": {
            name: {"sha256": hashlib.sha256(held).hexdigest(), "bytes": len(held)}
            for name, held in files.items()
        },
        "training": dict(made.training),
        "metrics": compared.model_dump(),
    }
    head = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    packing.write(out, {MANIFEST: head, **files})
