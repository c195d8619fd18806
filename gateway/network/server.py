"""The network server's part for radios of our own: frames to events, and answers to the air.

::

    HeardFrame -> private? ---.                              .-> Uplink, Join
                  join?    ---+-> roster, session -> Hearing +-> Changes   (same transaction)
                  data?    ---'                              `-> Transmission (after the commit)

Nothing here waits or is written. What a frame changes is in memory at once and in `Changes`; the
pipeline commits these with everything else of the batch, and only then sends: so a counter is
stored before it is used, and an answer is late rather than reckless.
"""

from __future__ import annotations

import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from gateway.codecs.lorawan import DeviceClass, Heard, NetId, take_join_request
from gateway.codecs.lorawan import take_private as open_private_frame
from gateway.codecs.lorawan import take_uplink as open_uplink
from gateway.codecs.lorawan.frames import DataFrame, JoinRequest, decode
from gateway.codecs.lorawan.private import Version, dev_eui_of, peek
from gateway.control import DownlinkTracker
from gateway.errors import BadInput
from gateway.network.airwaves import Airwaves, Chance, Ended, Transmission
from gateway.network.answering import Answering, Clear
from gateway.network.changes import Changes
from gateway.network.devices import RadioDevice
from gateway.network.roster import Roster
from gateway.network.strangers import ADVICE, Strangers
from gateway.network.taken import Taken
from gateway.store import CounterRecord, SessionRecord
from gateway.types import (
    Ack,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    HeardFrame,
    Join,
    Json,
    Reception,
    Uplink,
)

COPY_S = 0.9
"""The same bytes within this time are one transmission heard twice; a device repeats itself only
after its receive windows, the first of which opens after 1 s (LoRaWAN 1.0.3, section 3.3)."""

COPIES = 512

WAITS = "It is sent after the device's next uplink: a class A device listens only then."

PRIVATE_PORT = 1
"""Frames of home-made nodes have no port; their codecs see this one."""

_PRIVATE = frozenset(version.value for version in Version)


