"""Devices that have gone quiet: learned for each, one alert when many fall silent together.

Only receptions by our own clock count. A device is overdue when nothing was heard for its learned
limit since the later of its last reception and the newest **grace**: a restart, a pause of this
program, or a time in which nobody at all was heard (radio gateway, server or broker trouble). So
our own outage silences nobody. When one device is overdue and more than half (and more than 3) of
the regular devices that could have been missed by then are late too, one alert with cause
`network` stands for all of them; it is kept under the lowest DevEUI and lists the others as peers.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.rules.rhythm import Rhythm
from gateway.alerts.words import titled
from gateway.config import SilenceConfig
from gateway.speech import duration, say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reason, Severity

RULE = "silence"
SITE_RULE = "silence-site"
SILENT_FOR = Channel("device.silent_for")
_PAUSE_S = 900.0
_LONELY = 10.0  # nobody heard for ten times the usual wait: chance of one in 20,000 by luck
_WITNESS = 3.0
_GAPS_S = tuple(_PAUSE_S * 1.25**step for step in range(24))
_MANY = 3
_RECKON_CALLS = 64


class SilenceRule:
    """Who was heard when, and who is silent. All times are the gateway's own."""

    def __init__(self, book: AlertBook, settings: SilenceConfig, site: str) -> None:
        self._book = book
        self._settings = settings
        self._site = site
        self._rhythms: dict[DevEui, Rhythm] = {}
        self._names: dict[DevEui, str] = {}
        self._silent: dict[DevEui, Alert] = {}
        self._site_alert: Alert | None = None
        self._offline: set[DevEui] = set()
        self._grace_s = float("-inf")
        self._called_s: float | None = None
        self._input_s: float | None = None
        self._changes: dict[DevEui, bool] = {}
        self._lonely_s = float("inf")
        self._lonely_in = 0
        self._pause_s = float("inf")

    def name(self, dev_eui: DevEui, name: str) -> None:
        """Learn what people call a device."""
        self._names[dev_eui] = name or dev_eui

    def heard(self, dev_eui: DevEui, received_s: float) -> list[AlertEvent]:
        """Take one live reception: it ends this device's silence."""
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
        return events + self._site_over(received_s)

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Find who is overdue at `now_s`."""
        self._watch_for_pauses(now_s)
        overdue = [eui for eui in self._rhythms if now_s > self._deadline_s(eui)]
        for dev_eui in overdue:
            self._set_offline(dev_eui, offline=True)
        if not self._settings.enabled:
            return []
        fresh = [eui for eui in overdue if eui not in self._silent and not self._covered(eui)]
        if not fresh:
            return []
        together = self._together(fresh, now_s)
        if together and self._site_alert is None:
            events = self._raise_site(together, fresh, now_s)
            fresh = [eui for eui in fresh if not self._covered(eui)]
        else:
            events = []
        for dev_eui in fresh:
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
            self._site_alert = alert
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

    def _deadline_s(self, dev_eui: DevEui) -> float:
        rhythm = self._rhythms[dev_eui]
        if dev_eui in self._offline:  # only a reception brings a device back, not a restart
            return float("-inf")
        if rhythm.limit_s is None:
            return float("inf")
        return self._since_s(dev_eui) + rhythm.limit_s

    def _covered(self, dev_eui: DevEui) -> bool:
        site = self._site_alert
        return site is not None and (dev_eui == site.dev_eui or dev_eui in site.peers)

    def _together(self, overdue: Sequence[DevEui], now_s: float) -> list[DevEui]:
        """Return all that fell silent with the overdue ones, empty when they are but a few."""
        silent_s = {eui: now_s - self._since_s(eui) for eui in self._rhythms}
        longest_s = max(silent_s[eui] for eui in overdue)
        judged = [
            (eui, rhythm.limit_s / 2)
            for eui, rhythm in self._rhythms.items()
            if rhythm.regular and rhythm.limit_s is not None and eui not in self._silent
            and rhythm.limit_s / 2 <= longest_s
        ]  # fmt: skip
        late = [eui for eui, half_s in judged if silent_s[eui] >= half_s]
        return late if len(late) > max(_MANY, len(judged) / 2) else []

    def _raise(self, dev_eui: DevEui, now_s: float) -> list[AlertEvent]:
        rhythm = self._rhythms[dev_eui]
        limit_s = rhythm.limit_s
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

    def _raise_site(
        self, together: Sequence[DevEui], overdue: Sequence[DevEui], now_s: float
    ) -> list[AlertEvent]:
        peers = sorted({*together, *overdue})
        limits_s = {eui: self._rhythms[eui].limit_s or 0.0 for eui in overdue}
        lead, first_s = peers[0], min(self._since_s(eui) + limits_s[eui] for eui in overdue)
        rhythm = self._rhythms[lead]
        self._site_alert = Alert(
            id=alert_id(lead, SITE_RULE, "", first_s), dev_eui=lead, rule=SITE_RULE, kind="silence",
            cause="network", severity=Severity.CRITICAL,
            title=say("{site}: {count} of {total} devices silent together", site=self._site,
                      count=len(peers), total=len(self._rhythms)),
            advice=say(
                "Check the radio gateway, its power and its network, and the network server."
            ),
            reason=(self._reason(rhythm, now_s - (rhythm.last_s or now_s)),),
            first_seen_s=first_s, last_seen_s=now_s, peers=tuple(peers[1:]),
        )  # fmt: skip
        return self._book.begin(self._site_alert)

    def _site_over(self, now_s: float) -> list[AlertEvent]:
        """End the site's alert when more than half are back; the rest answer for themselves."""
        site = self._site_alert
        if site is None:
            return []
        members = [eui for eui in (site.dev_eui, *site.peers) if eui in self._rhythms]
        missing = [eui for eui in members if (self._rhythms[eui].last_s or 0) <= site.last_seen_s]
        if 2 * len(missing) >= len(members) and members:
            return []
        self._site_alert = None
        self._grace_s = now_s
        for dev_eui in missing:
            self._offline.discard(dev_eui)  # counted again from here, quietly
        return self._book.end(site, now_s)

    def _set_offline(self, dev_eui: DevEui, *, offline: bool) -> None:
        if offline == (dev_eui in self._offline):
            return
        (self._offline.add if offline else self._offline.discard)(dev_eui)
        self._changes[dev_eui] = not offline

    def _reason(self, rhythm: Rhythm, silent_s: float) -> Reason:
        usual, limit = rhythm.usual_s, rhythm.limit_s or 0.0
        return Reason(SILENT_FOR, round(silent_s), (0.0, usual, limit), 1.0, None, "s")
