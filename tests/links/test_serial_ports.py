"""Ports are listed under names that survive unplugging."""

import os
from pathlib import Path

import pytest
from serial.tools import list_ports, list_ports_common

from gateway.links.serial_ports import serial_ports


def test_a_port_is_listed_under_its_stable_name_with_its_usb_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, end = os.openpty()
    name = os.ttyname(end)
    stable = tmp_path / "usb-Example_Radio_0001-if00"
    stable.symlink_to(name)
    port = list_ports_common.ListPortInfo(name)
    port.vid, port.pid, port.product = 0x1A86, 0x7523, "Radio"
    monkeypatch.setattr(list_ports, "comports", lambda: [port])
    try:
        (found,) = serial_ports(tmp_path)
    finally:
        os.close(board)
        os.close(end)
    assert (found.device, found.stable, found.usb) == (name, str(stable), "1a86:7523")
    assert found.product == "Radio"
    assert found.manufacturer == ""


def test_a_machine_without_ports_has_an_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    assert serial_ports(tmp_path / "missing") == []
