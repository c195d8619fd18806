"""Every figure that is stated of our models: `python -m models.evaluate --data DIR --json`.

The pack is judged on *report*: recordings that neither training nor any choice of settings has
read (see `data` and `labels`); `--part tune` shows what settings were chosen on. Progress goes to
standard error, the figures to standard output.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway.config import InferenceConfig
from gateway.inference import BUILTIN, Pack, load_model, read_pack
from gateway.inference.session import INPUTS, OnnxModel
from models import data, detection, forecasts, injected
from models.data import Series

ENVIRONMENTAL = (*injected.ENVIRONMENTAL, "wsn")
MUST: Mapping[str, str] = {
    "forecast_mase_over_seasonal_naive": "< 0.80, aim 0.70",
    "forecast_quantile_loss_over_seasonal_naive": "< 0.65, aim 0.52",
    "vus_pr_nab": "best baseline + 15 %, aim 0.45",
    "vus_pr_logan_river": "best baseline + 10 %, aim 0.35",
    "faults_found": ">= 0.80, aim 0.95",
    "false_episodes_per_channel_month": "<= 0.5, aim 0.1",
    "watering_called_anomalous": "< 0.05, aim 0.01",
    "realised_over_nominal_episodes": "0.5 to 2 on 90 % of channels, aim 0.8 to 1.25",
    "hit_rate_at_1": ">= 0.9, aim 0.98",
    "int8_against_fp32": "< 0.01, aim 0.002",
    "adapter_against_base": "<= -0.05, aim -0.15",
    "ms_batch_1": "<= 1.5, aim 0.4",
    "ms_per_window_batch_64": "<= 1, aim 0.3",
}
PARTS = {"tune": "settle", "report": "confirm"}


def say(what: str) -> None:
    """Tell what is being worked on."""
    print(what, file=sys.stderr, flush=True)


def forecast(model: OnnxModel, found: Sequence[Series], part: str) -> dict[str, Any]:
    """Return relative errors and coverage by set, over the environmental ones, and by series."""
    answer = forecasts.as_users_see(model)
    made = forecasts.trials(found, PARTS[part])
    rows = {trial.name: (trial.group, forecasts.judge(answer, trial)) for trial in made}
    table = forecasts.grouped(list(rows.values()))
    environmental = [table[group] for group in ENVIRONMENTAL if group in table]
    return {
        "sets": table,
        "environmental": {
            key: float(np.exp(np.mean([np.log(row[key]) for row in environmental])))
            for key in ("relative_mae", "relative_pinball")
        },
        "baseline": "seasonal naive: the same time on the newest day known, else the newest value",
        "series": {
            name: {
                "mase_over_naive": figures["mase"] / max(figures["naive_mase"], 1e-9),
                "quantile_loss_over_naive": figures["pinball"]
                / max(figures["naive_pinball"], 1e-9),
            }
            for name, (_, figures) in rows.items()
        },
    }


def detect(model: OnnxModel, folder: Path, part: str, config: InferenceConfig) -> dict[str, Any]:
    """Return VUS-PR of the gateway and of every baseline, by set and by series."""
    rows = []
    for row in detection.ranked(folder, part, lambda: model, config):
        say(f"  {row.name}")
        rows.append(row)
    return {
        "sets": detection.summary(rows),
        "series": {
            row.name: {"random_floor": row.floor, **row.vus, "delay_samples": row.delay_samples}
            for row in rows
        },
        "causal": True,
        "smoothing": "gateway: half the newest sample's oddness, half its mean over 12 samples",
    }


def faults(
    model: OnnxModel, found: Sequence[Series], part: str, config: InferenceConfig
) -> dict[str, Any]:
    """Return what became of injected faults, of waterings, and whom the score blamed."""
    cases = injected.trials(found, part)
    told = injected.tell(model, cases, config)
    return {
        **injected.found_and_false(told),
        "watering": injected.watering(model, config),
        "blame": injected.blamed(told),
        "budget": injected.budget(model, cases, config),
    }


def quantization(pack: Pack) -> dict[str, Any]:
    """Return how much worse int8 is than fp32, from what was measured when the pack was made."""
    metrics = pack.manifest.metrics
    whole, small = metrics.get("fp32", {}), metrics.get("int8", {})
    return {
        key: small[key] / whole[key] - 1.0
        for key in ("relative_mae", "relative_pinball", "relative_mae_4")
        if whole.get(key) and key in small
    }


def speed(model: OnnxModel, pack: Pack) -> dict[str, float]:
    """Return the median processor time per window, one thread, in milliseconds."""
    out = {}
    for rows, name in ((1, "ms_batch_1"), (64, "ms_per_window_batch_64")):
        fed = [np.resize(pack.golden[key], (rows, *pack.golden[key].shape[1:])) for key in INPUTS]
        spent = []
        for _ in range(60 if rows == 1 else 12):
            began = time.thread_time()
            model.run(*fed)
            spent.append(time.thread_time() - began)
        out[name] = float(np.median(spent)) * 1e3 / rows
    return out


def adapters(path: Path, folder: Path) -> dict[str, Any]:
    """Return what a site's adapter gains over the base; empty where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        say("  adapters need PyTorch, which is not here: left out")
        return {"sites": [], "change_mean": None}
    from models import adapters_eval  # noqa: PLC0415 - only this part needs PyTorch

    return adapters_eval.summary(list(adapters_eval.measure(folder, path)))


