"""The way down: what rides on an answer, when it may go, and what became of it.

A command is `accepted` while it waits for a chance, `queued` once a radio has it, and from there
the radio's own word moves it: `sent`, or back to `accepted` when it was certainly not transmitted.
One command of a device is under way at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.codecs.lorawan import (
    Command,
    DeviceClass,
    Joined,
    PrivateNode,
    ReceiveWindow,
    Refusal,
    Session,
    answer_private,
    class_c_window,
    windows,
)
from gateway.codecs.lorawan import answer as build_answer
from gateway.control import DownlinkTracker
from gateway.errors import BadInput
from gateway.network.airwaves import (
    Airwaves,
    Chance,
    Ended,
    Radio,
    Transmission,
    Try,
    private_try,
    try_in,
)
from gateway.network.changes import Changes
from gateway.network.devices import Kind, RadioDevice
from gateway.network.roster import Roster
from gateway.network.taken import Taken
from gateway.speech import phrase, say
from gateway.types import DevEui, Downlink, DownlinkState, TransmitOutcome, TxAck

_STOPPED = phrase("The gateway stopped while its radio had the command.")
_NOT_AGAIN = phrase("Whether it was transmitted is not known, and it is not sent again.")
_WILL_TELL = phrase("The device's next uplink will tell whether it arrived.")
_NO_CONFIRMATION = phrase(
    "Transmitted; home-made nodes do not confirm, so nothing more will be known."
)
_CANNOT_TIME = phrase(
    "Radio {radio} cannot transmit at a given moment, so it never meets the receive windows of a "
    "class A device: a board with our firmware or a concentrator can."
)
_NEVER_HEARD = phrase("No radio has heard the device yet: it is sent after its first uplink.")
_AWAY = phrase("Radio {radio} is not connected: it is sent once it is.")
_NOT_JOINED = phrase("The device has not joined yet: it is sent once it has.")
_MUTE = phrase("Radio {radio} does not transmit.")
_AROUND_MAC_PAYLOAD = 1 + 4
"""MHDR and MIC, the bytes of a PHYPayload that are not MACPayload."""

Clear = Callable[[str, float], tuple[Downlink | None, list[Downlink]]]
"""A command's id -> the command if it may go now, and the steps it took because it may not."""


@dataclass(frozen=True, slots=True)
class _Unsent:
    """Why a window did not take a downlink: "" where it was merely missed; `never` will it."""

    why: str
    never: bool = False
    earliest_s: float | None = None


