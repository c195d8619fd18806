"""Our own network server in a test's hands: registered devices, radios, commands, and a clock."""

from __future__ import annotations

import uuid
from dataclasses import replace

from lorawan_devices import ADDRESS, EUI, NOW_S, key

from gateway.codecs.lorawan import (
    AesKey,
    AppKey,
    AppSKey,
    DeviceClass,
    NwkSKey,
    region,
)
from gateway.codecs.lorawan.private import PrivateFrame, Version, dev_eui_of, seal_private
from gateway.config import DownlinkConfig
from gateway.control import DownlinkTracker
from gateway.network import (
    Airwaves,
    Changes,
    Ended,
    Kind,
    NetworkServer,
    Radio,
    RadioDevice,
    Roster,
    Taken,
    Transmission,
    batch_of,
)
from gateway.store import AirtimeRecord, CounterRecord, RadioBatch, SessionRecord
from gateway.types import (
    DevEui,
    Downlink,
    DownlinkState,
    HeardFrame,
    RadioSettings,
    TransmitOutcome,
)

RADIO = "barn"
NODE_ID = 0x00C0FFEE
NODE = dev_eui_of(NODE_ID)


def abp(**changes: object) -> RadioDevice:
    """Return a device personalised by hand, the one of `lorawan_devices`."""
    fields: dict[str, object] = {
        "dev_eui": EUI,
        "kind": Kind.ABP,
        "name": "Probe",
        "dev_addr": ADDRESS,
        "nwk_s_key": NwkSKey(key(1)),
        "app_s_key": AppSKey(key(2)),
    }
    return RadioDevice(**{**fields, **changes})  # type: ignore[arg-type]


def otaa(**changes: object) -> RadioDevice:
    """Return a device that joins, the one of `lorawan_devices.Joiner`."""
    fields: dict[str, object] = {"dev_eui": EUI, "kind": Kind.OTAA, "app_key": AppKey(key(3))}
    return RadioDevice(**{**fields, **changes})  # type: ignore[arg-type]


def private(secret: AesKey | None = None, **changes: object) -> RadioDevice:
    """Return a home-made node."""
    fields: dict[str, object] = {
        "dev_eui": NODE,
        "kind": Kind.PRIVATE,
        "node_id": NODE_ID,
        "key": secret,
    }
    return RadioDevice(**{**fields, **changes})  # type: ignore[arg-type]


def private_frame(counter: int, payload: bytes, secret: AesKey | None) -> bytes:
    """Return what a home-made node sends."""
    version = Version.PLAIN if secret is None else Version.SEALED_UP
    return seal_private(PrivateFrame(version, NODE_ID, counter, payload), secret)


def radio(name: str = RADIO, **changes: object) -> Radio:
    """Return a radio that can time, on 868.1 MHz at SF7."""
    fields: dict[str, object] = {
        "name": name,
        "region": region("EU868"),
        "settings": RadioSettings(868_100_000),
        "times": True,
    }
    return Radio(**{**fields, **changes})  # type: ignore[arg-type]


class Network:
    """A server whose commits survive `restart`, which builds a new one from what was committed."""

    def __init__(self, *devices: RadioDevice, radios: tuple[Radio, ...] = (radio(),)) -> None:
        self.now_s = NOW_S
        self.registered = list(devices)
        self.radios = radios
        self.sessions: dict[tuple[DevEui, float], SessionRecord] = {}
        self.counters: dict[DevEui, CounterRecord] = {}
        self.airtime: list[AirtimeRecord] = []
        self.commands = DownlinkTracker(DownlinkConfig())
        self.objection = ""
        self._build()

    def _build(self) -> None:
        roster = Roster("EU868")
        airwaves = Airwaves(self.radios, self.airtime)
        self.server = NetworkServer(
            roster,
            airwaves,
            self.commands,
            net_id="000000",
            class_c_wait_s=15.0,
            clear=self._clear,
        )
        self.roster = roster
        self.commit(roster.take_up(self.registered, self.sessions.values(), self.counters.values()))

    def _clear(self, identity: str, now_s: float) -> tuple[Downlink | None, list[Downlink]]:
        if self.objection:
            return None, self.commands.failed(identity, now_s, self.objection)
        return self.commands.get(identity), []

    def restart(self) -> list[Downlink]:
        """Begin again from what was committed, commands included; return what that settled."""
        open_ = self.commands.open()
        self.commands = DownlinkTracker(DownlinkConfig())
        self.commands.restore(open_)
        self._build()
        return self.server.settle_restart(self.now_s)

    def commit(self, changes: Changes) -> RadioBatch:
        """Keep what the store would keep."""
        batch = batch_of([changes])
        self.sessions.update({(one.dev_eui, one.started_s): one for one in batch.sessions})
        for slot in batch.dropped:
            self.sessions.pop(slot, None)
        self.counters.update({one.dev_eui: one for one in batch.counters})
        self.airtime.extend(batch.airtime)
        return batch

    def hear(self, payload: bytes, *, on: str = RADIO, **fields: object) -> Taken:
        """Let a radio hear a frame now."""
        more: dict[str, object] = {
            "rssi_dbm": -90.0,
            "snr_db": 6.0,
            "frequency_hz": 868_100_000,
            "spreading_factor": 7,
            "bandwidth_hz": 125_000,
            "counter_us": 5_000_000,
        }
        frame = HeardFrame(payload, **{**more, **fields})  # type: ignore[arg-type]
        taken = self.server.take(on, frame, self.now_s, self.now_s)
        self.commit(taken.changes)
        return taken

    def plan(self) -> Taken:
        """Let time alone do what is due."""
        taken = self.server.plan(self.now_s)
        self.commit(taken.changes)
        return taken

    def command(
        self,
        data: bytes = b"\x01",
        *,
        dev_eui: DevEui = EUI,
        f_port: int = 10,
        confirmed: bool = False,
    ) -> str:
        """Accept a command for a device."""
        made = Downlink(
            id=str(uuid.uuid4()),
            dev_eui=dev_eui,
            application_id="radio",
            f_port=f_port,
            data=data,
            object=None,
            confirmed=confirmed,
            expires_s=self.now_s + 86_400,
            created_s=self.now_s,
            changed_s=self.now_s,
            state=DownlinkState.ACCEPTED,
        )
        self.commands.add(made)
        self.server.welcome(made, self.now_s)
        return made.id

    def ended(
        self, transmission: Transmission, outcome: TransmitOutcome, detail: str = ""
    ) -> list[Downlink]:
        """Let the radio say what became of a transmission."""
        return self.server.transmitted(Ended(transmission, outcome, detail), self.now_s)

    def sent(self, taken: Taken) -> Transmission:
        """Let the radio have sent the one transmission of a step, and return it."""
        (transmission,) = taken.transmissions
        self.ended(transmission, TransmitOutcome.SENT)
        return transmission

    def state(self, identity: str) -> DownlinkState | None:
        """Return how far a command is; None once it is no longer followed."""
        found = self.commands.get(identity)
        return found.state if found is not None else None

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


def class_c(device: RadioDevice) -> RadioDevice:
    """Return the device as one that always listens."""
    return replace(device, device_class=DeviceClass.C)
