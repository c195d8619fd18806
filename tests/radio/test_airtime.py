"""The duty cycle holds, whatever is commanded."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from lorawan_devices import EUI
from radio_farm import QUICK, RX2_US, Settle, abp, met, node_of

from gateway.codecs.lorawan import DeviceClass
from gateway.types import DevEui

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
]

BAND_P_S = 360.0
"""869.4 to 869.65 MHz, where RX2 is: 10 % of an hour (EN 300 220-2, annex B)."""

LEFT_S = 6.0
"""Enough for an acknowledgement and two commands at SF12."""

BAND_M_S = 36.0
"""868.0 to 868.6 MHz, where RX1 is: 1 %."""

VALVE = DevEui("70b3d57ed0000002")


def use_up(database: Path, **used_s: float) -> float:
    """Say that bands were on air for so long until ten minutes ago, and return when that was."""
    past_s = time.time() - 600.0
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO radio_airtime (radio, band, start_s, end_s) VALUES ('board', ?, ?, ?)",
            [(band, past_s - seconds, past_s) for band, seconds in used_s.items()],
        )
    return past_s


def test_commands_wait_once_the_hour_s_share_of_the_air_is_used_up(settle: Settle) -> None:
    farm, air = settle(more=QUICK)
    device, other = abp(EUI, 1, device_class=DeviceClass.C), abp(VALVE, 21)
    node, valve = node_of(air, device), node_of(air, other)
    farm.register(device, other)
    past_s = use_up(farm.daemon.database, P=BAND_P_S - LEFT_S, M=BAND_M_S)
    farm.start()

    long = farm.command(VALVE, hex="44" * 100, f_port=4)
    end_us, ack = valve.converse(confirmed=True)
    # RX1's band is used up and RX2 has no room for it: it waits, and the device gets its answer.
    assert met(end_us, ack, RX2_US) == RX2_US
    assert (valve.read(ack).ack, valve.read(ack).frm_payload) == (True, b"")
    farm.wait(f"device/{VALVE}/command/{long}", lambda body: "duty_cycle" in body["detail"])
    assert farm.command_states(VALVE, long) == ["accepted"]

    commands = [farm.command(EUI, hex="55" * 30, f_port=4) for _ in range(4)]
    farm.command_is(EUI, commands[0], "sent")
    farm.command_is(EUI, commands[1], "sent")
    waits = farm.wait(
        f"device/{EUI}/command/{commands[2]}", lambda body: "duty_cycle" in body["detail"]
    )
    assert waits["state"] == "accepted"
    earliest = re.search(r"not before (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", waits["detail"])
    assert earliest is not None
    again_s = time.mktime(time.strptime(earliest[1], "%Y-%m-%d %H:%M:%S")) - time.timezone
    # It may go when enough of what was stored has left the hour behind it.
    assert past_s - BAND_P_S + 3600.0 < again_s < past_s + 3600.0

    more = farm.command(EUI, hex="66", f_port=4)
    mark = len(air.events)
    assert air.next_sent(mark, 2.5) is None
    sent = air.sent()
    assert [node.read(one).frm_payload for one in sent[1:]] == [b"\x55" * 30] * 2
    assert sum(one.airtime_us for one in sent) / 1e6 <= LEFT_S
    used = farm.health()["network"]["airtime"]["board"]["P"]
    assert used["used_s"] <= used["allowed_s"] == BAND_P_S
    assert farm.command_states(EUI, commands[3]) == ["accepted"]
    assert farm.command_states(EUI, more) == ["accepted"]
