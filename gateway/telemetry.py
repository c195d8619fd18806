"""What happened, as log lines and counters: one method per event, so that names stay one list.

Events are constants in snake_case, facts are fields. Keys, passwords and payloads never appear.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.config import LogConfig
from gateway.lean_structlog import structlog
from gateway.types import AlertEvent, RadioTrouble, Rejected

RECENT = 20
"""How many put-aside inputs `bridge/health` shows."""


class Telemetry:
    """Counters since start, and the newest troubles, for `bridge/health` and summaries."""

    def __init__(self) -> None:
        self.log: Any = structlog.get_logger()
        self.events: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.radio: Counter[str] = Counter()
        self.codecs: dict[str, Counter[str]] = {}
        self.recent: deque[Mapping[str, object]] = deque(maxlen=RECENT)
        self.down: set[str] = set()
        self.last_error = ""

    def event_decoded(self, kind: str) -> None:
        """Count one understood message of a source by its kind (`up`, `join`, ...)."""
        self.events[kind] += 1

    def uplink_accepted(self, readings: int) -> None:
        """Count one new uplink and its readings."""
        self.counts["uplinks"] += 1
        self.counts["readings"] += readings

    def uplink_duplicate(self, dev_eui: str, f_cnt: int | None) -> None:
        """Count one repeat, which changes nothing."""
        self.counts["duplicates"] += 1
        self.log.debug("uplink_duplicate", dev_eui=dev_eui, f_cnt=f_cnt)

    def uplink_late(self, dev_eui: str, f_cnt: int) -> None:
        """Count one uplink that is stored and shown, but raises nothing."""
        self.counts["late"] += 1
        self.log.debug("uplink_late", dev_eui=dev_eui, f_cnt=f_cnt)

    def payload_decoded(self, codec: str, dev_eui: str, differences: Sequence[str]) -> None:
        """Count one payload that our codec decoded, and whether the server disagrees with it."""
        counts = self.codecs.setdefault(codec, Counter())
        counts["decoded"] += 1
        if not differences:
            return
        counts["disagreed"] += 1
        if counts["disagreed"] in {1, 10, 100, 1000, 10000}:
            self.log.warning(
                "codec_disagrees",
                codec=codec,
                dev_eui=dev_eui,
                differences=list(differences),
                total=counts["disagreed"],
            )

    def payload_failed(self, codec: str) -> None:
        """Count one payload that a codec could not decode."""
        self.codecs.setdefault(codec, Counter())["failed"] += 1

    def codec_said(self, codec: str, level: str, text: str) -> None:
        """Log a line of a codec's console."""
        self.log.debug("codec_said", codec=codec, level_of_script=level, text=text)

    def codecs_reloaded(self, names: Sequence[str], broken: Mapping[str, str]) -> None:
        """Log that codecs were written anew, and which of them do not open."""
        self.log.info("codecs_reloaded", names=list(names), broken=dict(broken))

    def warned(self, text: str) -> None:
        """Log what an operator should change, though it works."""
        self.log.warning("advice", text=text)

    def windows_scored(self, scored: int) -> None:
        """Count windows that went through the model."""
        self.counts["windows_scored"] += scored

    def put_aside(self, rejected: Rejected) -> None:
        """Count one input that was quarantined, and keep it among the newest."""
        self.quarantined[rejected.reason] += 1
        self.recent.append(
            {"reason": rejected.reason, "detail": rejected.detail, "topic": rejected.topic[:200]}
        )
        if self.quarantined[rejected.reason] in {1, 10, 100, 1000, 10000}:
            self.log.warning(
                "input_quarantined",
                reason=rejected.reason,
                detail=rejected.detail,
                source=rejected.source,
                total=self.quarantined[rejected.reason],
            )

    def alert_changed(self, event: AlertEvent) -> None:
        """Log one step of an alert's life, and count it if people are told."""
        self.alerts[event.event_type.value] += event.told
        self.log.info(
            "alert_changed" if event.told else "alert_kept_quiet",
            step=event.event_type.value,
            dev_eui=event.alert.dev_eui,
            kind=event.alert.kind,
            title=event.alert.title,
            id=event.alert.id,
        )

    def command_changed(self, command_id: str, dev_eui: str, state: str, detail: str) -> None:
        """Log and count one step of a command's life."""
        self.counts["commands_" + state] += 1
        self.log.info("command_changed", id=command_id, dev_eui=dev_eui, state=state, detail=detail)

    def link_changed(self, link: str, connected: bool, error: str) -> None:  # noqa: FBT001 - the link calls it so
        """Log that a connection came, went, or could not be made."""
        self.counts["link_changes"] += 1
        if connected:
            self.down.discard(link)
            self.log.info("link_up", link=link)
        else:
            self.down.add(link)
            self.log.warning("link_down", link=link, error=error)

    def link_watcher(self, link: str) -> Callable[[bool, str], None]:
        """Return what hears of one connection's coming and going."""

        def changed(connected: bool, error: str) -> None:  # noqa: FBT001 - the link calls it so
            self.link_changed(link, connected, error)

        return changed

    def trouble_watcher(self, radio: str) -> Callable[[RadioTrouble], None]:
        """Return what hears of all that a radio had to pass over."""

        def passed_over(trouble: RadioTrouble) -> None:
            counter = f"{radio}: {trouble.reason}"
            self.radio[counter] += 1
            if self.radio[counter] in {1, 10, 100, 1000, 10000}:
                self.log.warning(
                    "radio_trouble",
                    radio=radio,
                    reason=trouble.reason,
                    detail=trouble.detail,
                    total=self.radio[counter],
                )

        return passed_over

    def pack_kept(self, pack: str, figures: Mapping[str, object]) -> None:
        """Log that a new pack has passed its trial."""
        self.log.info("model_pack_kept", pack=pack, **figures)

    def pack_rolled_back(self, pack: str, reason: str, detail: str) -> None:
        """Log that a new pack failed its trial, and show it in health."""
        self.last_error = detail
        self.counts["packs_rolled_back"] += 1
        self.log.error("model_pack_rolled_back", pack=pack, reason=reason, detail=detail)

    def trouble(self, event: str, error: Exception) -> None:
        """Log an expected failure that life goes on after, and show it in health."""
        self.last_error = f"{event}: {error}"
        self.counts["troubles"] += 1
        self.log.error(event, error=str(error))


def configure_logging(config: LogConfig) -> None:
    """Send structlog to stderr: JSON under systemd (or when asked), plain lines on a terminal."""
    as_json = config.format == "json" or (config.format == "auto" and not sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[config.level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
