"""Compare ways to quantize one trained network: `python -m models.benchmark --run DIR`.

Per form: file size, processor time per window at batch 1 and 64 (one thread, median), distance
from fp32 on windows not used for calibration (mean, in widths of the interval), and how much a
row's result depends on the rest of its batch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

from models import forecasts, quantize, runtime, train
from models.config import CONFIGS
from models.export import export
from models.pack import Arrays, calibration, linear_sizes


def forms(run: Path, feeds: Sequence[Arrays]) -> dict[str, Path]:
    """Write every form of the network into `run`, and return where each is."""
    network, record = train.load(run)
    sizes = linear_sizes(CONFIGS[record["config"]["name"]].shape)
    paths = {name: run / f"bench-{name}.onnx" for name in ("fp32", "static", "token", "dynamic")}
    export(network, paths["fp32"])
    for kind in ("static", "token"):
        quantize.quantize(paths["fp32"], paths[kind], sizes, feeds, kind)
    nodes = [node.name for node in quantize.targets(onnx.load(paths["fp32"]), sizes)]
    quantize_dynamic(
        paths["fp32"],
        paths["dynamic"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=nodes,
    )
    return paths


def milliseconds(session: ort.InferenceSession, feed: Arrays, rows: int) -> float:
    """Return the median processor time per window of runs of `rows` rows, on the one thread."""
    part = {name: array[:rows] for name, array in feed.items()}
    spent = []
    for _ in range(max(20, 300 // rows)):
        began = time.thread_time()
        session.run(None, part)
        spent.append(time.thread_time() - began)
    return float(np.median(spent)) * 1e3 / rows


def dependence(run: forecasts.Run, feed: Arrays) -> float:
    """Return the largest relative change of a row's outputs when it is run alone."""
    together = run(feed["values"], feed["mask"], feed["clock"])
    worst = 0.0
    for row in range(8):
        alone = run(*(feed[name][row : row + 1] for name in ("values", "mask", "clock")))
        for one, all_ in zip(alone, together, strict=True):
            size = float(np.abs(all_[row]).max()) + 1e-9
            worst = max(worst, float(np.abs(one[0] - all_[row]).max()) / size)
    return worst


def distance(made: Sequence[forecasts.Float], true: Sequence[forecasts.Float]) -> float:
    """Return the mean difference of quantiles, in widths of the fp32 interval."""
    width = (true[0][:, :, -1] - true[0][:, :, 0])[:, :, None] + 1e-9
    return float(np.mean(np.abs(made[0] - true[0]) / width))


def main() -> None:
    """Print the comparison as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("models/runs/small"))
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    config = replace(CONFIGS["small"], seed=77)
    feeds = calibration(config, options.data, 16)
    paths = forms(options.run, feeds[:8])
    print("| form | kB | ms, batch 1 | ms, batch 64 | off fp32 | rows mix |")
    print("|---|---|---|---|---|---|")
    true: list[Sequence[forecasts.Float]] = []
    for name, path in paths.items():
        opened = ort.InferenceSession(path, runtime.quiet_options())
        run = forecasts.session(path)
        made = [run(f["values"], f["mask"], f["clock"]) for f in feeds[8:]]
        true = true or made
        off = float(np.mean([distance(m, t) for m, t in zip(made, true, strict=True)]))
        cells = [
            f"{path.stat().st_size / 1e3:.0f}",
            *(f"{milliseconds(opened, feeds[8], rows):.3f}" for rows in (1, 64)),
            f"{off:.4f}",
            f"{dependence(run, feeds[8]):.1e}",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
