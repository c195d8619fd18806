"""What a site's adapter gains over the base: one trained and compared for each of several sites.

`python -m models.adapters_eval --data DIR` prints a row for each site. A site is one file of the
recordings. *Unseen* ones are whole files (of single tables: channels) that training of the base
kept back; *seen* ones the base was trained on, but for their last quarter. Each site's first four
fifths are its history, its last fifth is what base and adapter are compared on, as
`lora-gateway models adapt` does it: int8, on one core.

`SETTLED_ON` are the unseen sites that the recipe was chosen on: their figures are not clean.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gateway.inference import BUILTIN, read_pack
from gateway.inference.manifest import Serves
from gateway.inference.pack import open_model
from models import adapt, data, history
from models.data import SINGLE_TABLES, Series

SETTLED_ON = (
    "beijing_air/Aotizhongxin.csv.gz",
    "logan_river/FranklinBasin2014.csv.gz",
    "logan_river/WaterLab2020.csv.gz",
    "hubbard_brook_soil/z6-19507.csv.gz",
    "greenhouse/one-month-every-5-minutes.csv.gz",
    "nab/data/realTweets/Twitter_volume_AAPL.csv.gz",
)
LONG = 8000
"""Samples that a site's channels must have: a month at five minutes."""

MUST = -0.05
SEEN_EACH = 1
"""Sites of each set that the base has seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One site: losses in units of repeating the day before, `change` below 0 is a gain."""

    site: str
    base_has_seen: bool
    settled_on: bool
    channels: int
    base: float
    adapter: float
    change: float
    base_episodes: int
    adapter_episodes: int
    kept: bool
    seconds: float


def sites(found: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the channels of each site to measure, by file."""
    files: dict[tuple[bool, str], list[Series]] = defaultdict(list)
    for series in found:
        if len(series.values) >= LONG * 0.98 and np.nanstd(series.values[: LONG // 2]) > 0:
            files[series.part == "confirm", series.source].append(series)
    chosen: dict[str, list[Series]] = {}
    taken: dict[str, int] = defaultdict(int)
    for (unseen, source), channels in sorted(files.items(), key=lambda item: item[0][1]):
        group = channels[0].group
        if unseen:
            chosen[source] = channels
        elif group not in SINGLE_TABLES and taken[group] < SEEN_EACH:
            taken[group] += 1
            chosen[source] = channels
    return chosen


def measure(folder: Path, pack: Path = BUILTIN, only: Sequence[str] = ()) -> Iterator[Row]:
    """Yield each site's figures; `only` those whose name holds one of these words."""
    torch.set_num_threads(1)  # one core is what is stated
    base = read_pack(pack)
    model = open_model(base)
    for source, channels in sites(data.load(folder)).items():
        if only and not any(word in source for word in only):
            continue
        made_for = adapt.For(Path(source).name.split(".")[0], Serves(sites=(source,)))
        usable = [s for s in channels if np.isfinite(s.values).sum() >= history.FEWEST]
        done = adapt.train(usable, base, model, adapt.Recipe(), made_for)
        if done is None or done.compared is None:
            continue
        compared = done.compared
        yield Row(
            site=source.removesuffix(".csv.gz"),
            base_has_seen=channels[0].part != "confirm",
            settled_on=source in SETTLED_ON,
            channels=compared.channels,
            base=compared.base.pinball,
            adapter=compared.adapter.pinball,
            change=round(-compared.gain, 4),
            base_episodes=compared.base.episodes,
            adapter_episodes=compared.adapter.episodes,
            kept=not compared.complaint(),
            seconds=round(done.seconds),
        )


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the mean change over clean unseen sites: as trained, and as kept (0 where refused)."""
    clean = [row for row in rows if not row.base_has_seen and not row.settled_on]
    every = [row for row in rows if not row.base_has_seen]
    return {
        "sites": [asdict(row) for row in rows],
        "clean_sites": len(clean),
        "change_mean": _mean([row.change for row in clean]),
        "change_kept_mean": _mean([row.change if row.kept else 0.0 for row in clean]),
        "share_of_sites_with_5_percent": _mean([float(row.change <= MUST) for row in every]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def shown(row: Mapping[str, Any]) -> str:
    """Return a line of a Markdown table."""
    mark = "seen" if row["base_has_seen"] else "settled on" if row["settled_on"] else "unseen"
    return (
        f"| {row['site']} | {mark} | {row['channels']} | {row['base']:.3f} | {row['adapter']:.3f} "
        f"| {100 * row['change']:+.1f} % | {row['base_episodes']} / {row['adapter_episodes']} "
        f"| {'yes' if row['kept'] else 'no'} | {row['seconds']:.0f} |"
    )


def main() -> None:
    """Print a line for each site as it is done, then the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", type=Path, default=BUILTIN)
    parser.add_argument("--only", nargs="*", default=[], help="words of the sites' names")
    options = parser.parse_args()
    rows = []
    for row in measure(options.data, options.pack, options.only):
        rows.append(row)
        print(shown(asdict(row)), flush=True)
    print(json.dumps({k: v for k, v in summary(rows).items() if k != "sites"}, indent=1))


if __name__ == "__main__":
    main()
