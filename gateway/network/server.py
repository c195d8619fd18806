"""The network server's part for radios of our own: frames to events, and answers to the air.

::

    HeardFrame -> private? ---.                              .-> Uplink, Join, Ack  (as ChirpStack's)
                  join?    ---+-> roster, session -> Hearing +-> Changes   (same transaction)
                  data?    ---'                              `-> Transmission (after the commit)

Nothing here waits or is written. What a frame changes is in memory at once and in `Changes`; the
pipeline commits these with everything else of the batch, and only then sends: so a counter is
stored before it is used, and an answer is late rather than reckless.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.codecs.lorawan import Heard, Hearing, NetId, dev_eui_of, peek, take_join_request
from gateway.codecs.lorawan import take_private as open_private_frame
from gateway.codecs.lorawan import take_uplink as open_uplink
from gateway.codecs.lorawan.frames import DataFrame, JoinRequest, decode
from gateway.codecs.lorawan.private import Version
from gateway.control import DownlinkTracker
from gateway.errors import BadInput
from gateway.network.airwaves import Airwaves, Moment, Radio, Transmission
from gateway.network.answering import Answering
from gateway.network.changes import Changes
from gateway.network.roster import Roster
from gateway.network.strangers import Strangers
from gateway.types import (
    Ack,
    DevEui,
    DeviceEvent,
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

_PRIVATE = frozenset(version.value for version in Version)
_FOREIGN = frozenset({"unknown_dev_addr", "not_an_uplink"})


@dataclass(slots=True)
class Taken:
    """What one frame, or the passing of time, came to.

    `events` go the way of a network server's; `steps` are commands that got further.
    """

    events: list[DeviceEvent] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    transmissions: list[Transmission] = field(default_factory=list)
    steps: list[Downlink] = field(default_factory=list)


class NetworkServer:
    """Serves the devices of the roster over the radios of `airwaves`."""

    def __init__(
        self,
        roster: Roster,
        airwaves: Airwaves,
        commands: DownlinkTracker,
        *,
        net_id: str,
        class_c_wait_s: float,
    ) -> None:
        self._roster = roster
        self._airwaves = airwaves
        self._commands = commands
        self._net_id = NetId(net_id)
        self._answering = Answering(roster, airwaves, commands, class_c_wait_s)
        self._strangers = Strangers()
        self._copies: OrderedDict[bytes, float] = OrderedDict()
        self.counts = {"frames": 0, "copies": 0, "retransmissions": 0, "joins": 0}

    def hears(self, source: str) -> bool:
        """Tell whether a source is one of our radios."""
        return source in self._airwaves

    def serves(self, dev_eui: DevEui) -> bool:
        """Tell whether a device is reached over our radios."""
        return dev_eui in self._roster

    def info_of(self, dev_eui: DevEui) -> DeviceInfo | None:
        """Return who a registered device is."""
        return self._roster.info(dev_eui)

    def take(self, source: str, frame: HeardFrame, received_s: float, now_s: float) -> Taken:
        """Take one frame that a radio heard.

        Raises
        ------
        BadInput
            It is of a device of ours and cannot be taken: `replay`, `counter_gap`,
            `counter_reused`, `dev_nonce_used`, `unknown_join_eui`, `not_sealed`, or a reason of
            the frame's own make-up.

        """
        self.counts["frames"] += 1
        if self._is_copy(frame.payload, received_s):
            self.counts["copies"] += 1
            return Taken()
        heard = _Hearing(self._airwaves.get(source), frame, received_s, now_s)
        if frame.payload[:1] and frame.payload[0] in _PRIVATE:
            return self._take_private(heard)
        return self._take_lorawan(heard)

    def plan(self, now_s: float) -> Taken:
        """Return what is due without an uplink: commands for devices that always listen."""
        taken = Taken()
        self._answering.plan(now_s, taken)
        return taken

    def settle_restart(self, now_s: float) -> list[Downlink]:
        """Settle commands that were with a radio when the last run ended: was it sent or not?"""
        return self._answering.settle_restart(now_s)

    @property
    def answering(self) -> Answering:
        """What builds the way down; it is told how each transmission ended."""
        return self._answering

    def health(self, now_s: float) -> Mapping[str, Json]:
        """Return counts, strangers and airtime, for `bridge/health`."""
        return {
            "devices": len(self._roster),
            "counts": dict(self.counts),
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

    def _take_lorawan(self, heard: _Hearing) -> Taken:
        try:
            frame = decode(heard.frame.payload).frame
        except BadInput as error:
            self._strangers.heard("not_lorawan", error.reason, heard.received_s)
            return Taken()
        if isinstance(frame, JoinRequest):
            return self._take_join(heard, frame)
        if not isinstance(frame, DataFrame):
            self._strangers.heard("not_lorawan", type(frame).__name__, heard.received_s)
            return Taken()
        return self._take_data(heard, frame)

    def _take_join(self, heard: _Hearing, request: JoinRequest) -> Taken:
        try:
            joined = take_join_request(
                self._roster.joiners,
                heard.frame.payload,
                heard.received_s,
                heard.hearing(),
                net_id=self._net_id,
                taken=self._roster.sessions,
            )
        except BadInput as error:
            reason = "join_mic_failed" if error.reason == "mic_failed" else error.reason
            if reason in {"unknown_device", "join_mic_failed"}:
                self._strangers.heard(reason, request.dev_eui, heard.received_s)
                return Taken()
            raise
        self.counts["joins"] += 1
        taken = Taken()
        self._roster.joined(joined.device, joined.session, heard.radio.name, taken.changes)
        self._answering.accept(joined, heard.radio, heard.moment, heard.now_s, taken)
        info = self._roster.info(joined.device.dev_eui)
        if info is not None:
            identity = _identity(info.dev_eui, "join", str(joined.session.started_s))
            taken.events.append(
                Join(identity, info, heard.received_s, heard.received_s, joined.session.dev_addr)
            )
        return taken

    def _take_data(self, heard: _Hearing, frame: DataFrame) -> Taken:
        try:
            opened = open_uplink(
                self._roster.sessions, heard.frame.payload, heard.received_s, heard.hearing()
            )
        except BadInput as error:
            if error.reason in _FOREIGN or error.reason == "mic_failed":
                self._strangers.heard(error.reason, frame.dev_addr, heard.received_s)
                return Taken()
            raise
        taken = Taken()
        dev_eui = opened.session.dev_eui
        info = self._roster.info(dev_eui)
        if info is None:
            return taken
        self._roster.heard(opened.session, heard.radio.name, taken.changes)
        if opened.is_retransmission:
            self.counts["retransmissions"] += 1
        else:
            taken.events += self._acks(info, opened, heard.received_s)
            taken.events.append(_uplink(info, opened, heard))
            # What the acknowledgement settles is no longer waited for when the next goes out.
            for event in taken.events[:-1]:
                taken.steps += self._commands.on_event(event)
            taken.events = taken.events[-1:]
        self._answering.answer(opened.session, heard.radio, heard.moment, heard.now_s, taken)
        return taken

    def _acks(self, info: DeviceInfo, opened: Heard, received_s: float) -> list[DeviceEvent]:
        """Return what the uplink says of the confirmed command that the device was sent last."""
        settled = opened.acknowledged if opened.acknowledged is not None else opened.unacknowledged
        if settled is None:
            return []
        waiting = [
            one
            for one in self._commands.open_for(info.dev_eui)
            if one.confirmed and one.state in {DownlinkState.SENT, DownlinkState.QUEUED}
        ]
        return [
            Ack(
                device=info,
                time_s=received_s,
                received_s=received_s,
                queue_item_id=one.id,
                acknowledged=opened.acknowledged is not None,
                f_cnt_down=settled,
            )
            for one in waiting[:1]
        ]

    # --- home-made nodes ------------------------------------------------------------------

    def _take_private(self, heard: _Hearing) -> Taken:
        try:
            _, node_id = peek(heard.frame.payload)
        except BadInput as error:
            self._strangers.heard("not_lorawan", error.reason, heard.received_s)
            return Taken()
        node = self._roster.node(node_id)
        if node is None:
            self._strangers.heard("unknown_node", f"{node_id:08x}", heard.received_s)
            return Taken()
        opened = open_private_frame(node, heard.frame.payload)
        dev_eui = dev_eui_of(node_id)
        info = self._roster.info(dev_eui)
        taken = Taken()
        if info is None:
            return taken
        self._roster.node_heard(opened.node, dev_eui, heard.radio.name, taken.changes)
        counter = opened.frame.counter
        taken.events.append(
            _event(
                info,
                heard,
                identity=_identity(dev_eui, f"{counter}", f"{heard.received_s!r}"),
                dev_addr=f"{node_id:08x}",
                f_cnt=counter,
                f_port=PRIVATE_PORT,
                data=opened.frame.payload,
            )
        )
        self._answering.answer_node(opened.node, dev_eui, heard.radio, heard.moment, taken)
        return taken


PRIVATE_PORT = 1
"""Frames of home-made nodes have no port; codecs see this one."""


@dataclass(frozen=True, slots=True)
class _Hearing:
    """One frame with all that is known of how it came."""

    radio: Radio
    frame: HeardFrame
    received_s: float
    now_s: float

    @property
    def moment(self) -> Moment:
        """Return the moment that receive windows are counted from."""
        return Moment(self.received_s, self.frame)

    def hearing(self) -> Hearing:
        """Return it as LoRaWAN's functions want it."""
        return Hearing(
            end_s=self.received_s,
            frequency_hz=self.radio.frequency_hz(self.frame),
            spreading_factor=self.radio.spreading_factor(self.frame),
            bandwidth_hz=self.radio.bandwidth_hz(self.frame),
            rssi_dbm=self.frame.rssi_dbm,
            snr_db=self.frame.snr_db,
        )


