"""What may be opened or started: interlocks, limits, quiet hours, the emergency stop.

Nothing here refuses to close or to stop. What may have been transmitted counts as open until its
time is over, and against the day's limits: in doubt, water is taken to have run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.config import CommandConfig, DownlinkConfig
from gateway.control.quiet import is_quiet
from gateway.control.schema import Catalogue
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import DevEui, Downlink, DownlinkState, Json

DAY_S = 86400.0
KEPT_S = 2 * DAY_S
"""How far back commands are looked at: a day's limit, and what may still be running."""

CLOCK_SLACK_S = 60.0
LEAD_S = 5.0
"""A pump is told to stop so long before its last valve closes by itself."""

STOP = "emergency_stop"
"""Name under which an emergency stop is kept."""

_UNSENT = frozenset({DownlinkState.REFUSED, DownlinkState.REHEARSED, DownlinkState.SUPERSEDED})
_PENDING = frozenset({DownlinkState.HELD, DownlinkState.ACCEPTED})
_GIVEN = frozenset(
    {
        DownlinkState.ACCEPTED,
        DownlinkState.QUEUED,
        DownlinkState.SENT,
        DownlinkState.ACKED,
        DownlinkState.VERIFIED,
    }
)
_KNOWN_OPEN = frozenset({DownlinkState.ACKED, DownlinkState.VERIFIED})


@dataclass(frozen=True, slots=True)
class Stop:
    """An emergency stop that stands: since when, by whom, why."""

    since_s: float
    by: str
    reason: str


