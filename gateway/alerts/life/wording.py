"""What is proposed where only the user can change something."""

from __future__ import annotations

from gateway.alerts.life.budget import WRITTEN
from gateway.config import ThresholdConfig
from gateway.speech import figure, say
from gateway.types import Alert


def proposal(limit: ThresholdConfig | None, alert: Alert) -> str:
    """Say how the user's own limit would have to stand for an alert not to come; "" for ours."""
    if limit is None:
        return _of_rule(alert.rule.removeprefix(WRITTEN)) if alert.rule.startswith(WRITTEN) else ""
    side = "below" if limit.below is not None else "above"
    bound = limit.below if limit.below is not None else limit.above
    seen = alert.reason[0].observed if alert.reason else None
    if seen is None or isinstance(seen, str | bool) or bound is None:
        return _of_rule(limit.name)
    further = max(abs(seen - bound), limit.hysteresis, 0.01 * abs(bound))
    wider = bound + (further if side == "above" else -further)
    return say(
        "The limit {name} is your own and stays as it is. It was {seen}: with {side} = {bound} in "
        "the settings, or a longer for_s than {for_s}, this alert would not have come.",
        name=limit.name, seen=figure(seen, alert.reason[0].unit), side=side,
        bound=f"{wider:.6g}", for_s=f"{limit.for_s:g}",
    )  # fmt: skip


def _of_rule(name: str) -> str:
    return say("The rule {name} is your own and stays as it is; change it where you wrote it.",
               name=name)  # fmt: skip
