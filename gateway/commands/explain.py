"""`lora-gateway explain`: why an alert was raised, and its chart, from the store alone."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.agronomy.site import Site
from gateway.alerts import sentence
from gateway.commands.inspect import reading
from gateway.config import load
from gateway.errors import GatewayError
from gateway.explanation import Explainer
from gateway.store import Reader
from gateway.types import Alert

_SHORTEST_PREFIX = 4


def run(alert_id: str, config_path: Path | None, out: Path | None, *, as_json: bool) -> int:
    """Print an alert and its explanation; draw its chart into `out`, where one is named.

    Raises
    ------
    GatewayError
        There is no such alert, or the file cannot be written.

    """
    config = load(config_path)
    with reading(config) as store:
        explainer = Explainer(store, Site.of(config.agronomy))
        alert = _found(store, alert_id)
        lines = explainer.lines(alert)
        if out is not None:
            _write(out, explainer.chart(alert))
    if as_json:
        print(json.dumps({"id": alert.id, "title": alert.title, "text": lines,
                          "chart": str(out) if out else None}, ensure_ascii=False))  # fmt: skip
        return 0
    print(sentence(alert))
    for line in lines:
        print(f"  {line}")
    if out is not None:
        print(f"{out} written.")
    return 0


def _found(store: Reader, alert_id: str) -> Alert:
    """Return the alert of an id, or of the beginning of the id of one that is open."""
    alert = store.alert(alert_id)
    if alert is None and len(alert_id) >= _SHORTEST_PREFIX:
        alike = [one for one in store.open_alerts() if one.id.startswith(alert_id)]
        alert = alike[0] if len(alike) == 1 else None
    if alert is None:
        raise GatewayError(
            f"There is no alert {alert_id[:64]!r}; its id stands in the MQTT topic "
            "`…/alerts/<id>`, and an open one may be named by the id's beginning."
        )
    return alert


def _write(out: Path, text: str) -> None:
    if out.suffix.lower() != ".svg":
        raise GatewayError(f"{out}: a chart is drawn as .svg; name it so.")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error
