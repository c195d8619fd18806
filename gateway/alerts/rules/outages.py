"""Many devices silent with one cause: the whole site's, or one radio gateway's.

The alert is kept under the lowest DevEUI and lists the others as peers. Those that follow join it;
what some of them were told as before is folded into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.rules.paths import Paths
from gateway.speech import duration, say
from gateway.types import Alert, AlertEvent, DevEui, Reason, Severity

SITE_RULE = "silence-site"
_MANY = 3
_ALONE_S = 60.0
_FORGOTTEN = "?"  # no gateway is called so: nobody joins an outage of it


@dataclass(slots=True)
class Outage:
    """An open alert; `gateway` is "" where it is the whole site's."""

    alert: Alert
    gateway: str = ""

    def members(self) -> list[DevEui]:
        """Return everybody that it stands for."""
        return [self.alert.dev_eui, *self.alert.peers]


@dataclass(frozen=True, slots=True)
class Finding:
    """Who fell silent together. `known` is of how many one could tell, `first_s` since when."""

    devices: Sequence[DevEui]
    known: int
    first_s: float
    reason: Reason
    gateway: str = ""
    evidence: tuple[str, ...] = ()


class Outages:
    """The open outages: one of the site at most, and one of each radio gateway."""

    def __init__(self, book: AlertBook, site: str) -> None:
        self._book = book
        self._site = site
        self.open: list[Outage] = []

    def restore(self, alert: Alert) -> None:
        """Take one back after a restart; which gateway it was is not known any more."""
        whole = alert.id == alert_id(alert.dev_eui, SITE_RULE, "", alert.first_seen_s)
        self.open.append(Outage(alert, "" if whole else _FORGOTTEN))

    def covers(self, dev_eui: DevEui) -> bool:
        """Say whether an outage stands for this device."""
        return any(dev_eui in (one.alert.dev_eui, *one.alert.peers) for one in self.open)

    def of_site(self) -> bool:
        """Say whether the whole site is out."""
        return any(not one.gateway for one in self.open)

    def begin(self, found: Finding, now_s: float) -> list[AlertEvent]:
        """Tell many silences as one."""
        lead, *peers = sorted(found.devices)
        title, advice = self._words(found.gateway, len(found.devices), found.known)
        alert = Alert(
            id=alert_id(lead, SITE_RULE, found.gateway, found.first_s), dev_eui=lead,
            rule=SITE_RULE, kind="silence", cause="network", severity=Severity.CRITICAL,
            title=title, advice=advice, reason=(found.reason,), first_seen_s=found.first_s,
            last_seen_s=now_s, peers=tuple(peers), evidence=found.evidence,
        )  # fmt: skip
        self.open.append(Outage(alert, found.gateway))
        return self._book.begin(alert)

    def join(
        self, devices: Sequence[DevEui], heard_s: Mapping[DevEui, float], paths: Paths, known: int
    ) -> tuple[list[AlertEvent], set[DevEui]]:
        """Take in whom an open outage explains as well; return the steps, and who they are."""
        events: list[AlertEvent] = []
        taken: set[DevEui] = set()
        for outage in self.open:
            more = {
                eui for eui in devices
                if eui not in taken and heard_s[eui] <= outage.alert.first_seen_s
                and (not outage.gateway or paths.only(eui) == outage.gateway)
            }  # fmt: skip
            if not more:
                continue
            taken |= more
            peers = sorted({*outage.alert.peers, *more} - {outage.alert.dev_eui})
            title, _ = self._words(outage.gateway, len(peers) + 1, known)
            outage.alert = replace(outage.alert, peers=tuple(peers), title=title)
            events += self._book.update(outage.alert)
        return events, taken

    def over(
        self, still_missing: Callable[[Outage, DevEui], bool], now_s: float
    ) -> tuple[list[AlertEvent], list[DevEui]]:
        """End what more than half have come back from; return the steps, and who has not."""
        events: list[AlertEvent] = []
        left: list[DevEui] = []
        for outage in list(self.open):
            members = outage.members()
            missing = [eui for eui in members if still_missing(outage, eui)]
            if 2 * len(missing) < len(members):
                self.open.remove(outage)
                left += missing
                events += self._book.end(outage.alert, now_s)
        return events, left

    def _words(self, gateway: str, count: int, known: int) -> tuple[str, str]:
        if gateway:
            return (
                say("{site}: radio gateway {gateway} hears nothing any more, {count} devices are "
                    "silent together", site=self._site, gateway=gateway, count=count),
                say("Check this radio gateway, its power, its antenna and its network."),
            )  # fmt: skip
        return (
            say("{site}: {count} of {known} devices silent together",
                site=self._site, count=count, known=max(known, count)),
            say("Check the radio gateway, its power and its network, and the network server."),
        )  # fmt: skip


def lost_gateway(
    paths: Paths, devices: Sequence[DevEui], late: Sequence[DevEui], heard_s: Mapping[DevEui, float]
) -> tuple[str, list[DevEui]]:
    """Return a radio gateway that is lost and those of its own devices that are late.

    It is lost when most (and at least 3) of the devices that it alone hears are late, and it has
    heard nobody since the last of these; "" when there is none.
    """
    for gateway in sorted({paths.only(eui) for eui in late} - {""}):
        own = [eui for eui in devices if paths.only(eui) == gateway]
        gone = [eui for eui in late if paths.only(eui) == gateway]
        last_s = paths.last_s(gateway)
        if last_s is None or len(gone) < _MANY or 2 * len(gone) <= len(own):
            continue
        if last_s <= max(heard_s[eui] for eui in gone) + _ALONE_S:
            return gateway, gone
    return "", []


def evidence_of(
    devices: Sequence[DevEui],
    paths: Paths,
    applications: Mapping[DevEui, str],
    now_s: float,
    *,
    quiet_s: float,
    cut_off: bool,
) -> tuple[str, ...]:
    """Return the facts that tell where an outage comes from. `quiet_s`: nobody at all was heard."""
    said = []
    if cut_off:
        said.append(say("The connection to the network server's broker is down."))
    gateway = paths.shared(devices)
    last_s = paths.last_s(gateway) if gateway else None
    if last_s is not None:
        said.append(
            say("Radio gateway {gateway}, which alone hears them, has heard nothing for {time}.",
                gateway=gateway, time=duration(now_s - last_s))
        )  # fmt: skip
    missing = set(devices)
    if all(eui in missing for eui in applications):
        said.append(say("No device at all was heard for {time}.", time=duration(quiet_s)))
        return tuple(said)
    names = {applications.get(eui, "") for eui in devices}
    others = {name for eui, name in applications.items() if eui not in missing}
    if len(names) == 1 and (name := next(iter(names))) and name not in others:
        said.append(say("All are of the application {name}, and others are heard.", name=name))
    return tuple(said)
