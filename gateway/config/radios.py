"""`[lorawan]` and `[radios.NAME]`: radios of our own."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.config.section import Port, Seconds, Section


class LorawanConfig(Section):
    """`[lorawan]`: for devices that a radio of our own serves, without a network server.

    `region` is where the devices are. `dwell` is whether the region's longest time on air holds
    for us: `auto` is as the region has it. `class_c_wait_s` is how long a device's answer to a
    confirmed command is waited for before it is sent the next.
    """

    region: Literal["EU868", "US915", "AS923", "AU915", "IN865", "CN470"] = "EU868"
    net_id: Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")] = "000000"
    dwell: Literal["auto", "on", "off"] = "auto"
    class_c_wait_s: Seconds = 15.0


class RadioConfig(Section):
    """`[radios.NAME]`: one board on a serial port, or packet forwarders that send to a UDP port.

    `port` is a path, best under /dev/serial/by-id, or `usb:VID:PID[:SERIAL]`. `baud` 0 and
    `sync_word` -1 are what the dialect usually has. `boot_s` is how long a board that resets when
    its port is opened may take to say its first word. Power is what the board is set to; with the
    antenna's gain it must stay within the region's limit. `hop_hz` are frequencies that our own
    board listens on in turn, `scan_spreading_factors` what it looks for in turn: one or the other,
    and each hears in part (`gateway.types.Hop` and `Scan` say how much).
    """

    dialect: Literal["board", "rn2483", "reyax", "rak811", "rnode", "semtech-udp"] = "board"
    port: str = ""
    baud: Annotated[int, Field(ge=0, le=2_000_000)] = 0
    boot_s: Annotated[float, Field(ge=0, le=30)] = 2.5
    dtr: bool = False
    rts: bool = False
    listen_host: str = "127.0.0.1"
    listen_port: Port = 1700
    frequency_hz: Annotated[int, Field(ge=100_000_000, le=3_000_000_000)] = 868_100_000
    spreading_factor: Annotated[int, Field(ge=5, le=12)] = 7
    bandwidth_hz: Annotated[int, Field(ge=7_800, le=1_700_000)] = 125_000
    coding_rate: Annotated[int, Field(ge=5, le=8)] = 5
    hop_hz: tuple[int, ...] = ()
    hop_dwell_ms: Annotated[int, Field(ge=1, le=600_000)] = 400
    scan_spreading_factors: tuple[int, ...] = ()
    sync_word: Annotated[int, Field(ge=-1, le=0xFF)] = -1
    power_dbm: Annotated[int, Field(ge=-20, le=33)] = 14
    antenna_gain_dbi: Annotated[float, Field(ge=-20, le=20)] = 0.0

    @property
    def exposed(self) -> bool:
        """Whether strangers on the network can speak to it."""
        if self.dialect != "semtech-udp" or self.listen_host == "localhost":
            return False
        try:
            return not ip_address(self.listen_host).is_loopback
        except ValueError:
            return True

    @model_validator(mode="after")
    def _wired(self) -> RadioConfig:
        if self.dialect != "semtech-udp" and not self.port:
            raise ValueError("a board needs its `port`: `lora-gateway detect` lists them")
        if self.hop_hz and self.scan_spreading_factors:
            raise ValueError("`hop_hz` and `scan_spreading_factors` exclude each other")
        return self
