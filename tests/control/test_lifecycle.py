"""The life of a command: every order of events, and never backwards."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.config import DownlinkConfig
from gateway.control import FINAL, DownlinkTracker
from gateway.types import (
    Ack,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    Join,
    ServerLog,
    TxAck,
)

EUI = DevEui("70b3d57ed0000001")
DEVICE = DeviceInfo(EUI)
ID = "1bbcab1d-6ec6-4136-b3f5-d63be1dc08de"
RANK = {DownlinkState.ACCEPTED: 0, DownlinkState.QUEUED: 1, DownlinkState.SENT: 2}


def command(identity: str = ID, *, confirmed: bool = False, expires_s: float = 86400.0) -> Downlink:
    return Downlink(
        id=identity, dev_eui=EUI, application_id="app", f_port=10, data=b"\1", object=None,
        confirmed=confirmed, expires_s=expires_s, created_s=0.0, changed_s=0.0,
        state=DownlinkState.ACCEPTED,
    )  # fmt: skip


def txack(at_s: float = 10, identity: str = ID, device: DeviceInfo = DEVICE) -> TxAck:
    return TxAck(device, at_s, at_s, identity, 1, "0016c001f153a14c")


def ack(at_s: float = 20, *, yes: bool = True, identity: str = ID) -> Ack:
    return Ack(DEVICE, at_s, at_s, identity, yes, 1)


def log(code: str, at_s: float = 15, identity: str = ID) -> ServerLog:
    return ServerLog(DEVICE, at_s, at_s, "ERROR", code, "said", {"queue_item_id": identity})


def tracker(*, confirmed: bool = False, queued: bool = True) -> DownlinkTracker:
    made = DownlinkTracker(DownlinkConfig())
    made.add(command(confirmed=confirmed))
    if queued:
        made.queued(ID, 1.0)
    return made


@pytest.mark.parametrize(
    ("events", "confirmed", "states"),
    [
        ([txack()], False, ["sent"]),
        ([txack(), ack()], True, ["sent", "acked"]),
        ([txack(), ack(yes=False)], True, ["sent", "nacked"]),
        ([ack()], True, ["acked"]),
        ([ack(), txack()], True, ["acked"]),
        ([txack(), txack()], False, ["sent"]),
        ([txack(), ack(), ack()], True, ["sent", "acked"]),
        ([txack(), ack(), ack(yes=False)], True, ["sent", "acked"]),
        ([log("EXPIRED")], False, ["expired"]),
        ([log("DOWNLINK_PAYLOAD_SIZE"), txack()], False, ["failed"]),
        ([log("DOWNLINK_CODEC")], False, ["failed"]),
        ([log("F_CNT_DOWN")], False, ["failed"]),
        ([log("DOWNLINK_GATEWAY"), txack()], False, ["queued", "sent"]),
        ([log("DOWNLINK_GATEWAY"), log("DOWNLINK_GATEWAY")], False, ["queued"]),
        ([log("SOMETHING_NEW")], False, ["queued"]),
        ([log("EXPIRED", identity=ID.upper())], False, ["expired"]),
        ([txack(), log("EXPIRED")], True, ["sent"]),
        ([txack(identity="other"), log("EXPIRED", identity=""), ack(identity="x")], True, []),
        ([txack(device=DeviceInfo(DevEui("70b3d57ed0000002")))], False, []),
    ],
)
def test_every_order_of_events_ends_where_it_should(
    *,
    events: list[TxAck | Ack | ServerLog],
    confirmed: bool,
    states: list[str],
) -> None:
    made = tracker(confirmed=confirmed)
    changes = [change for event in events for change in made.on_event(event)]
    assert [str(change.state) for change in changes] == states


def test_a_txack_before_we_know_that_the_broker_has_it_counts() -> None:
    made = tracker(queued=False)
    assert made.on_event(txack())[0].state is DownlinkState.SENT
    assert made.queued(ID, 11) == []


def test_sent_says_that_nobody_knows_whether_the_device_heard() -> None:
    assert "nothing more" in tracker().on_event(txack())[0].detail
    assert "waiting" in tracker(confirmed=True).on_event(txack())[0].detail


def test_an_unconfirmed_command_is_let_go_an_hour_after_it_was_sent() -> None:
    made = tracker()
    made.on_event(txack())
    assert made.tick(3600) == []
    (last,) = made.tick(3700)
    assert last.state is DownlinkState.SENT
    assert made.get(ID) is None
    assert made.tick(9999) == []


def test_a_confirmed_command_without_an_answer_fails_after_its_expiry() -> None:
    made = tracker(confirmed=True)
    made.on_event(txack())
    assert made.tick(86400) == []
    assert [change.state for change in made.tick(86401)] == [DownlinkState.FAILED]


def test_time_expires_what_was_never_sent_and_leaves_a_last_transmission_some_slack() -> None:
    assert tracker(queued=False).tick(86401)[0].state is DownlinkState.EXPIRED
    made = tracker()
    made.tick(80000)
    assert made.tick(86401) == []
    assert made.tick(86461)[0].state is DownlinkState.EXPIRED


def test_a_silent_server_is_reported_once() -> None:
    made = tracker()
    (told,) = made.tick(7300)
    assert told.state is DownlinkState.QUEUED
    assert "log" in told.detail
    assert made.tick(30000) == []


def test_a_join_warns_that_the_queue_may_be_gone() -> None:
    made = tracker()
    (told,) = made.on_event(Join("j", DEVICE, 5, 5, "01000000"))
    assert told.state is DownlinkState.QUEUED
    assert "joined" in told.detail


def test_a_restart_follows_on() -> None:
    before = tracker(confirmed=True)
    before.on_event(txack())
    after = DownlinkTracker(DownlinkConfig())
    after.restore(before.open())
    assert after.on_event(ack())[0].state is DownlinkState.ACKED


def test_what_waits_for_the_broker_is_told_oldest_first() -> None:
    made = tracker()
    made.add(command("b"))
    made.add(command("a"))
    assert [one.id for one in made.waiting()] == ["b", "a"]
    assert made.failed("a", 5, "no such application")[0].state is DownlinkState.FAILED
    assert made.supersede("b", 5, "closed")[0].state is DownlinkState.SUPERSEDED


ids = st.sampled_from(["a", "b", "c"])
codes = st.sampled_from(["EXPIRED", "DOWNLINK_GATEWAY", "F_CNT_DOWN", "DOWNLINK_CODEC", "OTAA"])


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tracker = DownlinkTracker(DownlinkConfig())
        self.now_s = 0.0
        self.seen: dict[str, Downlink] = {}
        for index, identity in enumerate("abc"):
            one = command(identity, confirmed=index > 0, expires_s=3600.0 * (index + 1))
            self.tracker.add(one)
            self.seen[identity] = one

    def note(self, changes: list[Downlink]) -> None:
        for change in changes:
            before = self.seen[change.id]
            assert before.state not in FINAL
            if change.state not in FINAL:
                assert RANK[change.state] >= RANK[before.state]
            assert change.changed_s >= before.changed_s
            self.seen[change.id] = change

    @rule(step_s=st.floats(0, 8000))
    def wait(self, step_s: float) -> None:
        self.now_s += step_s
        self.note(self.tracker.tick(self.now_s))

    @rule(identity=ids)
    def hand_over(self, identity: str) -> None:
        self.note(self.tracker.queued(identity, self.now_s))

    @rule(identity=ids)
    def transmit(self, identity: str) -> None:
        self.note(self.tracker.on_event(txack(self.now_s, identity)))

    @rule(identity=ids, yes=st.booleans())
    def answer(self, identity: str, yes: bool) -> None:  # noqa: FBT001
        self.note(self.tracker.on_event(ack(self.now_s, yes=yes, identity=identity)))

    @rule(identity=ids, code=codes)
    def remark(self, identity: str, code: str) -> None:
        self.note(self.tracker.on_event(log(code, self.now_s, identity)))

    @rule()
    def restart(self) -> None:
        self.tracker, before = DownlinkTracker(DownlinkConfig()), self.tracker
        self.tracker.restore(before.open())

    @invariant()
    def what_is_open_is_not_final(self) -> None:
        for one in self.tracker.open():
            assert one.state not in FINAL
            assert one == self.seen[one.id]


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


def nameless(code: str, **context: str) -> ServerLog:
    return ServerLog(DEVICE, 15.0, 15.0, "ERROR", code, "said", context)


@pytest.mark.parametrize(
    ("event", "states"),
    [
        (nameless("DOWNLINK_PAYLOAD_SIZE", item_size="1", max_payload_size="0"), ["failed"]),
        (nameless("DOWNLINK_PAYLOAD_SIZE"), ["failed"]),
        (nameless("DOWNLINK_PAYLOAD_SIZE", item_size="99"), []),
        (nameless("EXPIRED"), []),
        (nameless("UPLINK_CODEC"), []),
        (nameless("DOWNLINK_GATEWAY"), []),
    ],
)
def test_a_server_that_names_no_item_when_it_drops_one_means_the_only_one_it_has(
    event: ServerLog, states: list[str]
) -> None:
    assert [one.state.value for one in tracker().on_event(event)] == states


def test_of_two_commands_that_a_log_may_mean_neither_is_taken_to_be_dropped() -> None:
    made = tracker()
    other = "2bbcab1d-6ec6-4136-b3f5-d63be1dc08de"
    made.add(command(other))
    made.queued(other, 1.0)
    assert made.on_event(nameless("DOWNLINK_PAYLOAD_SIZE", item_size="1")) == []
    assert made.on_event(nameless("DOWNLINK_PAYLOAD_SIZE")) == []
