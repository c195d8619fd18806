"""The duty cycle holds, whatever is commanded."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import pytest
from lorawan_devices import EUI
from radio_farm import Settle, abp, node_of

from gateway.codecs.lorawan import DeviceClass

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
]

BAND_P_S = 360.0
"""869.4 to 869.65 MHz, where RX2 is: 10 % of an hour (EN 300 220-2, annex B)."""

LEFT_S = 4.5


def test_commands_wait_once_the_hour_s_share_of_the_air_is_used_up(settle: Settle) -> None:
    farm, air = settle()
    device = abp(EUI, 1, device_class=DeviceClass.C)
    node = node_of(air, device)
    farm.register(device)
    past_s = time.time() - 600.0
    with closing(sqlite3.connect(farm.daemon.database)) as connection, connection:
        connection.execute(
            "INSERT INTO radio_airtime (radio, band, start_s, end_s) VALUES ('board', 'P', ?, ?)",
            (past_s - (BAND_P_S - LEFT_S), past_s),
        )
    farm.start()

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
    assert air.next_sent(mark, 4.0) is None
    sent = air.sent()
    assert len(sent) == 2
    assert [node.read(one).frm_payload for one in sent] == [b"\x55" * 30] * 2
    assert sum(one.airtime_us for one in sent) / 1e6 <= LEFT_S
    used = farm.health()["network"]["airtime"]["board"]["P"]
    assert used["used_s"] <= used["allowed_s"] == BAND_P_S
    assert farm.command_states(EUI, commands[3]) == ["accepted"]
    assert farm.command_states(EUI, more) == ["accepted"]
