"""Which alerts may have one cause: what each is about, and which way it goes.

Two alerts are alike when they share a **way**: a theme (`temperature`, `moisture`) with a direction
(`up`, `down`), or a channel with a fault (`stuck`), or the name of a rule of the user's own. What a
way is made of says nothing yet about whose alerts belong together: that is for neighbours to tell.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.alerts.families import Family, family_of
from gateway.types import Alert, Channel, Reason, Severity

Way = tuple[str, str]

UP, DOWN = "up", "down"
UNSAID = "unsaid"
"""The direction where nothing was expected: alike are those that nothing was expected of."""

ABOUT_DEVICE = "device"
SCALE = "scale"
SCALE_RULE = "at-once:scale"
FRONT_RULE, COLD_RULE, HEAT_RULE = "days:front", "days:cold", "days:heat"
BESIDE_RULE, WETTING_RULE = "days:beside", "days:wetting"
WEATHER_RULES = frozenset({FRONT_RULE, COLD_RULE, HEAT_RULE})
"""Rules that speak of a whole site; each of its devices has their alert."""

OUTSIDE = frozenset(
    {"temperature", "soil temperature", "light", "pressure", "wind", "rain", "particles"}
)
"""Themes that the weather moves at every place of a site at once."""

_SUDDEN = (OUTSIDE | {"humidity"}) - {"soil temperature"}
SPIKE = "spike"
WEATHER: Way = ("weather", SPIKE)
"""The way of a spike of what a gust, a cloud or a shower makes jump."""

FAULTS = frozenset({"stuck", "noise", SPIKE})
"""Kinds whose direction means nothing."""

_WHOLE = frozenset({"silence", "silence-site", "link-site", "codec", "at-once:clock"})
_OWN = "own:"
_HEALTH = frozenset({"battery", "link", "dropout", "reboot"})
JUDGED = frozenset({"model", "at-once:early"})
"""Rules that judge one channel by its own past."""

_BUILT_IN = frozenset({"model", "link"})
_AT_ONCE = "at-once:"
_DAYS = "days:"
_TWINS = {
    "derived:frost": ("temperature", DOWN),
    "derived:air": ("particles", UP),
    FRONT_RULE: ("temperature", DOWN),
    COLD_RULE: ("temperature", DOWN),
    HEAT_RULE: ("temperature", UP),
}

# The first pattern found decides, so the particular stands before the general.
_THEMES = tuple(
    (theme, re.compile(pattern))
    for theme, pattern in (
        ("soil temperature", r"soil.*temp|temp.*soil"),
        ("moisture", r"moisture|vwc|water_?content"),
        ("soil", r"soil|substrate"),
        ("particles", r"pm_?(1|2|4|10)|aqi"),
        ("light", r"light|lux|irradian|solar|(^|[._])par\b"),
        ("pressure", r"air\.pressure|barom"),
        ("wind", r"wind|gust"),
        ("rain", r"(?<![a-z])rain|precip"),
        ("humidity", r"humid"),
        ("temperature", r"^air\.(temp|dew|wet|heat)|^frost\.|^temp"),
    )
)


@lru_cache(maxsize=4096)
def theme_of(channel: Channel) -> str:
    """Return what a channel is about, the channel itself where nothing more general is known."""
    name = str(channel).lower()
    return next((theme for theme, pattern in _THEMES if pattern.search(name)), str(channel))


def ways_of(alert: Alert) -> frozenset[Way]:
    """Return the ways of an alert; none for one that stands for itself, whatever others say."""
    if alert.rule in _WHOLE or not alert.reason:
        return frozenset()
    if alert.kind in _HEALTH:
        return _of_health(alert)
    if alert.rule in _TWINS:
        # What else is found of the same air of the same device is the weather's doing.
        own = _own(alert) if alert.rule in WEATHER_RULES else frozenset()
        return own | {_TWINS[alert.rule]}
    if alert.rule not in JUDGED:
        return _of_rule(alert)
    if alert.kind in FAULTS:
        return _own(alert) | {_fault(alert, reason) for reason in alert.reason}
    return _own(alert) | {way for reason in alert.reason if (way := way_of(reason)) is not None}


def _fault(alert: Alert, reason: Reason) -> Way:
    """Return the way of a fault: a storm makes temperature, humidity and wind jump at once."""
    if alert.kind == SPIKE and theme_of(reason.channel) in _SUDDEN:
        return WEATHER
    return str(reason.channel), alert.kind


def is_shared(way: Way) -> bool:
    """Say whether other devices can go this way, or it only holds a device's own together."""
    return not way[0].startswith(_OWN)


def _own(alert: Alert) -> frozenset[Way]:
    """Return the ways by which the rules that judge one channel of one device meet."""
    return frozenset((_OWN + str(alert.dev_eui), str(reason.channel)) for reason in alert.reason)


def is_outside(ways: frozenset[Way]) -> bool:
    """Say whether the weather could do this to a whole site."""
    return any(theme in OUTSIDE for theme, _ in ways)


def is_natural(way: Way) -> bool:
    """Say whether a way is of a quantity that moves by itself, not of a fault or a rule."""
    return way[1] in (UP, DOWN, UNSAID)


def _of_rule(alert: Alert) -> frozenset[Way]:
    """Return the ways of a rule's alert: a user's own stays apart from what else is wrong."""
    channel = str(alert.reason[0].channel)
    if alert.rule == SCALE_RULE:
        return _own(alert) | {(SCALE, channel)}
    ruled = frozenset({(f"rule:{alert.rule}", channel)})
    if alert.kind == "frost" and theme_of(alert.reason[0].channel) == "temperature":
        return ruled | {("temperature", DOWN)}  # the cold that a model or a forecast sees too
    return ruled | _own(alert) if alert.rule.startswith(("range:", _DAYS)) else ruled


def _of_health(alert: Alert) -> frozenset[Way]:
    """Return the ways of a device's own trouble; what is only worth a note explains nothing."""
    own = {(alert.kind, str(alert.dev_eui))}
    if alert.severity is not Severity.INFO:
        own.add((ABOUT_DEVICE, str(alert.dev_eui)))
    if alert.rule in _BUILT_IN or alert.rule.startswith(_AT_ONCE):
        return frozenset(own)
    return frozenset({*own, (f"rule:{alert.rule}", str(alert.reason[0].channel))})


def way_of(reason: Reason) -> Way | None:
    """Return which way one channel goes, None for what does not move by nature."""
    if isinstance(reason.observed, str):
        return None
    if family_of(reason.channel) in (Family.LINK, Family.BATTERY):
        return None
    if reason.expected is None:
        return theme_of(reason.channel), UNSAID
    return theme_of(reason.channel), UP if reason.observed > reason.expected[1] else DOWN
