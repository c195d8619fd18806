"""The picture of a backtest: what was observed, what was expected, what was abnormal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.commands.series import Judged, Table
from gateway.errors import GatewayError
from gateway.publishers.chart import Chart, Floats, Panel, svg
from gateway.types import Status, Verdict

_MOST_COLUMNS = 12
_WIDTH_IN, _HEIGHT_IN = 14.0, 3.6


def draw(table: Table, judged: dict[str, Judged], out: Path) -> None:
    """Draw every column (at most 12) to an image whose kind its suffix says.

    An .svg is the chart that alerts have too; any other kind is matplotlib's, with the scores.

    Raises
    ------
    GatewayError
        Matplotlib is needed and not installed, or the file cannot be written.

    """
    if out.suffix.lower() == ".svg":
        _write_svg(table, judged, out)
        return
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise GatewayError(
            "This kind of picture needs matplotlib: name it .svg, or install the extra, "
            "`pip install 'lora-gateway[plot]'`."
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


def _write_svg(table: Table, judged: dict[str, Judged], out: Path) -> None:
    panels = [_panel(table, name, judged[name]) for name in list(judged)[:_MOST_COLUMNS]]
    try:
        out.write_text(svg(Chart(out.stem, panels)), encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error


def _panel(table: Table, name: str, judged: Judged) -> Panel:
    order = table.order()
    verdicts = [judged.verdicts[row] for row in order]
    return Panel(
        title=name,
        unit="",
        times_s=table.times_s[order],
        observed=table.columns[name][order],
        expected=_expected(verdicts),
        anomalous=_abnormal(verdicts),
    )


def _expected(verdicts: Sequence[Verdict | None]) -> Floats:
    unknown = (np.nan, np.nan, np.nan)
    return np.array([v.expected if v and v.expected else unknown for v in verdicts]).reshape(-1, 3)


def _abnormal(verdicts: Sequence[Verdict | None]) -> npt.NDArray[np.bool_]:
    return np.array([bool(v and v.status is Status.ANOMALOUS) for v in verdicts], np.bool_)


def _draw_column(values: Any, scores: Any, table: Table, name: str, judged: Judged) -> None:  # noqa: ANN401
    """Draw one column on its two axes."""
    order = table.order()
    times = [datetime.fromtimestamp(second, UTC) for second in table.times_s[order].tolist()]
    observed = table.columns[name][order]
    verdicts = [judged.verdicts[row] for row in order]
    band, abnormal = _expected(verdicts), _abnormal(verdicts)
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
