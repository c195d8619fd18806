"""What one batch came to, and the one transaction that several of them make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.alerts.equipment import Sampling
from gateway.control import Multicast, decision
from gateway.devices import Device
from gateway.network import Changes, Transmission
from gateway.network import batch_of as radio_batch
from gateway.requests import Question
from gateway.rulebook import Trial
from gateway.store import AuditRecord, Batch, EventRecord, HistoryCursor, UplinkRecord
from gateway.types import (
    AlertEvent,
    DevEui,
    Downlink,
    DownlinkState,
    GroupCommandView,
    Json,
    Message,
    Rejected,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a question that changed something: the data, or the sentence of a refusal."""

    question: Question
    data: Json = None
    error: str | None = None


@dataclass(slots=True)
class Outcome:
    """What one batch came to: facts to commit, then to publish.

    `rules` is the list of people's rules when it changed, `trials` are rules to be tried.
    """

    now_s: float
    taken: int = 0
    uplinks: list[UplinkRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    alerts: list[AlertEvent] = field(default_factory=list)
    downlinks: list[Downlink] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    touched: dict[DevEui, Device] = field(default_factory=dict)
    fresh: list[Device] = field(default_factory=list)
    availability: dict[DevEui, bool] = field(default_factory=dict)
    advice: dict[DevEui, Sampling | None] = field(default_factory=dict)
    dispatch: list[Downlink] = field(default_factory=list)
    answers: list[Downlink] = field(default_factory=list)
    radio: list[Changes] = field(default_factory=list)
    transmissions: list[Transmission] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    hello: bool = False
    replies: list[Reply] = field(default_factory=list)
    audit: list[AuditRecord] = field(default_factory=list)
    control: dict[str, Json] = field(default_factory=dict)
    memory: dict[str, Json] = field(default_factory=dict)
    rules: Mapping[str, Json] | None = None
    trials: list[tuple[Question, Trial]] = field(default_factory=list)
    programs: set[str] = field(default_factory=set)
    groups: list[GroupCommandView] = field(default_factory=list)
    multicasts: list[Multicast] = field(default_factory=list)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for this: an alert or a command does not wait for company."""
        return bool(
            self.alerts
            or self.downlinks
            or self.answers
            or self.questions
            or self.replies
            or self.hello
            or self.transmissions
            or self.memory
            or self.trials
            or self.groups
        )


def batch_of(
    outcomes: Sequence[Outcome],
    *,
    messages: Sequence[Message] = (),
    cursor: HistoryCursor | None = None,
) -> Batch:
    """Return one transaction's worth of outcomes."""
    touched = {eui: device for outcome in outcomes for eui, device in outcome.touched.items()}
    return Batch(
        uplinks=tuple(row for outcome in outcomes for row in outcome.uplinks),
        alerts=tuple(event for outcome in outcomes for event in outcome.alerts),
        messages=tuple(messages),
        downlinks=tuple(step for outcome in outcomes for step in outcome.downlinks),
        rejected=tuple(one for outcome in outcomes for one in outcome.rejected),
        events=tuple(event for outcome in outcomes for event in outcome.events),
        devices=tuple(device.record() for device in touched.values()),
        seen=tuple(uid for outcome in outcomes for uid in outcome.seen),
        seen_s=max((outcome.now_s for outcome in outcomes), default=0.0),
        cursor=cursor,
        radio=radio_batch(one for outcome in outcomes for one in outcome.radio),
        audit=tuple(one for outcome in outcomes for one in _audited(outcome)),
        control={name: kept for outcome in outcomes for name, kept in outcome.control.items()},
        memory={name: kept for outcome in outcomes for name, kept in outcome.memory.items()},
    )


def _audited(outcome: Outcome) -> Iterator[AuditRecord]:
    """Yield every decision of an outcome: each step of a command, each refusal, each repeat."""
    yield from outcome.audit
    for downlink in outcome.downlinks:
        yield AuditRecord(outcome.now_s, "command", decision(downlink))
    for downlink in outcome.answers:
        decided = downlink.state in {DownlinkState.REFUSED, DownlinkState.REHEARSED}
        kind = "command" if decided else "repeated"
        yield AuditRecord(outcome.now_s, kind, decision(downlink))
