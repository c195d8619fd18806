"""What a published alert says: one device's own words, or the words of many with one cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.alerts.causes.group import Group
from gateway.alerts.causes.headline import headline, in_own_words
from gateway.alerts.causes.likeness import (
    ABOUT_DEVICE,
    DOWN,
    FAULTS,
    SCALE,
    SPIKE,
    UNSAID,
    UP,
    WEATHER_RULES,
    Way,
    is_natural,
    is_outside,
    is_shared,
    theme_of,
    way_of,
    ways_of,
)
from gateway.alerts.causes.neighbours import Neighbours
from gateway.alerts.causes.witnesses import Testimony, hear
from gateway.alerts.families import words_of
from gateway.speech import duration, figure, say
from gateway.types import Alert, Channel, DevEui, Severity

_FROST_C = 1.0
_MANY_WET = 3
"""So many devices that get wet together are rain, or an irrigation that nobody told of."""

_ROOTS = ("battery", "reboot", "link", "dropout")
"""What is wrong with a device, the cause before its effects."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Saying:
    """What many devices with one cause are told as."""

    kind: str
    cause: str
    title: Callable[[str, int], str]
    advice: str


def _cold() -> _Saying:
    return _Saying(
        "cold", "environment",
        lambda place, count: say("{place}: colder than expected at {count} devices",
                                 place=place, count=count),
        say("See whether heating runs and vents are shut, and protect what is tender."),
    )  # fmt: skip


def _frost() -> _Saying:
    return _Saying(
        "frost", "environment",
        lambda place, count: say("{place}: frost at {count} devices", place=place, count=count),
        say("Protect what is tender, and start the frost irrigation."),
    )  # fmt: skip


def _heat() -> _Saying:
    return _Saying(
        "heat", "environment",
        lambda place, count: say("{place}: hotter than expected at {count} devices",
                                 place=place, count=count),
        say("Shade and air what suffers, and see whether there is water enough."),
    )  # fmt: skip


def _air() -> _Saying:
    return _Saying(
        "air", "environment",
        lambda place, count: say("{place}: the air is worse than usual at {count} devices",
                                 place=place, count=count),
        say("Put off hard work outdoors, and keep windows shut."),
    )  # fmt: skip


def _wet() -> _Saying:
    return _Saying(
        "rain", "environment",
        lambda place, count: say(
            "{place}: soil moisture rises at {count} devices with no rain or irrigation known",
            place=place, count=count),
        say("See whether it rained or an irrigation ran that no sensor tells of; if not, look for "
            "a leak in the pipe that these places share."),
    )  # fmt: skip


def _dry() -> _Saying:
    return _Saying(
        "dry", "environment",
        lambda place, count: say("{place}: soil drier than expected at {count} devices",
                                 place=place, count=count),
        say("See whether a watering was missed."),
    )  # fmt: skip


_SAYINGS: Mapping[Way, Callable[[], _Saying]] = {
    ("temperature", DOWN): _cold,
    ("temperature", UP): _heat,
    ("particles", UP): _air,
    ("moisture", UP): _wet,
    ("moisture", DOWN): _dry,
}


def tell(group: Group, neighbours: Neighbours, site: str, now_s: float) -> Alert:
    """Return what is published of a group now; its severity never falls."""
    devices = group.devices()
    before = group.alert
    alert = (
        _of_many(group, devices, neighbours, site)
        if len(devices) > 1
        else _of_one(group, neighbours, now_s)
    )
    if alert.cause == UNKNOWN and before.cause not in {"", UNKNOWN} and before.kind != SPIKE:
        # What is left of it when the member that said more is well: its cause is what it was.
        alert = replace(alert, cause=before.cause, evidence=alert.evidence or before.evidence)
    seen_s = (member.last_seen_s for member in group.members.values())
    return replace(
        alert,
        id=before.id,
        dev_eui=before.dev_eui,
        severity=group.severity(),
        first_seen_s=before.first_seen_s,
        last_seen_s=max(before.last_seen_s, *seen_s, 0.0),
        peers=_peers(group, devices),
    )


def _peers(group: Group, devices: set[DevEui]) -> tuple[DevEui, ...]:
    """Return the other devices; an alert that gathers many by itself knows its own."""
    if not group.ways:
        return group.lead.peers
    return tuple(sorted(devices - {group.alert.dev_eui}))


def _of_one(group: Group, neighbours: Neighbours, now_s: float) -> Alert:
    voices = list(group.members.values()) or [group.lead]
    voice = headline(voices, group.alert.dev_eui)
    if (ABOUT_DEVICE, str(voice.dev_eui)) in group.ways and len(voices) > 1:
        return _of_device(voice, voices)
    found = _heard(group, voice, neighbours, now_s)
    evidence = tuple(dict.fromkeys((*voice.evidence, *found.evidence)))
    weather = voice.kind == SPIKE and found.cause == "environment"
    if not weather and (not found.cause or voice.cause != UNKNOWN):
        return replace(voice, evidence=evidence)
    return replace(voice, cause=found.cause, advice=_advice(found), evidence=evidence)