class Answering:
    """Builds downlinks for uplinks, joins and devices that always listen. One per server."""

    def __init__(
        self,
        roster: Roster,
        airwaves: Airwaves,
        commands: DownlinkTracker,
        class_c_wait_s: float,
        clear: Clear,
    ) -> None:
        self._roster = roster
        self._airwaves = airwaves
        self._commands = commands
        self._class_c_wait_s = class_c_wait_s
        self._clear = clear
        self._resting_s: dict[DevEui, float] = {}
        self._counts: Counter[str] = Counter()

    def health(self) -> Mapping[str, int]:
        """Return how many downlinks were built, refused, sent and not sent."""
        return dict(self._counts)

    # --- after an uplink ------------------------------------------------------------------

    def answer(self, session: Session, chance: Chance, taken: Taken) -> None:
        """Answer a LoRaWAN uplink in RX1 or RX2, with a command when one waits."""
        waiting = self._waiting(session.dev_eui, chance.now_s, taken)
        if not waiting and not session.has_something_to_say:
            return
        if not chance.meets_windows:
            self._cannot_meet(session, chance, waiting, taken)
            return
        if self._in_a_window(session, chance, waiting, taken) or not waiting:
            return
        if self._commands.get(waiting[0].id) is None:  # it will never fit
            self.answer(session, chance, taken)
        elif session.has_something_to_say:
            self._in_a_window(session, chance, (), taken)

    def _in_a_window(
        self, session: Session, chance: Chance, waiting: Sequence[Downlink], taken: Taken
    ) -> bool:
        """Send in the first window that can be met, is allowed and has room."""
        unsent: list[_Unsent] = []
        for window in windows(session, chance.hearing()):
            if chance.is_missed(window.opens_s):
                self._counts["windows_missed"] += 1
                unsent.append(_Unsent(""))
            elif (why := self._send(session, chance, window, waiting, taken)) is None:
                return True
            else:
                unsent.append(why)
        if waiting:
            self._tell(waiting[0], unsent, chance.now_s, taken)
        return False

    def _tell(
        self, command: Downlink, unsent: Sequence[_Unsent], now_s: float, taken: Taken
    ) -> None:
        """Say at a command why none of its windows took it; give it up when none ever will."""
        if all(one.never for one in unsent):
            taken.steps += self._commands.failed(command.id, now_s, unsent[-1].why)
            return
        for why in [one.why for one in unsent if one.why and not one.never][-1:]:
            taken.steps += self._commands.remark(command.id, now_s, why)

    def _cannot_meet(
        self, session: Session, chance: Chance, waiting: Sequence[Downlink], taken: Taken
    ) -> None:
        self._counts["cannot_time"] += 1
        never = not (chance.radio.times and chance.radio.transmits)
        if waiting and never and session.device_class is not DeviceClass.C:
            said = say(_CANNOT_TIME, radio=chance.radio.name)
            taken.steps += self._commands.failed(waiting[0].id, chance.now_s, said)

    def _send(
        self,
        session: Session,
        chance: Chance,
        window: ReceiveWindow,
        waiting: Sequence[Downlink],
        taken: Taken,
    ) -> _Unsent | None:
        """Build the downlink for one window and give it to the radio, or say why not."""
        command = waiting[0] if waiting else None
        try:
            built = build_answer(
                session,
                window,
                chance.now_s,
                command=_riding(command),
                more_waiting=len(waiting) > 1,
            )
        except BadInput as error:
            self._counts[error.reason] += 1
            why = say("It cannot be sent at the device's present data rate: {why}.",
                      why=error.detail)  # fmt: skip
            return _Unsent(why, never=True)
        identity = command.id if command else f"{session.dev_eui}/{built.f_cnt}"
        attempt = try_in(chance, window, built.phy_payload, identity)
        if (unsent := self._book(chance, attempt, taken)) is not None:
            return unsent
        self._roster.answered(built.session, taken.changes)
        tries = (attempt, *self._later(session, chance, window, built.phy_payload, identity))
        transmission = Transmission(
            chance.radio.name, session.dev_eui, tries, command.id if command else "", built.f_cnt
        )
        self._hand_over(transmission, command, chance.now_s, taken)
        return None

    def _later(
        self,
        session: Session,
        chance: Chance,
        window: ReceiveWindow,
        phy_payload: bytes,
        identity: str,
    ) -> list[Try]:
        """Return RX2 for a downlink that is made for RX1, where the same bytes fit it."""
        return [
            try_in(chance, other, phy_payload, identity)
            for other in windows(session, chance.hearing())
            if window.name == "rx1"
            and other.name == "rx2"
            and len(phy_payload) - _AROUND_MAC_PAYLOAD <= other.max_mac_payload
        ]

    # --- a join ---------------------------------------------------------------------------

    def accept(self, joined: Joined, chance: Chance, taken: Taken) -> None:
        """Send a join-accept in the first of its windows that can be met and is allowed."""
        if not chance.meets_windows:
            self._counts["cannot_time"] += 1
            return
        dev_eui = joined.device.dev_eui
        identity = f"{dev_eui}/join/{joined.device.join_nonce - 1}"
        tries = [
            try_in(chance, window, joined.phy_payload, identity)
            for window in joined.windows
            if not chance.is_missed(window.opens_s)
        ]
        while tries:
            if self._book(chance, tries[0], taken) is None:
                transmission = Transmission(chance.radio.name, dev_eui, tuple(tries))
                self._hand_over(transmission, None, chance.now_s, taken)
                return
            del tries[0]

    # --- home-made nodes ------------------------------------------------------------------

    def answer_node(self, node: PrivateNode, dev_eui: DevEui, chance: Chance, taken: Taken) -> None:
        """Send a home-made node a command that waits, after its uplink."""
        waiting = self._waiting(dev_eui, chance.now_s, taken)
        if waiting:
            self._send_to_node(node, waiting[0], chance, taken)

    def _send_to_node(
        self, node: PrivateNode, command: Downlink, chance: Chance, taken: Taken
    ) -> None:
        device = self._roster.device(command.dev_eui)
        delay_s = float(device.rx_delay_s) if device else 1.0
        if not chance.radio.transmits:
            said = say(_MUTE, radio=chance.radio.name)
            taken.steps += self._commands.failed(command.id, chance.now_s, said)
            return
        if chance.meets_windows and chance.is_missed(delay_s):
            self._counts["windows_missed"] += 1
            return
        try:
            spent, octets = answer_private(node, command.data)
            attempt = private_try(chance, delay_s, octets, command.id)
        except BadInput as error:
            said = say("It cannot be sent: {why}.", why=error.detail or error.reason)
            taken.steps += self._commands.failed(command.id, chance.now_s, said)
            return
        if (unsent := self._book(chance, attempt, taken)) is not None:
            self._rest(command, unsent)
            self._tell(command, (unsent,), chance.now_s, taken)
            return
        self._roster.node_heard(spent, command.dev_eui, "", taken.changes)
        transmission = Transmission(
            chance.radio.name, command.dev_eui, (attempt,), command.id, node.next_down
        )
        self._hand_over(transmission, command, chance.now_s, taken)

    # --- devices that always listen -------------------------------------------------------

    def plan(self, now_s: float, taken: Taken) -> None:
        """Send what waits for class C devices, now."""
        # A pump must not run against valves that close, so its stop goes before their closes.
        waiting = sorted(self._commands.waiting(), key=lambda one: one.effect != "stop")
        for dev_eui in dict.fromkeys(one.dev_eui for one in waiting):
            device = self._roster.device(dev_eui)
            if device is None or device.device_class is not DeviceClass.C:
                continue
            free = self._waiting(dev_eui, now_s, taken)
            if free and now_s >= self._resting_s.get(dev_eui, 0.0):
                self._send_at_once(device, free, now_s, taken)

    def _send_at_once(
        self, device: RadioDevice, waiting: Sequence[Downlink], now_s: float, taken: Taken
    ) -> None:
        command = waiting[0]
        radio = self._radio_for(device.dev_eui)
        if radio is None:
            taken.steps += self._commands.remark(command.id, now_s, say(_NEVER_HEARD))
            return
        if not self._airwaves.listens(radio.name):
            said = say(_AWAY, radio=radio.name)
            taken.steps += self._commands.remark(command.id, now_s, said)
            return
        chance = Chance(radio, now_s, now_s)
        if device.kind is Kind.PRIVATE:
            node = self._roster.node(device.node_id or 0)
            if node is not None:
                self._send_to_node(node, command, chance, taken)
            return
        session = self._roster.newest_session(device.dev_eui)
        if session is None or not radio.transmits:
            said = say(_NOT_JOINED) if radio.transmits else say(_MUTE, radio=radio.name)
            taken.steps += self._commands.remark(command.id, now_s, said)
            return
        unsent = self._send(session, chance, class_c_window(session), waiting, taken)
        if unsent is not None:
            self._rest(command, unsent)
            self._tell(command, (unsent,), now_s, taken)
        elif command.confirmed:
            self._resting_s[device.dev_eui] = now_s + self._class_c_wait_s

    def _radio_for(self, dev_eui: DevEui) -> Radio | None:
        name = self._roster.radio_of(dev_eui)
        if name in self._airwaves:
            return self._airwaves.get(name)
        return self._airwaves.only()

    # --- what became of it ----------------------------------------------------------------

    def transmitted(self, ended: Ended, now_s: float) -> list[Downlink]:
        """Take the radio's word on a downlink; return the command it moved.

        Only what was certainly not transmitted waits for another chance: no command is sent twice.
        """
        transmission = ended.transmission
        self._counts[ended.outcome.value] += 1
        if ended.outcome is TransmitOutcome.REFUSED:
            for attempt in transmission.tries:
                self._airwaves.unbook(transmission.radio, attempt.wanted)
        if not transmission.command:
            return []
        if ended.outcome is TransmitOutcome.FAILED:
            why = say("The radio failed while it had the command ({why}).", why=ended.detail)
            return self._unsure(transmission.command, why, now_s)
        if ended.outcome is TransmitOutcome.REFUSED:
            self._resting_s[transmission.dev_eui] = now_s + self._class_c_wait_s
            said = say("Not transmitted ({why}): it waits for the next chance.",
                       why=ended.detail)  # fmt: skip
            return self._commands.returned(transmission.command, now_s, said)
        info = self._roster.info(transmission.dev_eui)
        if info is None:
            return []
        radio = transmission.radio
        steps = self._commands.on_event(
            TxAck(info, now_s, now_s, transmission.command, transmission.f_cnt, radio)
        )
        device = self._roster.device(transmission.dev_eui)
        if device is not None and device.kind is Kind.PRIVATE:
            steps += self._commands.remark(transmission.command, now_s, say(_NO_CONFIRMATION))
        return steps

    def rebook(self, transmission: Transmission, place: int, changes: Changes) -> str:
        """Book a later try, because the one before was not transmitted; return why not, or ""."""
        booked = self._airwaves.book(transmission.radio, transmission.tries[place].wanted)
        if isinstance(booked, Refusal):
            return f"{booked.reason}: {booked.detail}"
        changes.booked(transmission.radio, booked)
        return ""

    def settle_restart(self, now_s: float) -> list[Downlink]:
        """Settle what a radio had when the last run ended: it is never transmitted twice."""
        steps: list[Downlink] = []
        for one in self._commands.open():
            if one.dev_eui in self._roster and one.state is DownlinkState.QUEUED:
                steps += self._unsure(one.id, say(_STOPPED), now_s)
        return steps

    def _unsure(self, identity: str, why: str, now_s: float) -> list[Downlink]:
        """Settle a command that may have been transmitted: only a device can tell, if it is asked.

        Until it has, no other command goes to it.
        """
        command = self._commands.get(identity)
        device = self._roster.device(command.dev_eui) if command is not None else None
        if command is None or device is None:
            return []
        if command.confirmed and device.kind is not Kind.PRIVATE:
            return self._commands.remark(identity, now_s, f"{why} {say(_WILL_TELL)}")
        return self._commands.failed(identity, now_s, f"{why} {say(_NOT_AGAIN)}")

    # --- shared ---------------------------------------------------------------------------

    def _waiting(self, dev_eui: DevEui, now_s: float, taken: Taken) -> list[Downlink]:
        """Return the commands that may go now, oldest first: none while one is under way.

        One whose time has run out never goes, also before it is told so; and what may no longer be
        done is turned down here, at the last moment.
        """
        open_ = self._commands.open_for(dev_eui)
        if any(one.state is DownlinkState.QUEUED for one in open_):
            return []
        free = []
        for one in open_:
            if one.state is DownlinkState.ACCEPTED and now_s <= one.expires_s:
                allowed, steps = self._clear(one.id, now_s)
                taken.steps += steps
                free += [allowed] if allowed is not None else []
        return free

    def _book(self, chance: Chance, attempt: Try, taken: Taken) -> _Unsent | None:
        """Count the airtime of a try, or say why it may not be, and when it may."""
        booked = self._airwaves.book(chance.radio.name, attempt.wanted)
        if not isinstance(booked, Refusal):
            taken.changes.booked(chance.radio.name, booked)
            return None
        self._counts["refused_" + booked.reason] += 1
        if booked.earliest_s is None:
            why = say("It may never be transmitted so ({reason}): {why}.",
                      reason=booked.reason, why=booked.detail)  # fmt: skip
            return _Unsent(why, never=True)
        when = datetime.fromtimestamp(booked.earliest_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        why = say("Not now ({reason}): {why}; not before {moment} UTC.",
                  reason=booked.reason, why=booked.detail, moment=when)  # fmt: skip
        return _Unsent(why, earliest_s=booked.earliest_s)

    def _rest(self, command: Downlink, unsent: _Unsent) -> None:
        """Try a device that always listens no sooner than it may be sent to."""
        if unsent.earliest_s is not None:
            self._resting_s[command.dev_eui] = unsent.earliest_s

    def _hand_over(
        self, transmission: Transmission, command: Downlink | None, now_s: float, taken: Taken
    ) -> None:
        taken.transmissions.append(transmission)
        if command is not None:
            window = transmission.tries[0].window
            said = say("Radio {radio} has it, for the device's window {window}.",
                       radio=transmission.radio, window=window)  # fmt: skip
            taken.steps += self._commands.queued(command.id, now_s, said)


def _riding(command: Downlink | None) -> Command | None:
    if command is None:
        return None
    return Command(command.f_port, command.data, command.confirmed)