class NetworkServer:
    """Serves the devices of the roster over the radios of `airwaves`.

    `clear` looks once more at a command before a radio gets it; None lets every one go.
    """

    def __init__(
        self,
        roster: Roster,
        airwaves: Airwaves,
        commands: DownlinkTracker,
        *,
        net_id: str,
        class_c_wait_s: float,
        clear: Clear | None = None,
    ) -> None:
        self._roster = roster
        self._airwaves = airwaves
        self._commands = commands
        self._net_id = NetId(net_id)
        self._answering = Answering(
            roster,
            airwaves,
            commands,
            class_c_wait_s,
            clear or (lambda identity, _now_s: (commands.get(identity), [])),
        )
        self._strangers = Strangers()
        self._copies: OrderedDict[bytes, float] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def hears(self, source: str) -> bool:
        """Tell whether a source is one of our radios."""
        return source in self._airwaves

    def serves(self, dev_eui: DevEui) -> bool:
        """Tell whether a device is reached over our radios."""
        return dev_eui in self._roster

    def info_of(self, dev_eui: DevEui) -> DeviceInfo | None:
        """Return who a registered device is."""
        return self._roster.info(dev_eui)

    def infos(self) -> list[DeviceInfo]:
        """Return who is registered."""
        return self._roster.infos()

    def take(self, source: str, frame: HeardFrame, received_s: float, now_s: float) -> Taken:
        """Take one frame that a radio heard.

        Raises
        ------
        BadInput
            It is of a device of ours and cannot be taken: `replay`, `counter_gap`,
            `counter_reused`, `dev_nonce_used`, `unknown_join_eui`, `not_sealed`, or a reason of
            the frame's own make-up.

        """
        self._counts["frames"] += 1
        if self._is_copy(frame.payload, received_s):
            self._counts["copies"] += 1
            return Taken()
        chance = Chance(self._airwaves.get(source), now_s, received_s, frame)
        if frame.payload[:1] and frame.payload[0] in _PRIVATE:
            return self._take_private(chance, frame.payload)
        return self._take_lorawan(chance, frame.payload)

    def plan(self, now_s: float) -> Taken:
        """Return what is due without an uplink: commands for devices that always listen."""
        taken = Taken()
        self._answering.plan(now_s, taken)
        return taken

    def settle_restart(self, now_s: float) -> list[Downlink]:
        """Settle commands that were with a radio when the last run ended."""
        return self._answering.settle_restart(now_s)

    def welcome(self, command: Downlink, now_s: float) -> list[Downlink]:
        """Say of a new command for a device of ours when it can go."""
        device = self._roster.device(command.dev_eui)
        if device is None or device.device_class is DeviceClass.C:
            return []
        return self._commands.remark(command.id, now_s, WAITS)

    def transmitted(self, ended: Ended, now_s: float) -> list[Downlink]:
        """Take what became of a transmission; return the command it moved."""
        return self._answering.transmitted(ended, now_s)

    def rebook(self, transmission: Transmission, place: int) -> tuple[str, Changes]:
        """Book a later try of a transmission; return why it may not be ("" when it may)."""
        changes = Changes()
        return self._answering.rebook(transmission, place, changes), changes

    def watch(self, listens: Callable[[str], bool]) -> None:
        """Ask this whether a radio is there, before something is sent at once."""
        self._airwaves.watch(listens)

    def take_up(
        self,
        devices: Iterable[RadioDevice],
        sessions: Iterable[SessionRecord] = (),
        counters: Iterable[CounterRecord] = (),
    ) -> Changes:
        """Take the registry as it is now; a device that comes back counts on as it is stored."""
        return self._roster.take_up(devices, sessions, counters)

    def health(self, now_s: float) -> Mapping[str, Json]:
        """Return counts, strangers and airtime, for `bridge/health`."""
        return {
            "devices": len(self._roster),
            "counts": dict(self._counts),
            "transmissions": self._answering.health(),
            "strangers": self._strangers.health(),
            "airtime": self._airwaves.health(now_s),
        }

    def _is_copy(self, payload: bytes, received_s: float) -> bool:
        before_s = self._copies.pop(payload, None)
        self._copies[payload] = received_s
        while len(self._copies) > COPIES:
            self._copies.popitem(last=False)
        return before_s is not None and 0 <= received_s - before_s < COPY_S

    # --- LoRaWAN --------------------------------------------------------------------------

    def _take_lorawan(self, chance: Chance, payload: bytes) -> Taken:
        try:
            frame = decode(payload).frame
        except BadInput as error:
            return self._stranger("not_lorawan", error.reason, chance)
        if isinstance(frame, JoinRequest):
            return self._take_join(chance, payload, frame)
        if isinstance(frame, DataFrame):
            return self._take_data(chance, payload, frame)
        return self._stranger("not_lorawan", type(frame).__name__, chance)

    def _take_join(self, chance: Chance, payload: bytes, request: JoinRequest) -> Taken:
        try:
            joined = take_join_request(
                self._roster.joiners,
                payload,
                chance.received_s,
                chance.hearing(),
                net_id=self._net_id,
                taken=self._roster.sessions,
            )
        except BadInput as error:
            reason = "join_mic_failed" if error.reason == "mic_failed" else error.reason
            if reason in ADVICE:
                return self._stranger(reason, request.dev_eui, chance)
            raise
        self._counts["joins"] += 1
        taken = Taken()
        self._roster.joined(joined.device, joined.session, chance.radio.name, taken.changes)
        self._answering.accept(joined, chance, taken)
        info = self._roster.info(joined.device.dev_eui)
        if info is not None:
            identity = _identity(info.dev_eui, f"join/{request.dev_nonce}", chance.received_s)
            at_s = chance.received_s
            taken.events.append(Join(identity, info, at_s, at_s, joined.session.dev_addr))
        return taken

    def _take_data(self, chance: Chance, payload: bytes, frame: DataFrame) -> Taken:
        try:
            heard = open_uplink(self._roster.sessions, payload, chance.received_s, chance.hearing())
        except BadInput as error:
            if error.reason in ADVICE:
                return self._stranger(error.reason, frame.dev_addr, chance)
            raise
        taken = Taken()
        info = self._roster.info(heard.session.dev_eui)
        if info is None:
            return taken
        self._roster.heard(heard.session, chance.radio.name, taken.changes)
        if heard.is_retransmission:
            self._counts["retransmissions"] += 1
        else:
            # What it settles is no longer waited for when the next command goes out.
            taken.steps += self._settled(info, heard, chance.received_s)
            taken.events.append(_uplink(info, heard, chance))
        self._answering.answer(heard.session, chance, taken)
        return taken

    def _settled(self, info: DeviceInfo, heard: Heard, received_s: float) -> list[Downlink]:
        """Return the confirmed command of which the uplink says whether it arrived.

        A device answers the newest it heard; one before it that got no answer never gets one.
        """
        f_cnt = heard.acknowledged if heard.acknowledged is not None else heard.unacknowledged
        if f_cnt is None:
            return []
        waiting = [
            one
            for one in self._commands.open_for(info.dev_eui)
            if one.confirmed and one.state in {DownlinkState.SENT, DownlinkState.QUEUED}
        ]
        if not waiting:
            return []
        command = waiting[-1]
        acknowledged = heard.acknowledged is not None
        return self._commands.on_event(
            Ack(info, received_s, received_s, command.id, acknowledged, f_cnt)
        )

    # --- home-made nodes ------------------------------------------------------------------

    def _take_private(self, chance: Chance, payload: bytes) -> Taken:
        try:
            _, node_id = peek(payload)
        except BadInput as error:
            return self._stranger("not_lorawan", error.reason, chance)
        node = self._roster.node(node_id)
        info = self._roster.info(dev_eui_of(node_id))
        if node is None or info is None:
            return self._stranger("unknown_node", f"{node_id:08x}", chance)
        heard = open_private_frame(node, payload)
        taken = Taken()
        self._roster.node_heard(heard.node, info.dev_eui, chance.radio.name, taken.changes)
        taken.events.append(
            _event(
                info,
                chance,
                dev_addr=f"{node_id:08x}",
                f_cnt=heard.frame.counter,
                f_port=PRIVATE_PORT,
                data=heard.frame.payload,
            )
        )
        self._answering.answer_node(heard.node, info.dev_eui, chance, taken)
        return taken

    def _stranger(self, reason: str, who: str, chance: Chance) -> Taken:
        self._strangers.heard(reason, who, chance.received_s)
        return Taken()


