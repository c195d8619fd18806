"""What derived channels say of themselves: frost, unhealthy air, irrigation due, a limit ahead.

They meet the alerts as readings like any other. Few and calm: each needs two readings in a row or
is told once a day, and ends well below where it began.
"""

from __future__ import annotations

from gateway.alerts.rules.thresholds import Limit
from gateway.speech import phrase
from gateway.types import Severity

DERIVED_LIMITS = (
    Limit(
        "derived:frost", "frost.probability", 50.0, 1, hysteresis=30.0, samples=2, kind="frost",
        cause="environment", title=phrase("frost is likely before the sun is back"),
        advice=phrase("Protect what is tender, and have the frost irrigation ready."),
    ),
    Limit(  # above 150 the US index calls the air unhealthy for everybody
        "derived:air", "air.aqi.epa", 150.0, 1, hysteresis=25.0, for_s=1800.0, samples=3,
        kind="air", cause="environment", title=phrase("the air is unhealthy"),
        advice=phrase("Put off hard work outdoors, and keep windows shut."),
    ),
    Limit(
        "derived:irrigation", "field.*.irrigation", 0.0, 1, severity=Severity.INFO,
        kind="irrigation", cause="environment", title=phrase("irrigation is due"),
        advice=phrase("Bring out what the reason says, in one go or over the coming days."),
    ),
    Limit(  # told once a day, and only of trends that chance hardly makes
        "derived:trend", "trend.*.daysToLimit", 7.0, -1, hysteresis=3.0, samples=2,
        severity=Severity.INFO, kind="trend", cause="unknown",
        title=phrase("going on like this, a limit is met within a week"),
        advice=phrase("Look at the channel's last weeks and act before it comes to that."),
    ),
)  # fmt: skip
"""Built in beside `PHYSICAL`; a channel that is not derived here never meets them."""
