"""The device book: who is known, what each last said, and whether a message is a repeat.

It lives in memory and is filled from the store, so it can be lost at any moment.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.config import Config
from gateway.errors import BadInput
from gateway.store import DeviceRecord, Reader
from gateway.types import Channel, DevEui, DeviceInfo, Reading, Uplink, Verdict

RECENT_IDS = 8192
"""How many newest message ids are remembered before the store is asked."""

SAME_FRAME_S = 3600.0
"""Within this time one device session cannot count the same frame twice: it is a repeat."""


@dataclass(slots=True)
class Device:
    """One device as far as the gateway knows it. `readings` holds each channel's newest."""

    info: DeviceInfo
    first_seen_s: float
    last_seen_s: float
    dev_addr: str = ""
    f_cnt: int = 0
    newest_s: float = 0.0
    newest_id: str = ""
    readings: dict[Channel, Reading] = field(default_factory=dict)
    verdicts: dict[Channel, Verdict] = field(default_factory=dict)
    restored: bool = False

    def record(self) -> DeviceRecord:
        """Return what the store keeps of it."""
        return DeviceRecord(
            info=self.info,
            first_seen_s=self.first_seen_s,
            last_seen_s=self.last_seen_s,
            dev_addr=self.dev_addr,
            f_cnt=self.f_cnt,
        )

    def note(self, message_id: str, time_s: float) -> None:
        """Keep the newest message that said something of the device."""
        if time_s >= self.newest_s:
            self.newest_s, self.newest_id = time_s, message_id

    def take(self, readings: Iterable[Reading], verdicts: Iterable[Verdict]) -> None:
        """Keep what is newer than what is there, channel by channel."""
        for reading in readings:
            known = self.readings.get(reading.channel)
            if known is None or known.time_s <= reading.time_s:
                self.readings[reading.channel] = reading
        for verdict in verdicts:
            last = self.verdicts.get(verdict.channel)
            if last is None or last.time_s <= verdict.time_s:
                self.verdicts[verdict.channel] = verdict


class DeviceBook:
    """Admits devices within the limits, names repeats, and remembers what each last said."""

    def __init__(self, config: Config, store: Reader) -> None:
        self._config = config
        self._store = store
        self._devices: dict[DevEui, Device] = {}
        self._admitted_s: deque[float] = deque()
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._frames: OrderedDict[str, float] = OrderedDict()
        for known in store.devices():
            self._devices[known.info.dev_eui] = Device(
                info=self._named(known.info),
                first_seen_s=known.first_seen_s,
                last_seen_s=known.last_seen_s,
                dev_addr=known.dev_addr,
                f_cnt=known.f_cnt or 0,
            )

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, dev_eui: DevEui) -> Device | None:
        """Return the device, or None when it was never heard."""
        return self._devices.get(dev_eui)

    def info_of(self, dev_eui: DevEui) -> DeviceInfo | None:
        """Return who a device is, None when it was never heard."""
        device = self._devices.get(dev_eui)
        return device.info if device is not None else None

    def channels(self) -> set[Channel]:
        """Return every channel that any device has told of lately."""
        return {channel for device in self._devices.values() for channel in device.readings}

    def admit(
        self, info: DeviceInfo, now_s: float, *, registered: bool = False
    ) -> tuple[Device, bool]:
        """Return the device and whether it is new, with its newest name, profile and tags.

        `registered`: somebody told us of it by `lora-gateway devices add`.

        Raises
        ------
        BadInput
            `unknown_device` when only configured ones are wanted; `too_many_devices` or
            `too_many_new_devices` when the limits are reached.

        """
        info = self._named(info)
        device = self._devices.get(info.dev_eui)
        if device is not None:
            device.info = info
            return device, False
        self._check_limits(info, now_s, registered=registered)
        device = Device(info=info, first_seen_s=now_s, last_seen_s=now_s)
        self._devices[info.dev_eui] = device
        return device, True

    def is_repeat(self, uplink: Uplink) -> bool:
        """Tell whether this uplink was taken before, and remember it if not.

        The same message id is a repeat for ever; the same frame of the same device session only
        within `SAME_FRAME_S`, for a device personalised by hand may start counting again.
        """
        if self.is_known(uplink.id):
            return True
        frame = f"{uplink.device.dev_eui}/{uplink.dev_addr}/{uplink.f_cnt}"
        since_s = uplink.time_s - SAME_FRAME_S
        heard_s = self._frames.get(frame)
        if heard_s is not None and heard_s >= since_s:
            return True
        if self._may_be_stored(uplink) and self._store.same_frame(
            uplink.device.dev_eui, uplink.dev_addr, uplink.f_cnt, since_s
        ):
            return True
        self._frames[frame] = uplink.time_s
        while len(self._frames) > RECENT_IDS:
            self._frames.popitem(last=False)
        return False

    def is_known(self, message_id: str) -> bool:
        """Tell whether an event's id was taken before, and remember it if not."""
        if message_id in self._recent or self._store.seen([message_id]):
            return True
        self._recent[message_id] = None
        while len(self._recent) > RECENT_IDS:
            self._recent.popitem(last=False)
        return False

    def _may_be_stored(self, uplink: Uplink) -> bool:
        """Spare the store the question for the usual frame, which counts on from the last."""
        device = self._devices.get(uplink.device.dev_eui)
        return (
            device is not None
            and device.dev_addr == uplink.dev_addr
            and device.f_cnt >= uplink.f_cnt
        )

    def _check_limits(self, info: DeviceInfo, now_s: float, *, registered: bool) -> None:
        limits = self._config.limits
        known = registered or info.dev_eui in self._config.devices
        if limits.known_devices_only and not known:
            raise BadInput("unknown_device", f"{info.dev_eui} is not in [devices]")
        if len(self._devices) >= limits.devices:
            raise BadInput("too_many_devices", f"limits.devices = {limits.devices}")
        while self._admitted_s and self._admitted_s[0] <= now_s - 60.0:
            self._admitted_s.popleft()
        if len(self._admitted_s) >= limits.new_devices_per_minute:
            raise BadInput(
                "too_many_new_devices",
                f"limits.new_devices_per_minute = {limits.new_devices_per_minute}",
            )
        self._admitted_s.append(now_s)

    def _named(self, info: DeviceInfo) -> DeviceInfo:
        settings = self._config.devices.get(info.dev_eui)
        if settings is None or not settings.name:
            return info
        return DeviceInfo(
            dev_eui=info.dev_eui,
            name=settings.name,
            profile_id=info.profile_id,
            profile=info.profile,
            application_id=info.application_id,
            application=info.application,
            tags=info.tags,
        )
