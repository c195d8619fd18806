"""What one batch came to, and the one transaction that several of them make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.devices import Device
from gateway.network import Changes, Transmission
from gateway.network import batch_of as radio_batch
from gateway.requests import Question
from gateway.store import Batch, EventRecord, HistoryCursor, UplinkRecord
from gateway.types import AlertEvent, DevEui, Downlink, Message, Rejected


@dataclass(slots=True)
class Outcome:
    """What one batch came to: facts to commit, then to publish."""

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
    dispatch: list[Downlink] = field(default_factory=list)
    answers: list[Downlink] = field(default_factory=list)
    radio: list[Changes] = field(default_factory=list)
    transmissions: list[Transmission] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    hello: bool = False

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for this: an alert or a command does not wait for company."""
        return bool(
            self.alerts
            or self.downlinks
            or self.answers
            or self.questions
            or self.hello
            or self.transmissions
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
    )
