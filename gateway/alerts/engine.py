"""The one way in: facts and verdicts of each uplink, and the passing of time, to alert events.

What comes out is a function of the sequence of calls alone: the same input again gives the same
ids. The rules: codecs that fail, `silence`, bad links, the user's thresholds and physical ranges,
the model, and what people write themselves (`written/`). Each holds its own open alerts and begins
and ends them in one shared book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.alerts.book import AlertBook
from gateway.alerts.causes import Causes
from gateway.alerts.life import Life
from gateway.alerts.rules.at_once import AtOnce
from gateway.alerts.rules.by_days import ByDays
from gateway.alerts.rules.derived_limits import DERIVED_LIMITS
from gateway.alerts.rules.fortnight import Fortnight
from gateway.alerts.rules.link import RULE as LINK_RULE
from gateway.alerts.rules.link import SITE_RULE as LINK_SITE_RULE
from gateway.alerts.rules.link import LinkRule
from gateway.alerts.rules.model import RULE as MODEL_RULE
from gateway.alerts.rules.model import FindLike, ModelRule
from gateway.alerts.rules.outages import SITE_RULE
from gateway.alerts.rules.silence import RULE as SILENCE_RULE
from gateway.alerts.rules.silence import SilenceRule
from gateway.alerts.rules.thresholds import PHYSICAL, ThresholdRule, limits_of
from gateway.alerts.rules.undecoded import RULE as CODEC_RULE
from gateway.alerts.rules.undecoded import CodecRule
from gateway.alerts.water import WaterLedger
from gateway.alerts.written import RULE_PREFIX, Place, WrittenRules
from gateway.alerts.written.calendar import zone_of
from gateway.config import Config
from gateway.errors import BadInput, ConfigError
from gateway.types import (
    Alert,
    AlertEvent,
    DevEui,
    DeviceInfo,
    EventType,
    Json,
    Reading,
    Uplink,
    Verdict,
)

_LINK_RULES = frozenset({LINK_RULE, LINK_SITE_RULE})
_RESERVED = frozenset({CODEC_RULE, MODEL_RULE, SILENCE_RULE, SITE_RULE}) | _LINK_RULES


class AlertEngine:
    """Decides what people are told.

    Raises
    ------
    ConfigError
        A threshold has the name of a built-in rule.

    """

    def __init__(
        self, config: Config, model_name: str = "", find_like: FindLike | None = None
    ) -> None:
        for rule in config.alerts.threshold:
            if rule.name in _RESERVED:
                raise ConfigError(
                    f"alerts.threshold.name = {rule.name!r} is the name of a built-in rule; "
                    "choose another."
                )
        self._names = {DevEui(eui): device.name for eui, device in config.devices.items()}
        self._book = AlertBook()
        built_in = (*PHYSICAL, *DERIVED_LIMITS)
        zone = config.agronomy.time_zone or config.downlink.timezone
        self.life = Life(config.alerts, (limit.name for limit in built_in), zone)
        adjusted = self.life.adjustments
        self._water = WaterLedger({eui: device.area for eui, device in config.devices.items()})
        days = Fortnight()
        self._silence = SilenceRule(self._book, config.alerts.silence, config.site.name,
                                    adjusted.patience)  # fmt: skip
        self._link = LinkRule(self._book, config.alerts.link, config.site.name, adjusted.lasting)
        limits = (*limits_of(config.alerts.threshold), *built_in)
        self._thresholds = ThresholdRule(self._book, limits, adjusted.step)
        self._model = ModelRule(self._book, self._water, model_name, find_like or (lambda *_: None),
                                days)  # fmt: skip
        self._codecs = CodecRule(self._book, config.codecs.alert_after)
        self._at_once = AtOnce(self._book, self._water, config.alerts.battery)
        self._causes = Causes(config)
        self._by_days = ByDays(self._book, days, self._water, self._causes.neighbours, config)
        self.written = WrittenRules(self._book, Place.of(config), zone_of(config))
        self.written.add(config.rule)
        self._orphans: list[Alert] = []

    def heard(
        self,
        device: DeviceInfo,
        time_s: float,
        received_s: float,
        *,
        late: bool = False,
        uplink: Uplink | None = None,
    ) -> list[AlertEvent]:
        """Take the fact that a device was heard; a late uplink says nothing about now.

        `uplink` tells what its frame says of counters, clocks and radio gateways.
        """
        del time_s  # silence is counted by our own clock: a device's may be wrong
        device = self._named(device)
        self._silence.know(device)
        if late:
            return []
        gateways = [one.gateway_id for one in uplink.receptions] if uplink else []
        events = self._silence.heard(device.dev_eui, received_s, gateways)
        if uplink is not None:
            events += self._at_once.heard(device, uplink)
        return self._told(self._causes.take(events, received_s), received_s)

    def consider(
        self,
        device: DeviceInfo,
        verdicts: Sequence[Verdict],
        readings: Sequence[Reading],
        now_s: float,
        *,
        late: bool = False,
    ) -> list[AlertEvent]:
        """Judge one uplink. Late ones only add to what is known of rain and irrigation.

        So the last day's readings may be given again as late after a restart.
        """
        device = self._named(device)
        self._water.note(device, readings)
        self._causes.note(device, readings)
        self._by_days.note(device, readings)
        if late:
            return []
        events = self._thresholds.consider(device, readings)
        events += self._link.consider(device, readings)
        events += self._at_once.consider(device, verdicts, readings, now_s)
        events += self._by_days.consider(device, readings)
        units = {reading.channel: reading.unit for reading in readings}
        events += self.written.consider(device, verdicts, readings)
        events += self._model.consider(device, verdicts, units, now_s)
        events = self._causes.take(events, now_s) + self._causes.spoke(device.dev_eui, now_s)
        return self._told(events, now_s)

    def judged_by(self, model_name: str) -> None:
        """Name the model in alerts that begin from now on."""
        self._model.model_name = model_name

    def pass_on(self, events: list[AlertEvent], now_s: float) -> list[AlertEvent]:
        """Return what comes for people of events that `written` gave when it was asked itself.

        A rule that ended an alert then was switched off: it is not waited for.
        """
        gone = {event.alert.rule for event in events if event.event_type is EventType.END}
        return self._told(self._causes.take(events, now_s), now_s) + self.life.let_go(gone)

    def recall_written(
        self, device: DeviceInfo, readings: Sequence[Reading], received_s: float
    ) -> None:
        """Give the rules that people wrote a stored uplink again, every device's in its order."""
        self.written.recall(self._named(device), readings, received_s)

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink what a device's newest mean; give its oldest first."""
        self._thresholds.recall(self._named(device), readings)
        self._link.recall(device.dev_eui, readings)
        self._at_once.recall(device, readings)
        self._causes.note(device, readings)
        self._by_days.note(self._named(device), readings)

    def recall_days(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from an older stored uplink what the last `REMEMBERED_DAYS_S` were like."""
        self._by_days.note(self._named(device), readings)

    def decoded(
        self,
        device: DeviceInfo,
        codec: str,
        failure: BadInput | None,
        now_s: float,
        *,
        late: bool = False,
    ) -> list[AlertEvent]:
        """Take how a codec fared with one payload; a late one says nothing about now."""
        if late:
            return []
        events = self._codecs.decoded(self._named(device), codec, failure, now_s)
        return self._told(self._causes.take(events, now_s), now_s)

    def tick(self, now_s: float, *, cut_off: bool = False) -> list[AlertEvent]:
        """Look at what is missing: silent devices, and alerts nobody feeds any more.

        `cut_off` says that the network server cannot be reached, so that nobody can be heard.
        """
        events = [event for alert in self._orphans for event in self._book.end(alert, now_s)]
        self._orphans.clear()
        events += self._silence.tick(now_s, cut_off=cut_off) + self._model.tick(now_s)
        events += self._at_once.tick(now_s) + self.written.tick(now_s) + self._by_days.tick(now_s)
        events = self._causes.take(events, now_s) + self._causes.tick(now_s)
        return self._told(events, now_s) + self.life.tick(now_s)

    def restore(
        self,
        open_alerts: Sequence[Alert],
        activity: Mapping[DevEui, Sequence[float]],
        now_s: float,
        devices: Sequence[DeviceInfo] = (),
        *,
        recent: Sequence[Alert] = (),
        memory: Mapping[str, Json] | None = None,
    ) -> None:
        """Continue where the last run stopped. Alerts of rules that are gone end at the next tick.

        `activity` holds each device's newest reception times (ascending, our clock), `devices` what
        is known of them, `recent` the alerts that ended in the last `REMEMBERED_S`, and `memory`
        what `life.changes()` ever gave.
        """
        for device in devices:
            self._silence.know(self._named(device))
            self._causes.neighbours.know(device)
        self._silence.restore({eui: list(times) for eui, times in activity.items()}, now_s)
        for published in self.life.restore([*open_alerts, *recent], memory or {}):
            alert = self._causes.restore(published, now_s)
            self._book.restore(alert)
            if alert.rule == MODEL_RULE and alert.reason:
                self._model.restore(alert, now_s)
            elif alert.rule in (SILENCE_RULE, SITE_RULE):
                self._silence.restore_alert(alert)
            elif alert.reason and (keeper := self._keeper(alert)) is not None:
                keeper.restore(alert)
            elif alert.rule == CODEC_RULE and alert.reason:
                self._codecs.restore(alert)
            elif alert.rule in _LINK_RULES and alert.reason:
                self._link.restore(alert)
            elif alert.rule.startswith(RULE_PREFIX) and self.written.restore(alert):
                pass
            else:
                self._orphans.append(alert)

    def _keeper(self, alert: Alert) -> ThresholdRule | AtOnce | ByDays | None:
        keepers = (self._thresholds, self._at_once, self._by_days)
        return next((one for one in keepers if alert.rule in one.names), None)

    def available(self, dev_eui: DevEui) -> bool:
        """Say whether a device was heard as lately as it should be."""
        return self._silence.available(dev_eui)

    def next_s(self, dev_eui: DevEui, now_s: float) -> float | None:
        """Return when a device is expected to speak next, None while its rhythm is not known."""
        return self._silence.next_s(dev_eui, now_s)

    def availability_changes(self) -> list[tuple[DevEui, bool]]:
        """Return whose availability has changed since this was last asked."""
        return self._silence.changes()

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        self._water.forget(dev_eui)
        events = (
            self._silence.forget(dev_eui)
            + self._thresholds.forget(dev_eui)
            + self._model.forget(dev_eui)
            + self._codecs.forget(dev_eui)
            + self._link.forget(dev_eui)
            + self._at_once.forget(dev_eui)
            + self._by_days.forget(dev_eui)
            + self.written.forget(dev_eui)
        )
        ended_s = max((event.alert.end_s or 0.0 for event in events), default=0.0)
        events = self._causes.take(events, ended_s) + self._causes.forget(dev_eui)
        return self._told(events, ended_s) + self.life.forget(dev_eui)

    def open(self) -> list[Alert]:
        """Return what is wrong now, oldest first."""
        return self.life.open()

    def _told(self, events: list[AlertEvent], now_s: float) -> list[AlertEvent]:
        """Return what comes for people of what causes made of rule events."""
        return self.life.follow(events, now_s)

    def _named(self, device: DeviceInfo) -> DeviceInfo:
        name = self._names.get(device.dev_eui, "")
        if not name or name == device.name:
            return device
        return DeviceInfo(
            dev_eui=device.dev_eui, name=name, profile_id=device.profile_id, profile=device.profile,
            application_id=device.application_id, application=device.application, tags=device.tags,
        )  # fmt: skip