def _uplink(info: DeviceInfo, heard: Heard, chance: Chance) -> Uplink:
    return replace(
        _event(
            info,
            chance,
            dev_addr=heard.session.dev_addr,
            f_cnt=heard.f_cnt,
            f_port=heard.frame.f_port or 0,
            data=heard.data,
        ),
        confirmed=heard.frame.confirmed,
        adr=heard.frame.adr,
    )


def _event(
    info: DeviceInfo, chance: Chance, *, dev_addr: str, f_cnt: int, f_port: int, data: bytes
) -> Uplink:
    hearing = chance.hearing()
    return Uplink(
        id=_identity(info.dev_eui, f"{dev_addr}/{f_cnt}", chance.received_s),
        device=info,
        time_s=chance.received_s,
        received_s=chance.received_s,
        dev_addr=dev_addr,
        f_cnt=f_cnt,
        f_port=f_port,
        data=data,
        object=None,
        receptions=_receptions(chance),
        frequency_hz=hearing.frequency_hz,
        spreading_factor=hearing.spreading_factor,
        bandwidth_hz=hearing.bandwidth_hz,
    )


def _receptions(chance: Chance) -> tuple[Reception, ...]:
    """Return how the radio heard it; one that tells not both of RSSI and SNR says nothing."""
    frame = chance.frame
    if frame is None or frame.rssi_dbm is None or frame.snr_db is None:
        return ()
    return (Reception(frame.gateway_id or chance.radio.name, frame.rssi_dbm, frame.snr_db),)


def _identity(dev_eui: DevEui, what: str, at_s: float) -> str:
    """Return an id that is the same for the same frame of the same hearing."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dev_eui}/{what}/{at_s!r}"))