class Safety:
    """Knows what was opened and closed lately; decides, and moves nothing."""

    def __init__(self, config: DownlinkConfig, catalogue: Catalogue) -> None:
        self._config = config
        self._catalogue = catalogue
        self._lately: dict[str, Downlink] = {}
        self.stop: Stop | None = None

    def restore(self, downlinks: Iterable[Downlink], kept: Mapping[str, Json]) -> None:
        """Take up what the store has of the last `KEPT_S`, and a stop that was not lifted."""
        for downlink in downlinks:
            self.note(downlink)
        stop = kept.get(STOP)
        self.stop = Stop(stop["since_s"], stop["by"], stop["reason"]) if stop else None

    def kept(self) -> dict[str, Json]:
        """Return what is to be stored of an emergency stop."""
        stop = self.stop
        return {
            STOP: {"since_s": stop.since_s, "by": stop.by, "reason": stop.reason} if stop else None
        }

    def note(self, downlink: Downlink) -> None:
        """Take a command's newest state."""
        if downlink.effect:
            self._lately[downlink.id] = downlink

    def forget_before(self, now_s: float) -> None:
        """Drop what is over and no day's limit needs any more."""
        for identity, one in list(self._lately.items()):
            if one.changed_s < now_s - KEPT_S - (one.duration_s or 0.0):
                del self._lately[identity]

    def lately(self, dev_eui: DevEui) -> list[Downlink]:
        """Return a device's commands with an effect, oldest first."""
        found = (one for one in self._lately.values() if one.dev_eui == dev_eui)
        return sorted(found, key=lambda one: (one.created_s, one.id))

    def running(self, now_s: float) -> list[DevEui]:
        """Return devices that may be open or running now, with no close under way."""
        return sorted({one.dev_eui for one in self._lately.values() if self._runs(one, now_s)})

    def _runs(self, one: Downlink, now_s: float) -> bool:
        begins = one.effect in {"open", "start"} and _may_have_run(one)
        return begins and now_s < _ends_s(one) and not self._is_ended(one)

    def _is_ended(self, begun: Downlink) -> bool:
        """Tell whether a close was given after this, or the one that was made for it."""
        return any(
            one.effect in {"close", "stop"}
            and one.state in _GIVEN
            and (one.created_s > begun.created_s or one.ends == begun.id)
            for one in self.lately(begun.dev_eui)
        )

    def starved(self, now_s: float) -> list[DevEui]:
        """Return what runs and has none of the valves it needs open, or soon will have none.

        Soon is `LEAD_S` before the last of them closes by itself: a pump that was transmitted late,
        or whose other valve was closed, would run on after that.
        """
        return [one for one in self.running(now_s) if self._is_starved(one, now_s)]

    def _is_starved(self, dev_eui: DevEui, now_s: float) -> bool:
        for begun in self.lately(dev_eui):
            if not self._runs(begun, now_s) or begun.state is DownlinkState.HELD:
                continue
            spec = self._catalogue.spec(begun)
            if spec is None or not spec.needs_open:
                continue
            until_s = max(self.open_until_s(DevEui(one), now_s) for one in spec.needs_open)
            if now_s >= until_s - LEAD_S and _ends_s(begun) > until_s:
                return True
        return False

    # --- before a command is taken --------------------------------------------------------

    def check(self, downlink: Downlink, spec: CommandConfig, now_s: float) -> None:
        """Let a new command pass that opens or starts nothing, or may.

        Raises
        ------
        CommandRefused
            `emergency_stop`, `quiet_hours`, `interlock` or `limit`.

        """
        if not spec.begins:
            return
        for reason, said in (
            ("emergency_stop", self._stopped()),
            ("quiet_hours", self._quiet(spec, now_s)),
            ("interlock", self._never_ends(downlink, spec)),
            ("interlock", self._still_open(downlink, spec)),
            ("limit", self._too_long(downlink, spec)),
            ("limit", self._too_much(downlink, spec, now_s)),
            ("interlock", self._needs_open(downlink, spec, now_s)),
        ):
            if said:
                raise CommandRefused(reason, said)

    # --- before it is handed over ---------------------------------------------------------

    def objection(self, downlink: Downlink, now_s: float) -> str:
        """Say why a command that was taken must not go now, "" when it may.

        It is asked at the last moment: much may have changed since the command was taken.
        """
        if now_s > downlink.expires_s:
            return say("Its time ran out before it was transmitted.")
        spec = self._catalogue.spec(downlink)
        if downlink.effect not in {"open", "start"}:
            return ""
        if downlink.created_s > now_s + CLOCK_SLACK_S:
            return say("The clock was set back: how old this command is cannot be told.")
        if spec is None:
            return say("The settings no longer name this command.")
        return (
            self._stopped()
            or self._quiet(spec, now_s)
            or self._closed_since(downlink)
            or self._too_much(downlink, spec, now_s)
            or self._needs_open(downlink, spec, now_s)
        )

    # --- the rules ------------------------------------------------------------------------

    def _stopped(self) -> str:
        if self.stop is None:
            return ""
        by = self.stop.by or say("Somebody")
        return say("{name} has given an emergency stop: nothing is opened or started until it is "
                   "lifted.", name=by)  # fmt: skip

    def _quiet(self, spec: CommandConfig, now_s: float) -> str:
        hours, timezone = self._config.quiet_hours, self._config.timezone
        if spec.in_quiet_hours or not is_quiet(hours, timezone, now_s):
            return ""
        return say("Nothing is opened or started in the quiet hours, {hours}.", hours=hours)

    def _never_ends(self, downlink: Downlink, spec: CommandConfig) -> str:
        if downlink.duration_s is not None and downlink.duration_s > 0:
            return ""
        if spec.duration_key:
            return say("{key} must be more than 0: what opens must close again.",
                       key=f"`{spec.duration_key}`")  # fmt: skip
        return say("Give `duration_s`: the gateway sends {command} after it. A valve whose link "
                   "drops after opening would run for ever.",
                   command=f"`{spec.close_with}`")  # fmt: skip

    def _still_open(self, downlink: Downlink, spec: CommandConfig) -> str:
        """Refuse a second open while the close of an earlier one is still to come."""
        if not spec.close_with:
            return ""
        waiting = any(
            one.ends and one.state in _PENDING | {DownlinkState.QUEUED}
            for one in self.lately(downlink.dev_eui)
            if downlink.id not in {one.id, one.ends}
        )
        return say("An earlier one still waits for its close: close it first.") if waiting else ""

    def _too_long(self, downlink: Downlink, spec: CommandConfig) -> str:
        duration_s = downlink.duration_s or 0.0
        if spec.max_s is None or duration_s <= spec.max_s:
            return ""
        return say("{span} s are too long: {most} s at once are allowed.",
                   span=f"{duration_s:g}", most=f"{spec.max_s:g}")  # fmt: skip

    def _too_much(self, downlink: Downlink, spec: CommandConfig, now_s: float) -> str:
        """Refuse what would go beyond the limit of any 24 hours, this command counted in."""
        counted = [
            one
            for one in self.lately(downlink.dev_eui)
            if one.effect == downlink.effect
            and one.id != downlink.id
            and _may_have_run(one)
            and (one.sent_s or one.changed_s) > now_s - DAY_S
        ]
        span_s = sum(one.duration_s or 0.0 for one in (*counted, downlink))
        volume_l = sum(one.volume_l or 0.0 for one in (*counted, downlink))
        if spec.max_day_s is not None and span_s > spec.max_day_s:
            return say("With this it would be {span} s in 24 hours; {most} s are allowed.",
                       span=f"{span_s:g}", most=f"{spec.max_day_s:g}")  # fmt: skip
        if spec.max_day_l is not None and volume_l > spec.max_day_l:
            return say("With this it would be {volume} L in 24 hours; {most} L are allowed.",
                       volume=f"{volume_l:g}", most=f"{spec.max_day_l:g}")  # fmt: skip
        return ""

    def _needs_open(self, downlink: Downlink, spec: CommandConfig, now_s: float) -> str:
        if not spec.needs_open:
            return ""
        until_s = max(self.open_until_s(DevEui(one), now_s) for one in spec.needs_open)
        valves = ", ".join(spec.needs_open)
        if until_s <= now_s:
            return say("None of {valves} is known to be open: its open must be confirmed by the "
                       "device or proved by a reading first.", valves=valves)  # fmt: skip
        if now_s + (downlink.duration_s or 0.0) > until_s:
            return say("It would run on after {valves} closes, in {span} s.",
                       valves=valves, span=f"{until_s - now_s:.0f}")  # fmt: skip
        return ""

    def open_until_s(self, dev_eui: DevEui, now_s: float) -> float:
        """Return until when a valve is known to be open; in the past when it is not.

        Known is what the device confirmed or a reading proved, and no close was given since. The
        newest open counts: a valve with a watch of its own begins anew with each, and one that may
        have arrived since may have made it shorter.
        """
        opens = [
            one
            for one in self.lately(dev_eui)
            if one.effect == "open" and _may_have_run(one) and not self._is_ended(one)
        ]
        known = [place for place, one in enumerate(opens) if one.state in _KNOWN_OPEN]
        if not known:
            return 0.0
        since = [one for one in opens[known[-1] :] if one.state is not DownlinkState.HELD]
        until_s = min(_ends_s(one) for one in since)
        return until_s if until_s > now_s else 0.0

    def _closed_since(self, downlink: Downlink) -> str:
        later = (
            one
            for one in self.lately(downlink.dev_eui)
            if one.effect in {"close", "stop"}
            and one.created_s > downlink.created_s
            and one.state not in _UNSENT | {DownlinkState.HELD}
        )
        return say("A close was given since.") if any(later) else ""


def _ends_s(begun: Downlink) -> float:
    """Return when what was opened or started is over by itself, at the latest that is known."""
    return (begun.sent_s or begun.changed_s) + (begun.duration_s or 0.0)


def _may_have_run(downlink: Downlink) -> bool:
    """Tell whether a command is under way, or may have reached its device."""
    if downlink.state in _PENDING:
        return True
    return downlink.state not in _UNSENT and downlink.handed_s is not None