def headline(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """Return one number per line of the project's table."""
    detected = figures["detection"]["sets"]

    def gain(group: str) -> float | None:
        return detected[group]["over_best_baseline"] if group in detected else None

    worst = max(figures["quantization"].values(), default=None)
    return {
        "forecast_mase_over_seasonal_naive": figures["forecast"]["environmental"]["relative_mae"],
        "forecast_quantile_loss_over_seasonal_naive": figures["forecast"]["environmental"][
            "relative_pinball"
        ],
        "vus_pr_nab_over_best_baseline": gain("nab"),
        "vus_pr_logan_river_over_best_baseline": gain("logan_river"),
        "faults_found": figures["faults"]["found"],
        "false_episodes_per_channel_month": figures["faults"]["false_episodes_per_channel_month"],
        "watering_called_anomalous": figures["faults"]["watering"]["called_anomalous"],
        "realised_over_nominal_episodes": figures["faults"]["budget"]["realised_over_nominal"],
        "channels_within_half_and_double": figures["faults"]["budget"][
            "share_of_channels_within_half_and_double"
        ],
        "hit_rate_at_1": figures["faults"]["blame"]["hit_rate_at_1"],
        "int8_against_fp32": worst,
        "adapter_against_base": figures["adapters"]["change_mean"],
        **figures["speed"],
    }


def everything(path: Path, folder: Path, part: str) -> dict[str, Any]:
    """Measure a pack on a part of the recordings."""
    pack, model, config = read_pack(path), load_model(path), InferenceConfig()
    found = data.load(folder)
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "speed": lambda: speed(model, pack),
        "quantization": lambda: quantization(pack),
        "forecast": lambda: forecast(model, found, part),
        "faults": lambda: faults(model, found, part, config),
        "adapters": lambda: adapters(path, folder),
        "detection": lambda: detect(model, folder, part, config),
    }
    figures: dict[str, Any] = {"model": pack.identity, "part": part}
    for name, measure in work.items():
        say(name)
        figures[name] = measure()
    return {**figures, "headline": headline(figures), "must": dict(MUST)}


def shown(figures: Mapping[str, Any]) -> str:
    """Return the headline and the detection table as Markdown."""
    out = io.StringIO()
    print(f"{figures['model']}, {figures['part']}\n\n| measure | reached |\n|---|---|", file=out)
    for name, value in figures["headline"].items():
        print(f"| {name} | {'-' if value is None else f'{value:.3f}'} |", file=out)
    for group, row in figures["detection"]["sets"].items():
        print(f"\n{group}, {row['series']} series, floor {row['random_floor']:.3f}\n", file=out)
        print("| detector | VUS-PR | looks back |\n|---|---|---|", file=out)
        for name, value in sorted(row["vus_pr"].items(), key=lambda item: -item[1]):
            print(f"| {name} | {value:.3f} | {row['looks_back_samples'][name]} |", file=out)
    return out.getvalue()


def main() -> None:
    """Print the figures of one pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    parser.add_argument("--pack", type=Path, default=BUILTIN)
    parser.add_argument("--part", choices=PARTS, default="report")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = everything(options.pack, options.data, options.part)
    print(json.dumps(figures, indent=1) if options.json else shown(figures))


if __name__ == "__main__":
    main()
