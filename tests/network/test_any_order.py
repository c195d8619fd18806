"""Whatever order uplinks, repeats, commands, refusals and restarts come in."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lorawan_devices import EUI, Device
from radio_network import RADIO, Network, abp

from gateway.errors import BadInput
from gateway.network import Taken, Transmission
from gateway.types import DownlinkState, TransmitOutcome, Uplink

outcomes = st.sampled_from(list(TransmitOutcome))


class AnyOrder(RuleBasedStateMachine):
    """One device personalised by hand, and everything that may happen between it and us."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(abp())
        self.device = Device()
        self.recorded: list[bytes] = []
        self.with_radio: list[Transmission] = []
        self.frames: dict[int, set[bytes]] = defaultdict(set)
        self.last_word: dict[str, list[str]] = defaultdict(list)
        self.taken_counters: list[int] = []

    def take(self, taken: Taken) -> None:
        for event in taken.events:
            assert isinstance(event, Uplink)
            self.taken_counters.append(event.f_cnt)
        for transmission in taken.transmissions:
            assert transmission.f_cnt is not None
            self.frames[transmission.f_cnt].update(
                one.request.payload for one in transmission.tries
            )
            self.with_radio.append(transmission)
            if transmission.command:
                self.last_word[transmission.command].append("handed over")

    @rule(confirmed=st.booleans(), ack=st.booleans(), data=st.binary(max_size=8))
    def uplink(self, *, confirmed: bool, ack: bool, data: bytes) -> None:
        frame = self.device.uplink(data, confirmed=confirmed, ack=ack)
        self.recorded.append(frame)
        self.take(self.network.hear(frame))

    @rule(lost=st.integers(1, 300))
    def uplinks_that_are_not_heard(self, lost: int) -> None:
        self.device.f_cnt += lost

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        frame = data.draw(st.sampled_from(self.recorded))
        before = len(self.taken_counters)
        with contextlib.suppress(BadInput):
            self.take(self.network.hear(frame))
        assert len(self.taken_counters) == before

    @rule(confirmed=st.booleans())
    def command(self, *, confirmed: bool) -> None:
        self.network.command(b"\x01", confirmed=confirmed)

    @precondition(lambda self: self.with_radio)
    @rule(outcome=outcomes, data=st.data())
    def radio_says(self, outcome: TransmitOutcome, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.with_radio) - 1))
        transmission = self.with_radio.pop(place)
        if transmission.command:
            self.last_word[transmission.command].append(outcome.value)
        self.network.ended(transmission, outcome, "so it was")

    @rule(seconds=st.sampled_from([0.3, 2.0, 60.0, 1000.0, 4000.0]))
    def later(self, seconds: float) -> None:
        self.network.later(seconds)

    @rule()
    def restart(self) -> None:
        self.with_radio.clear()  # whether it was transmitted, nobody knows
        self.network.restart()

    @invariant()
    def no_downlink_counter_has_two_contents(self) -> None:
        assert all(len(contents) == 1 for contents in self.frames.values())

    @invariant()
    def uplinks_are_taken_once_and_in_order(self) -> None:
        assert self.taken_counters == sorted(set(self.taken_counters))

    @invariant()
    def no_command_is_handed_over_again_unless_it_was_certainly_not_sent(self) -> None:
        for words in self.last_word.values():
            for before, after in itertools.pairwise(words):
                if after == "handed over":
                    assert before == TransmitOutcome.REFUSED.value

    @invariant()
    def one_command_is_under_way_at_a_time(self) -> None:
        queued = [
            one for one in self.network.commands.open_for(EUI) if one.state is DownlinkState.QUEUED
        ]
        assert len(queued) <= 1

    @invariant()
    def no_band_is_used_beyond_its_share(self) -> None:
        bands = self.network.server.health(self.network.now_s)["airtime"][RADIO]
        assert all(one["used_s"] <= one["allowed_s"] + 1e-3 for one in bands.values())


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = pytest.mark.filterwarnings("error")(AnyOrder.TestCase)