def _uplink(info: DeviceInfo, opened: Heard, heard: _Hearing) -> Uplink:
    session = opened.session
    return _event(
        info,
        heard,
        identity=_identity(info.dev_eui, f"{session.dev_addr}/{opened.f_cnt}", f"{heard.received_s!r}"),
        dev_addr=session.dev_addr,
        f_cnt=opened.f_cnt,
        f_port=opened.frame.f_port or 0,
        data=opened.data,
        confirmed=opened.frame.confirmed,
        adr=opened.frame.adr,
    )


def _event(
    info: DeviceInfo,
    heard: _Hearing,
    *,
    identity: str,
    dev_addr: str,
    f_cnt: int,
    f_port: int,
    data: bytes,
    confirmed: bool = False,
    adr: bool = False,
) -> Uplink:
    return Uplink(
        id=identity,
        device=info,
        time_s=heard.received_s,
        received_s=heard.received_s,
        dev_addr=dev_addr,
        f_cnt=f_cnt,
        f_port=f_port,
        data=data,
        object=None,
        receptions=_receptions(heard),
        frequency_hz=heard.radio.frequency_hz(heard.frame),
        spreading_factor=heard.radio.spreading_factor(heard.frame),
        bandwidth_hz=heard.radio.bandwidth_hz(heard.frame),
        confirmed=confirmed,
        adr=adr,
    )


def _receptions(heard: _Hearing) -> tuple[Reception, ...]:
    """Return how the radio heard it; one that tells neither RSSI nor SNR says nothing."""
    frame = heard.frame
    if frame.rssi_dbm is None or frame.snr_db is None:
        return ()
    gateway = frame.gateway_id or heard.radio.name
    return (Reception(gateway, frame.rssi_dbm, frame.snr_db),)


def _identity(dev_eui: DevEui, what: str, when: str) -> str:
    """Return an id that is the same for the same frame of the same hearing."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dev_eui}/{what}/{when}"))
