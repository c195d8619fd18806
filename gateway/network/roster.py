"""Who the radios serve: devices as they were registered, and their sessions and counters as of now.

The registry (`lora-gateway devices`) says who there is and holds root keys; sessions, used nonces
and counters are what the daemon adds. Both come together here, at the start and whenever the
registry changes. A device that comes back with the same keys goes on counting where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.codecs.lorawan import (
    Activation,
    AppSKey,
    CounterReset,
    DevAddr,
    JoinDevice,
    NwkSKey,
    PrivateNode,
    RxSettings,
    Session,
    SessionKeys,
    forget_nonces,
    from_record,
    region,
)
from gateway.codecs.lorawan.identity import AesKey
from gateway.errors import BadInput
from gateway.network.changes import Changes
from gateway.network.devices import Kind, RadioDevice
from gateway.store import CounterRecord, SessionRecord
from gateway.types import DevEui, DeviceInfo, Json

APPLICATION = "radio"
"""Stands where a network server names its application."""

KEY_BYTES = 16
ABP_STARTED_S = 0.0
"""The one session of a device personalised by hand."""


class Roster:
    """Devices by DevEUI, sessions by DevAddr, home-made nodes by id. No clock, no database."""

    def __init__(self, default_region: str) -> None:
        self._default_region = default_region
        self._devices: dict[DevEui, RadioDevice] = {}
        self._sessions: dict[DevAddr, list[Session]] = {}
        self._own: dict[DevEui, dict[float, Session]] = {}
        self._joiners: dict[DevEui, JoinDevice] = {}
        self._nodes: dict[int, PrivateNode] = {}
        self._marks: dict[DevEui, dict[str, Json]] = {}

    # --- reading --------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._devices)

    def __contains__(self, dev_eui: object) -> bool:
        return dev_eui in self._devices

    @property
    def sessions(self) -> Mapping[DevAddr, Sequence[Session]]:
        """Every session, by address."""
        return self._sessions

    @property
    def joiners(self) -> Mapping[DevEui, JoinDevice]:
        """Every device that may join."""
        return self._joiners

    def device(self, dev_eui: DevEui) -> RadioDevice | None:
        """Return a device as it was registered."""
        return self._devices.get(dev_eui)

    def node(self, node_id: int) -> PrivateNode | None:
        """Return a home-made node."""
        return self._nodes.get(node_id)

    def infos(self) -> list[DeviceInfo]:
        """Return who is registered."""
        return [info for one in self._devices if (info := self.info(one)) is not None]

    def info(self, dev_eui: DevEui) -> DeviceInfo | None:
        """Return who a device is, None when it is not registered."""
        device = self._devices.get(dev_eui)
        if device is None:
            return None
        return DeviceInfo(
            dev_eui=dev_eui,
            name=device.name,
            profile=device.profile,
            application_id=APPLICATION,
            application=APPLICATION,
            tags={"codec": device.codec} if device.codec else {},
        )

    def newest_session(self, dev_eui: DevEui) -> Session | None:
        """Return the session that a device has proven to use, else the one it was last given."""
        own = self._of(dev_eui)
        spoken = [one for one in own if one.f_cnt_up is not None]
        return max(spoken or own, key=lambda one: one.started_s, default=None)

    def radio_of(self, dev_eui: DevEui) -> str:
        """Return the radio that last heard a device, "" before it was heard."""
        return str(self._marks.get(dev_eui, {}).get("radio", ""))

    def _of(self, dev_eui: DevEui) -> list[Session]:
        return list(self._own.get(dev_eui, {}).values())

    # --- the registry ---------------------------------------------------------------------

    def take_up(
        self,
        devices: Iterable[RadioDevice],
        sessions: Iterable[SessionRecord] = (),
        counters: Iterable[CounterRecord] = (),
    ) -> Changes:
        """Take the registry as it is now; `sessions` and `counters` are what is stored.

        What is stored counts for a device that is new here, or comes back; of one that is served
        already, more is known. What is stored of a device that is not registered is left alone.
        """
        changes = Changes()
        wanted = {device.dev_eui: device for device in devices}
        for dev_eui in self._devices.keys() - wanted.keys():
            self._forget(dev_eui)
            self._marks.pop(dev_eui, None)
        stored: dict[DevEui, list[SessionRecord]] = {}
        for record in sessions:
            if record.dev_eui not in self._devices:
                stored.setdefault(record.dev_eui, []).append(record)
        self._marks.update(
            (record.dev_eui, dict(record.body))
            for record in counters
            if record.dev_eui in wanted and record.dev_eui not in self._devices
        )
        for device in wanted.values():
            if self._devices.get(device.dev_eui) != device:
                self._admit(device, stored.get(device.dev_eui, ()), changes)
        return changes

    def _forget(self, dev_eui: DevEui) -> None:
        device = self._devices.pop(dev_eui)
        self._joiners.pop(dev_eui, None)
        if device.node_id is not None:
            self._nodes.pop(device.node_id, None)
        for session in self._of(dev_eui):
            self._remove(session)

    def _admit(
        self, device: RadioDevice, stored: Sequence[SessionRecord], changes: Changes
    ) -> None:
        before = [*self._of(device.dev_eui), *_sessions(stored)]
        if device.dev_eui in self._devices:
            self._forget(device.dev_eui)
        self._devices[device.dev_eui] = device
        marks = self._marks_of(device)
        restarts = device.restart_s > float(marks.get("restart_s", 0.0))
        marks["restart_s"] = device.restart_s
        match device.kind:
            case Kind.OTAA:
                self._admit_joiner(device, before, forget=restarts)
            case Kind.ABP:
                self._place(self._abp_session(device, before, restarts=restarts), changes)
            case Kind.PRIVATE:
                self._admit_node(device, restarts=restarts)
        self._mark(device.dev_eui, changes)

    def _marks_of(self, device: RadioDevice) -> dict[str, Json]:
        """Return what is kept of a device, empty when its keys are not those it was kept with."""
        print_ = _fingerprint(device)
        marks = self._marks.get(device.dev_eui, {})
        if marks.get("keys") != print_:
            marks = {"keys": print_, "restart_s": device.restart_s}
        self._marks[device.dev_eui] = marks
        return marks

    def _admit_joiner(
        self, device: RadioDevice, before: Sequence[Session], *, forget: bool
    ) -> None:
        if device.app_key is None:
            return
        marks = self._marks[device.dev_eui]
        joiner = JoinDevice(
            dev_eui=device.dev_eui,
            app_key=device.app_key,
            region=self._region(device),
            join_eui=device.join_eui,
            nonce_policy=device.nonce_policy,
            dev_nonces=frozenset(marks.get("dev_nonces", ())),
            join_nonce=int(marks.get("join_nonce", 1)),
            device_class=device.device_class,
            rx1_dr_offset=device.rx1_dr_offset,
            rx2_data_rate=device.rx2_data_rate,
            rx2_frequency_hz=device.rx2_frequency_hz,
            rx_delay_s=device.rx_delay_s,
        )
        self._joiners[device.dev_eui] = forget_nonces(joiner) if forget else joiner
        for session in before:
            if session.activation is Activation.OTAA and marks.get("join_nonce"):
                self._put(replace(session, device_class=device.device_class))

    def _abp_session(
        self, device: RadioDevice, before: Sequence[Session], *, restarts: bool
    ) -> Session:
        if device.nwk_s_key is None or device.app_s_key is None or device.dev_addr is None:
            raise BadInput("invalid_record", f"{device.dev_eui} has no session keys")
        keys = SessionKeys(device.nwk_s_key, device.app_s_key)
        plan = region(self._region(device))
        fresh = Session(
            dev_eui=device.dev_eui,
            dev_addr=device.dev_addr,
            keys=keys,
            region=plan.name,
            rx=_rx(device, RxSettings.default(plan)),
            activation=Activation.ABP,
            device_class=device.device_class,
            counter_reset=device.counter_reset,
            started_s=ABP_STARTED_S,
            f_cnt_up=device.f_cnt_up,
        )
        same = [s for s in before if (s.keys, s.dev_addr) == (keys, device.dev_addr)]
        known = same[-1] if same else fresh
        reset = CounterReset.ONCE if restarts else known.counter_reset
        if device.counter_reset is CounterReset.ALWAYS:
            reset = CounterReset.ALWAYS
        return replace(
            fresh,
            counter_reset=reset,
            f_cnt_up=known.f_cnt_up,
            f_cnt_down=known.f_cnt_down,
            last=known.last,
            requests=known.requests,
            awaited_ack=known.awaited_ack,
        )

    def _admit_node(self, device: RadioDevice, *, restarts: bool) -> None:
        if device.node_id is None:
            return
        marks = self._marks[device.dev_eui]
        self._nodes[device.node_id] = PrivateNode(
            device.node_id,
            device.key,
            newest=marks.get("newest"),
            next_down=int(marks.get("next_down", 0)),
            may_restart=restarts
            or bool(marks.get("may_restart"))
            or device.counter_reset is CounterReset.ALWAYS,
        )

    def _region(self, device: RadioDevice) -> str:
        return device.region or self._default_region

    # --- what the air brings --------------------------------------------------------------

    def heard(self, session: Session, radio: str, changes: Changes) -> None:
        """Keep a session after its uplink; a device that speaks in a new one has left the old."""
        for other in self._of(session.dev_eui):
            if other.started_s < session.started_s:
                self._remove(other)
                changes.drop(other)
        self._place(session, changes)
        self._heard_by(session.dev_eui, radio, changes)

    def answered(self, session: Session, changes: Changes) -> None:
        """Keep a session after its downlink was built."""
        self._place(session, changes)

    def joined(self, device: JoinDevice, session: Session, radio: str, changes: Changes) -> None:
        """Keep a device and the session it was offered; an older offer that it never used goes."""
        self._joiners[device.dev_eui] = device
        marks = self._marks[device.dev_eui]
        marks["dev_nonces"] = sorted(device.dev_nonces)
        marks["join_nonce"] = device.join_nonce
        marks["radio"] = radio
        for other in self._of(device.dev_eui):
            if other.f_cnt_up is None:
                self._remove(other)
                changes.drop(other)
        self._place(session, changes)
        self._mark(device.dev_eui, changes)

    def node_heard(self, node: PrivateNode, dev_eui: DevEui, radio: str, changes: Changes) -> None:
        """Keep a home-made node after its uplink or its downlink."""
        self._nodes[node.node_id] = node
        marks = self._marks[dev_eui]
        marks["newest"], marks["next_down"] = node.newest, node.next_down
        marks["may_restart"] = node.may_restart
        marks["radio"] = radio or marks.get("radio", "")
        self._mark(dev_eui, changes)

    def _heard_by(self, dev_eui: DevEui, radio: str, changes: Changes) -> None:
        marks = self._marks[dev_eui]
        if marks.get("radio") != radio:
            marks["radio"] = radio
            self._mark(dev_eui, changes)

    def _mark(self, dev_eui: DevEui, changes: Changes) -> None:
        changes.counters[dev_eui] = dict(self._marks[dev_eui])

    def _place(self, session: Session, changes: Changes) -> None:
        self._put(session)
        changes.keep(session)

    def _put(self, session: Session) -> None:
        own = self._own.setdefault(session.dev_eui, {})
        before = own.get(session.started_s)
        if before is not None:
            self._remove(before)
        self._own.setdefault(session.dev_eui, {})[session.started_s] = session
        self._sessions.setdefault(session.dev_addr, []).append(session)

    def _remove(self, session: Session) -> None:
        """Take out the state of this session that is held, whichever it is."""
        own = self._own.get(session.dev_eui, {})
        held = own.pop(session.started_s, None)
        if held is None:
            return
        if not own:
            self._own.pop(session.dev_eui, None)
        group = self._sessions[held.dev_addr]
        group[:] = [one for one in group if one is not held]
        if not group:
            del self._sessions[held.dev_addr]


def _sessions(records: Iterable[SessionRecord]) -> list[Session]:
    found = []
    for record in sorted(records, key=lambda one: one.started_s):
        nwk_s_key, app_s_key = record.keys[:KEY_BYTES], record.keys[KEY_BYTES:]
        keys = SessionKeys(NwkSKey(AesKey(nwk_s_key)), AppSKey(AesKey(app_s_key)))
        found.append(from_record(record.body, keys))
    return found


def _rx(device: RadioDevice, default: RxSettings) -> RxSettings:
    return replace(
        default,
        rx1_delay_s=device.rx_delay_s,
        rx1_dr_offset=device.rx1_dr_offset,
        rx2_frequency_hz=device.rx2_frequency_hz or default.rx2_frequency_hz,
        rx2_data_rate=default.rx2_data_rate
        if device.rx2_data_rate is None
        else device.rx2_data_rate,
    )


def _fingerprint(device: RadioDevice) -> str:
    """Return what tells a device's keys from others without showing them."""
    keys = (device.app_key, device.nwk_s_key, device.app_s_key, device.key)
    digest = hashlib.sha256(device.kind.encode())
    for key in keys:
        digest.update(b"\0" if key is None else b"\1" + key.reveal())
    return digest.hexdigest()[:16]
