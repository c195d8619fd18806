"""Make the pack that the gateway installs: one zip of manifest, model and golden windows.

`python -m models.pack --run DIR --data DIR --out base.zip` exports the trained network, quantizes
it, measures both forms, and writes a zip whose bytes depend only on its content.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from models import batches, data, forecasts, quantize, train
from models.config import CONFIGS, Config, Shape
from models.export import INPUTS, OPSET, OUTPUTS, export
from models.lora_graph import windows_of

Arrays = Mapping[str, npt.NDArray[np.float32]]
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
FORMAT = 1


NAMES = {"small": "base", "further": "base"}
"""What the pack of a configuration is called, where it is not called as that."""

MEMORY_MB = 40
"""What the largest takes beside the runtime, at batch 64."""


def linear_sizes(shape: Shape) -> list[tuple[int, int]]:
    """Return the sizes [K, N] of the weights inside the blocks, the ones worth 8 bits."""
    w, h = shape.width, shape.hidden
    return [(w, 3 * w), (w, w), (w, h), (h, w)]


def calibration(config: Config, folder: Path | None, count: int = 8) -> list[Arrays]:
    """Return training batches of another seed, to find activation ranges with."""
    rng = np.random.default_rng(config.seed + 1000)
    few = min(2000, config.synthetic)
    some = replace(config, synthetic=few, real=few if folder else 0, batch=64)
    pool = batches.build(some, folder, rng)
    drawn = [batches.draw(pool, some, rng) for _ in range(count)]
    return [
        {"values": b.values.numpy(), "mask": b.mask.numpy(), "clock": b.clock.numpy()}
        for b in drawn
    ]


def golden_windows(config: Config) -> dict[str, npt.NDArray[np.float32]]:
    """Return inputs that a runtime must get right: usual ones, short, gapped, flat, extreme."""
    rng = np.random.default_rng(4242)
    some = replace(config, synthetic=64, real=0, batch=8)
    drawn = batches.draw(batches.build(some, None, rng), some, rng)
    context = config.shape.context
    values, mask = np.zeros((8, context), np.float32), np.ones((8, context), np.float32)
    time = np.arange(context, dtype=np.float32)
    values[0] = np.sin(time * 2 * np.pi / 96)
    values[1] = 3.0  # flat
    values[2] = 1e6 + 1e3 * np.cos(time * 2 * np.pi / 144)  # far from zero
    values[3] = 1e-6 * np.sin(time / 20)  # tiny
    values[4, -1], mask[4, :-1] = 7.0, 0.0  # one sample
    values[5], mask[5, :-64] = np.where(time >= context - 64, time % 24, 0), 0.0  # just enough
    values[6] = np.where(time == context - 1, -9999.0, np.round(np.sin(time / 30), 1))  # sentinel
    values[7], mask[7] = np.where(time % 2 == 0, time / 100, 0), (time % 2 == 0)  # every other
    clock = np.stack([np.linspace(0, 0.95, 8), np.full(8, 900 / 86400)], axis=1)
    return {
        "values": np.concatenate([drawn.values.numpy(), values]),
        "mask": np.concatenate([drawn.mask.numpy(), mask]),
        "clock": np.concatenate([drawn.clock.numpy(), clock.astype(np.float32)]),
    }


def stored(arrays: Arrays) -> bytes:
    """Return arrays as npz bytes that depend only on the arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy", FIXED_TIME), one.getvalue())
    return out.getvalue()


def with_outputs(model: Path, inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    """Return the inputs and what the model makes of them."""
    run = forecasts.session(model)
    made = run(inputs["values"], inputs["mask"], inputs["clock"])
    return {**inputs, **dict(zip(OUTPUTS, made, strict=True))}


def described(model: Path, shape: Shape) -> dict[str, Any]:
    """Return names, shapes and types of the model's inputs and outputs, and its sizes."""
    loaded = onnx.load(model)

    def side(values: Any) -> dict[str, Any]:  # noqa: ANN401 - a protobuf container
        return {
            value.name: {
                "shape": [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
                "type": "float32",
            }
            for value in values
        }

    inputs, outputs = side(windows_of(loaded)), side(loaded.graph.output)
    if tuple(inputs) != INPUTS or tuple(outputs) != OUTPUTS:
        raise ValueError(f"{model} has inputs {list(inputs)} and outputs {list(outputs)}")
    return {
        "inputs": inputs,
        "outputs": outputs,
        "context": shape.context,
        "horizon": shape.horizon,
        "quantiles": list(shape.quantiles),
        "embedding": shape.embedding,
    }


def manifest(
    record: Mapping[str, Any], shape: Shape, model: Path, files: Mapping[str, bytes], version: str
) -> dict[str, Any]:
    """Return the manifest but for its metrics."""
    training = {key: record[key] for key in ("config", "seed", "data", "commit", "seconds")}
    training |= {key: record[key] for key in ("start", "blend") if key in record}
    return {
        "format": FORMAT,
        "name": NAMES.get(training["config"]["name"], training["config"]["name"]),
        "version": version,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licence": "MIT",
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
        "model": described(model, shape),
        "needs": {"onnxruntime": "1.20", "opset": OPSET, "memory_mb": MEMORY_MB},
        "training": training,
    }


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the zip: fixed times, fixed order, the manifest first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name, FIXED_TIME), content, zipfile.ZIP_DEFLATED)


def measure(models: Mapping[str, Path], folder: Path | None) -> dict[str, Any]:
    """Return the overall figures of each model on the part kept for confirmation."""
    if folder is None:
        return {name: {} for name in models}
    made = forecasts.trials(data.load(folder), "confirm")
    return {
        name: {
            key: round(value, 4)
            for key, value in forecasts.forecast_table(forecasts.session(path), made)["all"].items()
        }
        for name, path in models.items()
    }


def build(run: Path, folder: Path | None, out: Path, *, version: str, kind: str) -> dict[str, Any]:
    """Export, quantize, measure and write the pack; return its manifest."""
    network, record = train.load(run)
    config = CONFIGS[record["config"]["name"]]
    whole, small = run / "fp32.onnx", run / "int8.onnx"
    export(network, whole)
    quantize.quantize(whole, small, linear_sizes(config.shape), calibration(config, folder), kind)
    golden = stored(with_outputs(small, golden_windows(config)))
    files = {"model.onnx": small.read_bytes(), "golden.npz": golden}
    facts = manifest(record, config.shape, small, files, version)
    facts["quantization"] = f"int8 {kind} activations, 7-bit per-channel weights"
    facts["metrics"] = measure({"fp32": whole, "int8": small}, folder)
    head = json.dumps(facts, indent=1, ensure_ascii=False).encode()
    write(out, {"manifest.json": head, **files})
    return facts


def main() -> None:
    """Make a pack from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("models/runs/small"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("base.zip"))
    parser.add_argument("--version", default="1")
    parser.add_argument("--kind", choices=("static", "token"), default="static")
    options = parser.parse_args()
    facts = build(
        options.run, options.data, options.out, version=options.version, kind=options.kind
    )
    print(json.dumps({"files": facts["files"], "metrics": facts["metrics"]}, indent=1))


if __name__ == "__main__":
    main()
