"""Whatever happens on the air, a counter never goes back and no frame is accepted twice."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from lorawan_devices import ADDRESS, NOW_S, Device, hearing, session_of

from gateway.codecs.lorawan import (
    Activation,
    Command,
    CounterReset,
    Session,
    answer,
    from_record,
    take_uplink,
    to_record,
    windows,
)
from gateway.codecs.lorawan.counters import MAX_GAP
from gateway.errors import BadInput


class Air(RuleBasedStateMachine):
    """One device, one gateway, and somebody who records and plays again."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session = session_of()
        self.device = Device()
        self.now_s = NOW_S
        self.recorded: list[tuple[int, bytes]] = []
        self.accepted: set[bytes] = set()
        self.used_down: set[int] = set()
        self.permitted = False

    @initialize(start=st.sampled_from([0, 65_500, 131_060, 0xFFFF_FF00]), otaa=st.booleans())
    def begin(self, start: int, otaa: bool) -> None:  # noqa: FBT001 - drawn by name
        kind = Activation.OTAA if otaa else Activation.ABP
        self.session = session_of(activation=kind, f_cnt_up=start - 1 if start else None)
        self.device.f_cnt = start

    def receive(self, f_cnt: int, octets: bytes) -> str:
        """Give the gateway a frame; check what it makes of it, and return how it was judged."""
        before = self.session.f_cnt_up
        try:
            heard = take_uplink({ADDRESS: [self.session]}, octets, self.now_s, hearing())
        except BadInput as refused:
            return refused.reason
        self.session = from_record(to_record(heard.session), heard.session.keys)
        assert self.session == heard.session
        assert heard.f_cnt == f_cnt
        if heard.is_retransmission:
            assert octets in self.accepted
            assert heard.session.f_cnt_up == before
            return "repeated"
        assert octets not in self.accepted or heard.counter_was_reset
        if heard.counter_was_reset:
            assert self.permitted
            self.permitted = False
            self.accepted.clear()  # what was recorded before is what the operator risks
        elif before is not None:
            assert before < f_cnt <= before + MAX_GAP
        self.accepted.add(octets)
        return "accepted"

    @precondition(lambda self: self.device.f_cnt < 0xFFFF_FFFF)
    @rule(data=st.binary(max_size=8), heard=st.booleans(), confirmed=st.booleans())
    def send(self, data: bytes, heard: bool, confirmed: bool) -> None:  # noqa: FBT001
        f_cnt = self.device.f_cnt
        octets = self.device.uplink(data, confirmed=confirmed)
        self.recorded.append((f_cnt, octets))
        if not heard:
            return
        newest = self.session.f_cnt_up
        judged = self.receive(f_cnt, octets)
        if newest is not None and newest < f_cnt <= newest + MAX_GAP:
            assert judged == "accepted"

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def play_again(self, data: st.DataObject) -> None:
        self.receive(*data.draw(st.sampled_from(self.recorded)))

    @precondition(lambda self: self.recorded)
    @rule()
    def repeat_the_last(self) -> None:
        f_cnt, octets = self.recorded[-1]
        judged = self.receive(f_cnt, octets)
        if f_cnt == self.session.f_cnt_up:
            assert judged in {"accepted", "repeated", "replay", "counter_reused"}

    @rule(skipped=st.sampled_from([1, 100, MAX_GAP - 1, MAX_GAP, MAX_GAP + 1, 40_000]))
    def lose(self, skipped: int) -> None:
        self.device.f_cnt = min(self.device.f_cnt + skipped, 0xFFFF_FFF0)

    @rule()
    def device_forgets(self) -> None:
        self.device.f_cnt = 0

    @rule()
    def operator_permits_one_reset(self) -> None:
        if self.session.activation is Activation.ABP:
            self.session = replace(self.session, counter_reset=CounterReset.ONCE)
            self.permitted = True

    @rule(passed_s=st.sampled_from([1.0, 899.0, 901.0, -3600.0, 86_400.0]))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s

    @rule(data=st.binary(max_size=20), confirmed=st.booleans())
    def answer_it(self, data: bytes, confirmed: bool) -> None:  # noqa: FBT001 - drawn by name
        window = windows(self.session, hearing())[0]
        command = Command(7, data, confirmed=confirmed)
        sent = answer(self.session, window, self.now_s, command=command)
        assert sent.f_cnt not in self.used_down
        self.used_down.add(sent.f_cnt)
        assert sent.session.f_cnt_down == sent.f_cnt + 1
        assert self.device.open(sent.phy_payload, sent.f_cnt).frm_payload == data
        self.session = sent.session

    @rule(noise=st.binary(min_size=12, max_size=60))
    def noise(self, noise: bytes) -> None:
        with pytest.raises(BadInput):
            take_uplink({ADDRESS: [self.session]}, noise, self.now_s, hearing())

    @invariant()
    def nothing_is_owed_that_was_not_asked(self) -> None:
        assert len(self.session.owed.answers) <= 15


Air.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_no_counter_goes_back_and_no_frame_is_accepted_twice = Air.TestCase
