"""Devices that have gone quiet: learned for each, one alert when many fall silent together.

Only receptions by our own clock count. A device is overdue when nothing was heard for its learned
limit since the later of its last reception and the newest **grace**: a restart, a pause of this
program, or a time in which nobody at all was heard (radio gateway, server or broker trouble). So
our own outage silences nobody. When one device is overdue and more than half (and more than 3) of
the regular devices that could have been missed by then are late too, or those that one lost radio
gateway alone hears, one alert with cause `network` stands for all of them (`outages`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.rules.company import Company
from gateway.alerts.rules.outages import (
    SITE_RULE,
    Finding,
    Outage,
    Outages,
    evidence_of,
    lost_gateway,
)
from gateway.alerts.rules.paths import Paths
from gateway.alerts.rules.rhythm import Rhythm
from gateway.alerts.words import titled
from gateway.config import SilenceConfig
from gateway.speech import duration, say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reason, Severity

RULE = "silence"
SILENT_FOR = Channel("device.silent_for")
_PAUSE_S = 900.0
_LONELY = 10.0  # nobody heard for ten times the usual wait: chance of one in 20,000 by luck
_WITNESS = 3.0
_GAPS_S = tuple(_PAUSE_S * 1.25**step for step in range(24))
_MANY = 3
_RECKON_CALLS = 64


class SilenceRule:
    """Who was heard when, and who is silent. All times are the gateway's own.

    `patience` tells how many times its learned limit a device is given.
    """

    def __init__(
        self,
        book: AlertBook,
        settings: SilenceConfig,
        site: str,
        patience: Callable[[DevEui], float] = lambda _: 1.0,
    ) -> None:
        self._book = book
        self._patience = patience
        self._settings = settings
        self._outages = Outages(book, site)
        self._rhythms: dict[DevEui, Rhythm] = {}
        self._names: dict[DevEui, str] = {}
        self._applications: dict[DevEui, str] = {}
        self._paths = Paths()
        self._company = Company()
        self._silent: dict[DevEui, Alert] = {}
        self._offline: set[DevEui] = set()
        self._grace_s = float("-inf")
        self._called_s: float | None = None
        self._input_s: float | None = None
        self._changes: dict[DevEui, bool] = {}
        self._lonely_s = float("inf")
        self._lonely_in = 0
        self._pause_s = float("inf")

    def know(self, device: DeviceInfo) -> None:
        """Learn what people call a device, and whose it is."""
        self._names[device.dev_eui] = device.name or device.dev_eui
        self._applications[device.dev_eui] = device.application or device.application_id
        self._company.know(device)

    def heard(
        self, dev_eui: DevEui, received_s: float, gateways: Sequence[str] = ()
    ) -> list[AlertEvent]:
        """Take one live reception, and which radio gateways had it: it ends a silence."""
        self._paths.heard(dev_eui, gateways, received_s)
        self._watch_for_pauses(received_s)
        if self._input_s is not None and received_s - self._input_s > self._lonely_s:
            self._grace_s = received_s
        self._input_s = max(received_s, self._input_s or received_s)
        rhythm = self._rhythms.get(dev_eui)
        if rhythm is None:
            rhythm = self._rhythms[dev_eui] = Rhythm(self._settings)
            self._changes[dev_eui] = True
        # An interval with a grace in it is the length of our own outage, not the device's doing.
        rhythm.hear(received_s, learn=rhythm.last_s is None or rhythm.last_s >= self._grace_s)
        self._set_offline(dev_eui, offline=False)
        alert = self._silent.pop(dev_eui, None)
        events = self._book.end(alert, received_s) if alert else []
        return events + self._outages_over(received_s)

    def tick(self, now_s: float, *, cut_off: bool = False) -> list[AlertEvent]:
        """Find who is overdue at `now_s`; `cut_off`: the network server cannot be reached."""
        self._watch_for_pauses(now_s)
        overdue = [
            eui for eui in self._rhythms
            if now_s > self._deadline_s(eui) and not self._slows_with_others(eui, now_s)
        ]  # fmt: skip
        for dev_eui in overdue:
            self._set_offline(dev_eui, offline=True)
        events = self._outages_over(now_s)
        if not self._settings.enabled:
            return events
        fresh = [eui for eui in overdue if not self._is_told(eui)]
        if not fresh:
            return events
        heard_s = {eui: self._last_s(eui) for eui in self._rhythms}
        joined, taken = self._outages.join(fresh, heard_s, self._paths, len(self._rhythms))
        events += joined
        fresh = [eui for eui in fresh if eui not in taken]
        if fresh:
            events += self._raise_outage(fresh, heard_s, now_s, cut_off=cut_off)
        for dev_eui in (eui for eui in fresh if not self._is_told(eui)):
            events += self._raise(dev_eui, now_s)
        return events

    def available(self, dev_eui: DevEui) -> bool:
        """Say whether a device counts as online, as of the newest call."""
        return dev_eui in self._rhythms and dev_eui not in self._offline

    def next_s(self, dev_eui: DevEui, now_s: float) -> float | None:
        """Return when a device is expected to speak next, None while its rhythm is not known."""
        rhythm = self._rhythms.get(dev_eui)
        if rhythm is None or rhythm.last_s is None or rhythm.usual_s <= 0:
            return None
        return max(now_s, rhythm.last_s + rhythm.usual_s)

    def changes(self) -> list[tuple[DevEui, bool]]:
        """Return whose availability has changed since the last time this was asked."""
        changed = list(self._changes.items())
        self._changes.clear()
        return changed

    def restore(self, activity: dict[DevEui, Sequence[float]], now_s: float) -> None:
        """Learn rhythms from recent reception times (ascending), then give everybody grace."""
        for dev_eui, times_s in activity.items():
            rhythm = self._rhythms[dev_eui] = Rhythm(self._settings)
            for time_s in times_s:
                rhythm.hear(time_s)
            self._changes[dev_eui] = True
        self._grace_s = self._called_s = self._input_s = now_s

    def restore_alert(self, alert: Alert) -> None:
        """Take an open alert back after a restart: who was silent still is, until heard."""
        if alert.rule == SITE_RULE:
            self._outages.restore(alert)
            silent = (alert.dev_eui, *alert.peers)
        else:
            self._silent[alert.dev_eui] = alert
            silent = (alert.dev_eui,)
        for dev_eui in silent:
            self._rhythms.setdefault(dev_eui, Rhythm(self._settings))
            self._set_offline(dev_eui, offline=True)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its own alert."""
        self._rhythms.pop(dev_eui, None)
        self._names.pop(dev_eui, None)
        self._changes.pop(dev_eui, None)
        self._offline.discard(dev_eui)
        self._applications.pop(dev_eui, None)
        self._paths.forget(dev_eui)
        self._company.forget(dev_eui)
        alert = self._silent.pop(dev_eui, None)
        return self._book.end(alert, alert.last_seen_s) if alert else []

    def _watch_for_pauses(self, now_s: float) -> None:
        """Give grace when this program itself was not running, or the clock has leapt."""
        self._reckon_loneliness()
        if self._called_s is not None and now_s - self._called_s > self._pause_s:
            self._grace_s = now_s
        self._called_s = max(now_s, self._called_s or now_s)

    def _reckon_loneliness(self) -> None:
        """Reckon how long the whole site may be quiet by chance; anew every 64 calls."""
        self._lonely_in -= 1
        if self._lonely_in > 0:
            return
        self._lonely_in = _RECKON_CALLS if self._pause_s < float("inf") else 0
        waits_s = [
            rhythm.wait_s
            for eui, rhythm in self._rhythms.items()
            if rhythm.wait_s > 0 and eui not in self._offline
        ]
        rate = sum(1 / wait_s for wait_s in waits_s)
        self._pause_s = max(_PAUSE_S, _LONELY / rate) if rate else float("inf")
        # A few devices, however talkative, are no witness to an outage of the whole site.
        self._lonely_s = next(
            (gap_s for gap_s in _GAPS_S
             if sum(min(gap_s / wait_s, _WITNESS) for wait_s in waits_s) >= _LONELY),
            float("inf"),
        )  # fmt: skip

    def _since_s(self, dev_eui: DevEui) -> float:
        last_s = self._rhythms[dev_eui].last_s
        return max(self._grace_s, last_s) if last_s is not None else self._grace_s

    def _last_s(self, dev_eui: DevEui) -> float:
        last_s = self._rhythms[dev_eui].last_s
        return self._grace_s if last_s is None else last_s

    def _deadline_s(self, dev_eui: DevEui) -> float:
        if dev_eui in self._offline:  # only a reception brings a device back, not a restart
            return float("-inf")
        limit_s = self._limit_s(dev_eui)
        return float("inf") if limit_s is None else self._since_s(dev_eui) + limit_s

    def _limit_s(self, dev_eui: DevEui) -> float | None:
        """Return how long a device may be silent: what was learned, times what it is given."""
        limit_s = self._rhythms[dev_eui].limit_s
        if limit_s is None:
            return None
        return max(limit_s, min(limit_s * self._patience(dev_eui), self._settings.max_s))

    def _slows_with_others(self, dev_eui: DevEui, now_s: float) -> bool:
        """Say whether a device that has just become overdue may merely have a new interval."""
        limit_s = self._limit_s(dev_eui)
        if dev_eui in self._offline or limit_s is None:
            return False
        wait_s = self._company.wait_s(dev_eui, limit_s, self._rhythms, now_s)
        return now_s <= self._since_s(dev_eui) + wait_s

    def _is_told(self, dev_eui: DevEui) -> bool:
        return dev_eui in self._silent or self._outages.covers(dev_eui)

    def _late(self, overdue: Sequence[DevEui], now_s: float) -> tuple[list[DevEui], list[DevEui]]:
        """Return who could have been missed by now, and who of them is late."""
        silent_s = {eui: now_s - self._since_s(eui) for eui in self._rhythms}
        longest_s = max(silent_s[eui] for eui in overdue)
        judged = [
            (eui, rhythm.limit_s / 2)
            for eui, rhythm in self._rhythms.items()
            if rhythm.regular and rhythm.limit_s is not None and eui not in self._silent
            and rhythm.limit_s / 2 <= longest_s
        ]  # fmt: skip
        late = [eui for eui, half_s in judged if silent_s[eui] >= half_s]
        return [eui for eui, _ in judged], late

    def _raise(self, dev_eui: DevEui, now_s: float) -> list[AlertEvent]:
        rhythm = self._rhythms[dev_eui]
        limit_s = self._limit_s(dev_eui)
        if limit_s is None:
            return []
        last_s = rhythm.last_s if rhythm.last_s is not None else self._grace_s
        first_s = self._since_s(dev_eui) + limit_s
        device = DeviceInfo(dev_eui, self._names.get(dev_eui, ""))
        trouble = say("nothing heard for {duration}", duration=duration(now_s - last_s))
        alert = Alert(
            id=alert_id(dev_eui, RULE, "", first_s), dev_eui=dev_eui, rule=RULE, kind="silence",
            cause="network", severity=Severity.WARNING,
            title=titled(device, trouble),
            advice=say("Check its battery and its antenna, and whether it is still there."),
            reason=(self._reason(rhythm, now_s - last_s),),
            first_seen_s=first_s, last_seen_s=first_s,
        )  # fmt: skip
        self._silent[dev_eui] = alert
        return self._book.begin(alert)

    def _raise_outage(
        self,
        overdue: Sequence[DevEui],
        heard_s: dict[DevEui, float],
        now_s: float,
        *,
        cut_off: bool,
    ) -> list[AlertEvent]:
        """Tell those that are overdue as one, if they are silent with many."""
        judged, late = self._late(overdue, now_s)
        gateway = ""
        if len(late) <= max(_MANY, len(judged) / 2):
            gateway, late = lost_gateway(self._paths, judged, late, heard_s)
            overdue = [eui for eui in overdue if eui in late]
        elif self._outages.of_site():
            return []
        if not overdue or not late:
            return []
        devices = sorted({*late, *overdue})
        limits_s = {eui: self._rhythms[eui].limit_s or 0.0 for eui in overdue}
        rhythm = self._rhythms[devices[0]]
        earlier = self._told_before(min(heard_s[eui] for eui in devices), gateway)
        found = Finding(
            sorted({*devices, *earlier}),
            len(self._rhythms),
            min(self._since_s(eui) + limits_s[eui] for eui in overdue),
            self._reason(rhythm, now_s - (rhythm.last_s or now_s)),
            gateway,
            evidence_of(
                devices, self._paths, self._applications, now_s,
                quiet_s=now_s - (self._input_s or now_s), cut_off=cut_off,
            ),
        )  # fmt: skip
        events = self._outages.begin(found, now_s)
        return self._fold(earlier, events) + events

    def _told_before(self, since_s: float, gateway: str) -> list[DevEui]:
        """Return whose silence was told already and began with the others'."""
        return [
            eui for eui in self._silent
            if self._last_s(eui) >= since_s and (not gateway or self._paths.only(eui) == gateway)
        ]  # fmt: skip

    def _fold(self, devices: Sequence[DevEui], into: Sequence[AlertEvent]) -> list[AlertEvent]:
        """End what the outage stands for as well."""
        events: list[AlertEvent] = []
        for dev_eui in devices if into else ():
            alert, outage = self._silent.pop(dev_eui), into[0].alert
            events += self._book.end(alert, outage.last_seen_s, folded_into=outage.id)
        return events

    def _outages_over(self, now_s: float) -> list[AlertEvent]:
        """End an outage when more than half are back; the rest answer for themselves."""
        if not self._outages.open:
            return []
        events, left = self._outages.over(self._is_missing, now_s)
        if events:
            self._grace_s = now_s
        for dev_eui in left:
            self._offline.discard(dev_eui)  # counted again from here, quietly
        return events

    def _is_missing(self, outage: Outage, dev_eui: DevEui) -> bool:
        rhythm = self._rhythms.get(dev_eui)
        return rhythm is not None and (rhythm.last_s or 0) <= outage.alert.last_seen_s

    def _set_offline(self, dev_eui: DevEui, *, offline: bool) -> None:
        if offline == (dev_eui in self._offline):
            return
        (self._offline.add if offline else self._offline.discard)(dev_eui)
        self._changes[dev_eui] = not offline

    def _reason(self, rhythm: Rhythm, silent_s: float) -> Reason:
        usual, limit = rhythm.usual_s, rhythm.limit_s or 0.0
        return Reason(SILENT_FOR, round(silent_s), (0.0, usual, limit), 1.0, None, "s")