def _heard(group: Group, voice: Alert, neighbours: Neighbours, now_s: float) -> Testimony:
    """Ask the neighbours; a sensor that left them does not come right by turning as they all do."""
    found = hear(voice, neighbours, now_s)
    way = way_of(voice.reason[0]) if voice.reason else None
    if group.heard is not None and group.heard[1].cause == "sensor" and group.heard[0] != way:
        return group.heard[1]
    if way is not None and found.cause:
        group.heard = way, found
    return found


def _advice(found: Testimony) -> str:
    if found.cause == "sensor":
        return say("Compare with a hand measurement; clean or replace the probe.")
    return say("The neighbours show it too: look at the place rather than at the probe.")


def _of_device(voice: Alert, voices: Sequence[Alert]) -> Alert:
    """Several troubles of one device, told as the one that brings the others about."""
    loud = [one for one in voices if one.severity is not Severity.INFO] or voices
    root = min(loud, key=lambda one: (_root(one), one.rule == "model", one.first_seen_s, one.id))
    others = tuple(
        say("At the same time: {title}.", title=one.title)
        for one in voices if one.kind != root.kind
    )  # fmt: skip
    return replace(
        voice, kind=root.kind, cause=root.cause, title=root.title, advice=root.advice,
        evidence=tuple(dict.fromkeys((*root.evidence, *others))),
    )  # fmt: skip


def _root(alert: Alert) -> int:
    return _ROOTS.index(alert.kind) if alert.kind in _ROOTS else len(_ROOTS)


def _of_many(group: Group, devices: set[DevEui], neighbours: Neighbours, site: str) -> Alert:
    """Tell what many show in the words of the one that means most (`headline`)."""
    count, filed = len(devices), group.alert.dev_eui
    members = [*group.members.values()] or [group.lead]
    head = headline(members, filed)
    # What is filed under a device speaks of that device, whosever words the title has.
    own = [one for one in members if one.dev_eui == filed] or [group.lead]
    alert = headline(own, filed)
    way = _leading(members, head)
    when = [] if head.rule in WEATHER_RULES else _when(group, count)
    evidence = [*when, *_shared(devices, neighbours)]
    saying = None if in_own_words(head) else _common(group, head, way, devices, neighbours)
    if saying is not None:
        place = _place(devices, neighbours, site)
        evidence += _extent(group, way) if is_natural(way) else []
        said = head.evidence if way[0] == SCALE else ()
        return replace(
            alert, kind=saying.kind, cause=saying.cause, title=saying.title(place, count),
            advice=saying.advice, evidence=(*said, *evidence),
        )  # fmt: skip
    title = _likewise(head, group, members)
    alert = replace(
        alert, kind=head.kind, cause=head.cause, title=title, advice=head.advice,
        evidence=(*head.evidence, *evidence),
    )  # fmt: skip
    if head.kind in FAULTS:
        alike = len({neighbours.profile(one) for one in devices}) == 1
        return replace(
            alert, cause="sensor" if alike else "unknown",
            advice=say("Look for what they share: their firmware, their codec or their supply."),
        )  # fmt: skip
    if is_natural(way):
        return replace(alert, cause="environment" if head.cause == "unknown" else head.cause)
    outside = is_outside(frozenset(_themes(head)))
    return replace(alert, cause="environment") if outside and head.cause == "unknown" else alert


def _likewise(head: Alert, group: Group, members: Sequence[Alert]) -> str:
    """Return the title of the one that is told, with how many others are found by its rule."""
    alike = {one.dev_eui for one in members if one.rule == head.rule} | set(group.waiting)
    more = len(alike - {head.dev_eui})
    if not more or head.rule in WEATHER_RULES:
        return head.title
    if more == 1:
        return say("{title}; one more device likewise", title=head.title)
    return say("{title}; {count} more devices likewise", title=head.title, count=more)


def _common(
    group: Group, head: Alert, way: Way, devices: set[DevEui], neighbours: Neighbours
) -> _Saying | None:
    """Return what many are told as together, None where the words of one say it best."""
    if way[0] == SCALE:
        return _rescaled(head, sorted({neighbours.profile(one) for one in devices} - {""}))
    if head.kind == SPIKE:
        return _sudden(group, head)
    return _natural(group, head, way, len(devices))


def _rescaled(head: Alert, profiles: Sequence[str]) -> _Saying:
    words, profile = words_of(head.reason[0].channel), ", ".join(profiles)

    def title(place: str, count: int) -> str:
        if profile:
            return say(
                "{place}: {words} of {count} devices of the profile {profile} jumped as if its "
                "unit had changed", place=place, words=words, count=count, profile=profile,
            )  # fmt: skip
        return say("{place}: {words} of {count} devices jumped as if its unit had changed",
                   place=place, words=words, count=count)  # fmt: skip

    return _Saying("scale", "sensor", title, head.advice)


