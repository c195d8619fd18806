"""What is known of one device's session: keys, counters, how it listens, what it is owed.

A `Session` never changes: every step gives a new one. **Store the new session before its frame, its
downlink or its join-accept is used**: `Heard`, `Answer` and `Joined` name it first for that reason.
A counter that was used and forgotten is a replay let in, or a key stream used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.codecs.lorawan.identity import DevAddr
from gateway.codecs.lorawan.mac_commands import DlChannelReq, LinkADRReq, MacCommand, NewChannelReq
from gateway.codecs.lorawan.regions import RECEIVE_DELAY1_S, Region
from gateway.codecs.lorawan.sealing import SessionKeys
from gateway.types import DevEui

MOST_ATTEMPTS = 8
"""A MAC request that was sent this often without an answer is given up."""

_MANY_AT_ONCE = (LinkADRReq, NewChannelReq, DlChannelReq)


class DeviceClass(StrEnum):
    """When a device listens: A after its uplinks, C always; B is not supported."""

    A = "A"
    C = "C"


class Activation(StrEnum):
    """How a device got its session: by hand, or by joining."""

    ABP = "abp"
    OTAA = "otaa"


class CounterReset(StrEnum):
    """What an operator said of an ABP device's uplink counter starting again.

    ONCE permits one reset and turns into NEVER by it. ALWAYS is for devices that forget their
    counter whenever their battery is changed. The keys stay the same, so after a reset whoever
    recorded frames of the earlier life can play those with a higher counter again; with ALWAYS,
    any of them at any time.
    """

    NEVER = "never"
    ONCE = "once"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Hearing:
    """How an uplink was heard. `end_s` is when it ended, POSIX seconds."""

    end_s: float
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    rssi_dbm: float | None = None
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class RxSettings:
    """How a device listens after an uplink, and the channels it was given beside the region's.

    `channels` are (index, Hz); `rx1_moved` are (uplink Hz, RX1 Hz) that DlChannelReq has set.
    """

    rx1_delay_s: int
    rx1_dr_offset: int
    rx2_frequency_hz: int
    rx2_data_rate: int
    downlink_dwell: bool
    channels: tuple[tuple[int, int], ...] = ()
    rx1_moved: tuple[tuple[int, int], ...] = ()

    @classmethod
    def default(cls, region: Region) -> RxSettings:
        """Return what a device of this region starts with."""
        return cls(
            rx1_delay_s=RECEIVE_DELAY1_S,
            rx1_dr_offset=0,
            rx2_frequency_hz=region.rx2_frequency_hz,
            rx2_data_rate=region.rx2_data_rate,
            downlink_dwell=region.dwell_default,
        )


@dataclass(frozen=True, slots=True)
class LastUplink:
    """The newest uplink, to know it again: SHA-256 of its PHYPayload, and how often it came."""

    digest: bytes
    heard_s: float
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """What the newest uplink asks for: an ACK bit, MAC answers, or any downlink at all."""

    ack: bool = False
    answers: tuple[MacCommand, ...] = ()
    sign_of_life: bool = False

    def __bool__(self) -> bool:
        return self.ack or bool(self.answers) or self.sign_of_life


@dataclass(frozen=True, slots=True)
class Request:
    """A MAC request of ours that the device has not answered yet."""

    command: MacCommand
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class AwaitedAck:
    """A confirmed downlink of ours that the device has not acknowledged yet."""

    f_cnt: int
    sent_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """One device's session. `repr` shows no key.

    `f_cnt_up` is the newest accepted uplink counter (32 bits), None before the first: set it for an
    ABP device that has already counted beyond 65535. `f_cnt_down` is the next to be used.
    `started_s` orders the sessions of one device: a newer one replaces the older with its first
    uplink, and not before (the join-accept may have been lost).
    """

    dev_eui: DevEui
    dev_addr: DevAddr
    keys: SessionKeys
    region: str
    rx: RxSettings
    activation: Activation = Activation.OTAA
    device_class: DeviceClass = DeviceClass.A
    counter_reset: CounterReset = CounterReset.NEVER
    started_s: float = 0.0
    f_cnt_up: int | None = None
    f_cnt_down: int = 0
    last: LastUplink | None = None
    owed: Owed = Owed()
    requests: tuple[Request, ...] = ()
    awaited_ack: AwaitedAck | None = None

    @property
    def has_something_to_say(self) -> bool:
        """Tell whether a downlink is due although nobody commanded one."""
        return bool(self.owed) or bool(self.requests)


def ask(session: Session, commands: Sequence[MacCommand]) -> Session:
    """Return the session with these MAC requests to be sent until they are answered.

    A request of a kind that sets one thing takes the place of an unanswered one of its kind.
    """
    kept = session.requests
    for command in commands:
        if not isinstance(command, _MANY_AT_ONCE):
            kept = tuple(r for r in kept if type(r.command) is not type(command))
        kept = (*kept, Request(command))
    return replace(session, requests=kept)
