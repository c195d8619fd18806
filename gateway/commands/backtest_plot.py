"""The picture of a backtest: what was observed, what was expected, what was abnormal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gateway.commands.series import Judged, Table
from gateway.errors import GatewayError
from gateway.types import Status

_MOST_COLUMNS = 12
_WIDTH_IN, _HEIGHT_IN = 14.0, 3.6


def draw(table: Table, judged: dict[str, Judged], out: Path) -> None:
    """Draw every column (at most 12) to an image whose kind its suffix says.

    Raises
    ------
    GatewayError
        Matplotlib is not installed, or the file cannot be written.

    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise GatewayError(
            "--plot needs matplotlib: install the extra, `pip install 'lora-gateway[plot]'`."
        ) from error
    names = list(judged)[:_MOST_COLUMNS]
    figure, axes = plt.subplots(
        2 * len(names), 1, sharex=True, squeeze=False, layout="constrained",
        figsize=(_WIDTH_IN, _HEIGHT_IN * len(names)), height_ratios=[3, 1] * len(names),
    )  # fmt: skip
    for at, name in enumerate(names):
        _draw_column(axes[2 * at, 0], axes[2 * at + 1, 0], table, name, judged[name])
    axes[0, 0].legend(loc="upper left", fontsize=8)
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise GatewayError(f"{out} cannot be written: {error}.") from error
    finally:
        plt.close(figure)


def _draw_column(values: Any, scores: Any, table: Table, name: str, judged: Judged) -> None:  # noqa: ANN401
    """Draw one column on its two axes."""
    order = table.order()
    times = [datetime.fromtimestamp(second, UTC) for second in table.times_s[order].tolist()]
    observed = table.columns[name][order]
    verdicts = [judged.verdicts[row] for row in order]
    unknown = (np.nan, np.nan, np.nan)
    band = np.array([v.expected if v and v.expected else unknown for v in verdicts])
    abnormal = np.array([bool(v and v.status is Status.ANOMALOUS) for v in verdicts])
    score = np.array([v.score if v and v.score is not None else np.nan for v in verdicts])
    values.fill_between(times, band[:, 0], band[:, 2], alpha=0.3, lw=0, label="expected 98 %")
    values.plot(times, observed, "k.-", lw=0.6, ms=1.5, label="observed")
    values.plot(times, np.where(abnormal, observed, np.nan), "r.", ms=4, label="anomalous")
    values.set_title(name, loc="left", fontsize=10)
    seen = observed[np.isfinite(observed)]
    if seen.size:
        margin = 0.1 * (seen.max() - seen.min()) + 1e-9
        values.set_ylim(seen.min() - margin, seen.max() + margin)
    scores.plot(times, score, lw=0.6)
    scores.fill_between(
        times, 0, 1, where=abnormal, transform=scores.get_xaxis_transform(),
        color="red", alpha=0.25, lw=0,
    )  # fmt: skip
    scores.set_ylabel("score")