def _sudden(group: Group, head: Alert) -> _Saying | None:
    """Return what jumps at neighbours at one time are, all one way: weather, and no sensor."""
    if not head.reason:
        return None
    channel = head.reason[0].channel
    ups = {
        reason.observed > reason.expected[1]
        for one in group.members.values() for reason in one.reason
        if one.kind == SPIKE and reason.channel == channel
        and reason.expected is not None and not isinstance(reason.observed, str)
    }  # fmt: skip
    if len(ups) > 1:
        return None
    words, falls = words_of(head.reason[0].channel), ups == {False}

    def title(place: str, count: int) -> str:
        if falls:
            return say("{place}: {words} fell suddenly at {count} devices",
                       place=place, words=words, count=count)  # fmt: skip
        if ups:
            return say("{place}: {words} rose suddenly at {count} devices",
                       place=place, words=words, count=count)  # fmt: skip
        return say("{place}: {words} changed suddenly at {count} devices",
                   place=place, words=words, count=count)  # fmt: skip

    advice = say("Look at what these places share: the weather, or what runs for all of them.")
    return _Saying(SPIKE, "environment", title, advice)


def _leading(members: Sequence[Alert], head: Alert) -> Way:
    """Return the way of the leading alert that most of the others go too."""
    counts = Counter(way for member in members for way in ways_of(member))
    ways = [way for way in ways_of(head) if is_shared(way)]
    return min(ways, key=lambda way: (way[0] != SCALE, -counts[way], way)) if ways else ("", "")


def _themes(alert: Alert) -> Iterable[Way]:
    """Return what the channels of a user's rule are about."""
    return ((theme_of(reason.channel), "") for reason in alert.reason)


def _natural(group: Group, head: Alert, way: Way, count: int) -> _Saying | None:
    if not is_natural(way) or way[1] == UNSAID:
        return None
    if way == ("temperature", DOWN) and any(map(_freezes, (group.lead, *group.members.values()))):
        return _frost()
    if way == ("moisture", UP) and count < _MANY_WET:
        return _other(group, head, way)
    saying = _SAYINGS.get(way)
    return saying() if saying is not None else _other(group, head, way)


def _other(group: Group, head: Alert, way: Way) -> _Saying | None:
    """Any other quantity; what one device alone says of a leak or a pump stays as it says it."""
    if head.cause == "actuator":
        return None
    words = words_of(_channel(group, way))
    up = way[1] == UP

    def title(place: str, count: int) -> str:
        if up:
            return say("{place}: {words} higher than expected at {count} devices",
                       place=place, words=words, count=count)  # fmt: skip
        return say("{place}: {words} lower than expected at {count} devices",
                   place=place, words=words, count=count)  # fmt: skip

    advice = say("Look at what these places share: the weather, or what runs for all of them.")
    return _Saying(head.kind, "environment", title, advice)


def _channel(group: Group, way: Way) -> Channel:
    for member in (group.lead, *group.members.values()):
        for reason in member.reason:
            if way in ways_of(replace(member, reason=(reason,))):
                return reason.channel
    return group.lead.reason[0].channel


def _freezes(alert: Alert) -> bool:
    return alert.kind == "frost" or any(
        reason.unit == "°C" and not isinstance(reason.observed, str)
        and reason.observed <= _FROST_C and _is_air(reason.channel)
        for reason in alert.reason
    )  # fmt: skip


def _is_air(channel: Channel) -> bool:
    """Say whether a channel is an air temperature."""
    return str(channel).lower().startswith("air.temp")


def _when(group: Group, count: int) -> list[str]:
    if not (starts := [member.first_seen_s for member in group.members.values()]):
        return []
    span_s = max(starts) - min(starts)
    return [say("{count} devices within {time}.", count=count, time=duration(max(span_s, 1.0)))]


def _shared(devices: set[DevEui], neighbours: Neighbours) -> list[str]:
    said = []
    fields = {neighbours.place(one).field for one in devices}
    if len(fields) == 1 and (field := next(iter(fields))):
        said.append(say("All stand in {place}.", place=field))
    profiles = {neighbours.profile(one) for one in devices}
    if len(profiles) == 1 and (profile := next(iter(profiles))):
        said.append(say("All are of the profile {profile}.", profile=profile))
    return said


def _extent(group: Group, way: Way) -> list[str]:
    """Return what the devices read, of the channel that they have in common."""
    channel = _channel(group, way)
    read = [
        (float(reason.observed), reason.unit)
        for member in group.members.values()
        for reason in member.reason
        if reason.channel == channel and not isinstance(reason.observed, str)
    ]
    if len(read) < 2:  # noqa: PLR2004 - one value is no range
        return []
    low, high = min(read), max(read)
    return [say("They read {low} to {high}.", low=figure(low[0]), high=figure(*high))]


def _place(devices: set[DevEui], neighbours: Neighbours, site: str) -> str:
    places = [neighbours.place(one) for one in devices]
    fields, sites = {one.field for one in places}, {one.site for one in places}
    if len(fields) == 1 and (field := next(iter(fields))):
        return field
    return next(iter(sites)) or site if len(sites) == 1 else site
