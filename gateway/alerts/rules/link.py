"""Links that have become bad: one alert per device, or one for the site when many go together.

A device loses too much, or its signal has fallen, or it hangs on by a thread and loses; for hours,
not for a bad moment. What is always at the edge and loses nothing is no news. When more than half
(and more than 3) of the devices have the same trouble, it is the gateway's: one alert under the
lowest DevEUI stands for them, the others are its peers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.rules.link_history import NEWEST, RECENT, LinkHistory, heard_of, surely
from gateway.alerts.rules.link_words import ENOUGH_DB, LinkAdvice, advise
from gateway.alerts.words import titled
from gateway.config import LinkAlertConfig
from gateway.speech import figure, say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reading, Reason, Severity

RULE = "link"
SITE_RULE = "link-site"
LOSS = Channel("radio.loss")
RSSI = Channel("radio.rssi")
MARGIN = Channel("radio.link_margin")

_SURE_NEWEST = 3.0
_SURE = 2.33
_LIKELY = 2.0
_TIMES_USUAL = 3.0
_OVER = 0.5
_CLEAR_FALL = 1.5  # times fall_db: a fall that matters even where the link is still good
_BACK = 0.5
_SPREADS = 3.0
_LEAST = 12
_WITNESS = 8
_MANY = 3
_NEW_NORMAL_S = 14 * 86400.0
_UPDATE_S = 6 * 3600.0
_LOST, _FALLEN = "lost", "fallen"


@dataclass(slots=True)
class _Watch:
    """One device: its history, since when it is bad or well again, and the alert that came."""

    history: LinkHistory = field(default_factory=LinkHistory)
    since_s: float | None = None
    well_s: float | None = None
    trouble: str = ""
    usual_dbm: float | None = None
    alert: Alert | None = None
    published_s: float = 0.0


@dataclass(slots=True)
class _Site:
    """The alert of many devices, and who of them is still in trouble."""

    alert: Alert
    trouble: str
    members: set[DevEui]
    most: int


class LinkRule:
    """Knows each device's link by its `radio.` readings; all times are the readings' own.

    `lasting` tells how many times `for_s` a device's link must be bad.
    """

    def __init__(
        self,
        book: AlertBook,
        settings: LinkAlertConfig,
        site: str,
        lasting: Callable[[DevEui], float] = lambda _: 1.0,
    ) -> None:
        self._book = book
        self._lasting = lasting
        self._settings = settings
        self._name = site
        self._watches: dict[DevEui, _Watch] = {}
        self._site: _Site | None = None

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge one uplink's link."""
        dev_eui, time_s = device.dev_eui, self._learn(device.dev_eui, readings)
        if time_s is None or not self._settings.enabled:
            return []
        watch = self._watches[dev_eui]
        trouble = self._trouble(watch)
        if watch.since_s is not None and self._over(watch, time_s):
            return self._recover(dev_eui, watch, time_s)
        if not trouble:
            return []
        watch.well_s = None
        if watch.since_s is None:
            watch.since_s, watch.usual_dbm = time_s, watch.history.usual_rssi_dbm
        watch.trouble = trouble
        if watch.alert is not None:
            return self._update(device, watch, time_s)
        for_s = self._settings.for_s * self._lasting(dev_eui)
        if time_s - watch.since_s < for_s or self._is_member(dev_eui):
            return []
        return self._begin(device, watch, time_s)

    def recall(self, dev_eui: DevEui, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        self._learn(dev_eui, readings)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart: it ends when the device is heard well."""
        trouble = _LOST if any(one.channel == LOSS for one in alert.reason) else _FALLEN
        members = {alert.dev_eui, *alert.peers} if alert.rule == SITE_RULE else {alert.dev_eui}
        if alert.rule == SITE_RULE:
            self._site = _Site(alert, trouble, members, len(members))
        usual = next((one.expected[1] for one in alert.reason if one.channel == RSSI
                      and one.expected is not None), None)  # fmt: skip
        for dev_eui in members:
            watch = self._watches.setdefault(dev_eui, _Watch())
            watch.since_s, watch.trouble = alert.first_seen_s, trouble
            if alert.rule == RULE:
                watch.usual_dbm, watch.alert = usual, alert
                watch.published_s = alert.last_seen_s

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alert; the site's ends when too few are left."""
        watch = self._watches.pop(dev_eui, None)
        return self._end(dev_eui, watch, watch.since_s or 0.0) if watch else []

    def _learn(self, dev_eui: DevEui, readings: Sequence[Reading]) -> float | None:
        values: dict[str, float] = {}
        frequency: list[str] = []
        for reading in readings:
            if reading.channel.startswith("radio.") and not isinstance(reading.value, str):
                values[reading.channel] = float(reading.value)
                if reading.channel.startswith("radio.frequency_"):
                    frequency.append(reading.channel)
        heard = heard_of(values, frequency)
        if heard is None:
            return None
        watch = self._watches.get(dev_eui)
        if watch is None:
            watch = self._watches[dev_eui] = _Watch()
        time_s = readings[0].time_s
        watch.history.hear(heard, time_s)
        return time_s

    # --- what is wrong ------------------------------------------------------------------------

    def _limit(self, history: LinkHistory) -> float:
        """Return the loss that is too much: less for a device that usually loses little."""
        limit, usual = self._settings.loss_percent / 100, history.usual_loss
        return limit if usual is None else min(limit, max(limit / 2, _TIMES_USUAL * usual))

    def _loses(self, history: LinkHistory) -> bool:
        newest, recent = history.gaps(NEWEST), history.gaps(RECENT)
        limit = self._limit(history)
        if recent[1] < _LEAST:
            return False
        if surely(*newest, _SURE_NEWEST) >= limit or surely(*recent, _SURE) >= limit:
            return True
        margin_db = history.margin_db
        thin = margin_db is not None and margin_db < self._settings.margin_db
        return thin and surely(*recent, _LIKELY) >= limit / 2

    def _trouble(self, watch: _Watch) -> str:
        history = watch.history
        if history.hearings < _LEAST:
            return ""
        loses = self._loses(history)
        usual_dbm = history.usual_rssi_dbm
        if usual_dbm is not None:
            fall_db = usual_dbm - history.rssi_dbm
            margin_db = history.margin_db
            matters = loses or (margin_db is not None and margin_db < ENOUGH_DB)
            least_db = self._settings.fall_db * (1.0 if matters else _CLEAR_FALL)
            if fall_db >= max(least_db, _SPREADS * history.spread_db):
                return _FALLEN
        return _LOST if loses else ""

    def _over(self, watch: _Watch, time_s: float) -> bool:
        history = watch.history
        if history.hearings < _LEAST:
            return False
        limit = _OVER * self._limit(history)
        if any(gaps > limit * counted for gaps, counted in map(history.gaps, (NEWEST, RECENT))):
            return False
        if watch.trouble != _FALLEN or watch.usual_dbm is None:
            return True
        fall_db = watch.usual_dbm - history.rssi_dbm
        lasted_s = time_s - (watch.since_s or time_s)
        return fall_db < _BACK * self._settings.fall_db or lasted_s > _NEW_NORMAL_S

    # --- alerts -------------------------------------------------------------------------------

    def _begin(self, device: DeviceInfo, watch: _Watch, time_s: float) -> list[AlertEvent]:
        if self._site is not None and self._site.trouble == watch.trouble:
            return self._join(device.dev_eui, time_s)
        together, judged = self._together(watch.trouble)
        if self._site is None and len(together) > max(_MANY, judged / 2):
            return self._begin_site(together | {device.dev_eui}, judged, watch, time_s)
        watch.alert = self._alert(device, watch, time_s)
        watch.published_s = time_s
        return self._book.begin(watch.alert)

    def _update(self, device: DeviceInfo, watch: _Watch, time_s: float) -> list[AlertEvent]:
        """Say it again when it has become worse at once, when it is another thing in a while."""
        before = watch.alert
        if before is None:
            return []
        watch.alert = replace(before, last_seen_s=max(before.last_seen_s, time_s))
        if before.severity is not Severity.INFO and time_s - watch.published_s < _UPDATE_S:
            return []
        now = self._alert(device, watch, time_s)
        worse = now.severity is Severity.WARNING and before.severity is Severity.INFO
        if not worse and now.advice == before.advice:
            return []
        watch.published_s = time_s
        watch.alert = replace(now, id=before.id, first_seen_s=before.first_seen_s)
        return self._book.update(watch.alert)

    def _recover(self, dev_eui: DevEui, watch: _Watch, time_s: float) -> list[AlertEvent]:
        """End what has been well for as long as it had to be bad; what never was told, at once."""
        watch.well_s = time_s if watch.well_s is None else watch.well_s
        told = watch.alert is not None or self._is_member(dev_eui)
        if told and time_s - watch.well_s < self._settings.for_s:
            return []
        return self._end(dev_eui, watch, time_s)

    def _end(self, dev_eui: DevEui, watch: _Watch, time_s: float) -> list[AlertEvent]:
        watch.since_s, watch.well_s = None, None
        watch.trouble, watch.usual_dbm = "", None
        events = self._book.end(watch.alert, time_s) if watch.alert else []
        watch.alert = None
        site = self._site
        if site is not None:
            site.members.discard(dev_eui)
            if 2 * len(site.members) < site.most:
                self._site = None
                events += self._book.end(site.alert, time_s)
        return events

    def _alert(self, device: DeviceInfo, watch: _Watch, time_s: float) -> Alert:
        said = self._advice(watch)
        first_s = watch.since_s if watch.since_s is not None else time_s
        return Alert(
            id=alert_id(device.dev_eui, RULE, "", first_s), dev_eui=device.dev_eui, rule=RULE,
            kind="link", cause="network", severity=said.severity,
            title=titled(device, said.text), advice=said.advice,
            reason=self._reasons(watch), first_seen_s=first_s, last_seen_s=time_s,
        )  # fmt: skip

    def _advice(self, watch: _Watch) -> LinkAdvice:
        facts = replace(watch.history.facts(), usual_rssi_dbm=watch.usual_dbm)
        loses = self._loses(watch.history)
        return advise(facts, fallen=watch.trouble == _FALLEN, loses=loses)

    def _reasons(self, watch: _Watch) -> tuple[Reason, ...]:
        facts, usual = watch.history.facts(), watch.usual_dbm
        limit = 100 * self._limit(watch.history)
        usually = 100 * facts.usual_loss if facts.usual_loss is not None else 0.0
        expected = (0.0, min(usually, limit), limit)
        loss = Reason(LOSS, round(100 * facts.loss, 1), expected, 1.0, None, "%")
        fall_db = self._settings.fall_db
        around = None if usual is None else (usual - fall_db, usual, usual + fall_db)
        signal = Reason(RSSI, round(facts.rssi_dbm, 1), around, 0.0, None, "dBm")
        if watch.trouble == _FALLEN:
            return (replace(signal, share=1.0),)
        if facts.margin_db is None or facts.margin_db >= ENOUGH_DB:
            return (loss,)
        margin = Reason(MARGIN, round(facts.margin_db, 1), None, 0.5, None, "dB")
        return replace(loss, share=0.5), margin

    # --- the site -----------------------------------------------------------------------------

    def _is_member(self, dev_eui: DevEui) -> bool:
        return self._site is not None and dev_eui in self._site.members

    def _together(self, trouble: str) -> tuple[set[DevEui], int]:
        """Return who seems to have the same trouble, and of how many one can tell."""
        limit, half_db = self._settings.loss_percent / 100, _BACK * self._settings.fall_db
        found, judged = set(), 0
        for dev_eui, watch in self._watches.items():
            gaps, counted = watch.history.gaps(NEWEST)
            usual_dbm = watch.history.usual_rssi_dbm
            if counted < _WITNESS or (trouble == _FALLEN and usual_dbm is None):
                continue
            judged += 1
            fallen = usual_dbm is not None and usual_dbm - watch.history.rssi_dbm >= half_db
            if fallen if trouble == _FALLEN else gaps >= limit * counted:
                found.add(dev_eui)
        return found, judged

    def _begin_site(
        self, members: set[DevEui], judged: int, watch: _Watch, time_s: float
    ) -> list[AlertEvent]:
        """Let one alert stand for all; those that some have already end."""
        events: list[AlertEvent] = []
        lead, *peers = sorted(members)
        first_s = watch.since_s if watch.since_s is not None else time_s
        site_id = alert_id(lead, SITE_RULE, "", first_s)
        for dev_eui in sorted(members):
            one = self._watches[dev_eui]
            one.since_s = time_s if one.since_s is None else one.since_s
            one.trouble = watch.trouble
            if one.alert is not None:
                events += self._book.end(one.alert, time_s, folded_into=site_id)
                one.alert = None
        title, advice = self._site_words(members, judged, watch.trouble)
        alert = Alert(
            id=site_id, dev_eui=lead, rule=SITE_RULE, kind="link",
            cause="network", severity=Severity.WARNING, title=title, advice=advice,
            reason=self._reasons(watch), first_seen_s=first_s, last_seen_s=time_s,
            peers=tuple(peers),
        )  # fmt: skip
        self._site = _Site(alert, watch.trouble, set(members), len(members))
        return events + self._book.begin(alert)

    def _join(self, dev_eui: DevEui, time_s: float) -> list[AlertEvent]:
        site = self._site
        if site is None:
            return []
        site.members.add(dev_eui)
        site.most = max(site.most, len(site.members))
        peers = tuple(sorted({*site.alert.peers, dev_eui} - {site.alert.dev_eui}))
        _, judged = self._together(site.trouble)
        title, _ = self._site_words(site.members, judged, site.trouble)
        site.alert = replace(site.alert, title=title, peers=peers, last_seen_s=time_s)
        return self._book.update(site.alert)

    def _site_words(self, members: set[DevEui], judged: int, trouble: str) -> tuple[str, str]:
        count, total = len(members), max(judged, len(members))
        if trouble == _FALLEN:
            advice = say("Check the radio gateway's antenna, its cable and its place, and whether "
                         "another gateway nearby is off.")  # fmt: skip
            return say("{site}: {count} of {total} devices are heard weaker than usual",
                       site=self._name, count=count, total=total), advice  # fmt: skip
        counts = [self._watches[dev_eui].history.gaps(RECENT) for dev_eui in members]
        lost = sum(gaps for gaps, _ in counts) / sum(counted for _, counted in counts)
        advice = say("Check that the radio gateway listens on every frequency that they send on, "
                     "its antenna, and its connection to the network server.")  # fmt: skip
        return say("{site}: {count} of {total} devices lose {lost} of their messages",
                   site=self._name, count=count, total=total,
                   lost=figure(round(100 * lost), "%")), advice  # fmt: skip
