"""A farm's worth of records, and stores that are closed whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import StoreConfig
from gateway.store import Store, UplinkRecord
from gateway.types import Channel, DevEui, Reading, ReadingKind, Status, Verdict

EUI = DevEui("a84041000181c061")
START_S = 1_700_000_000.0
MakeUplink = Callable[..., UplinkRecord]
OpenStore = Callable[..., Store]


def _uplink(number: int, **changes: Any) -> UplinkRecord:  # noqa: ANN401 - any field
    """Make the `number`th uplink of a probe that speaks every 15 minutes."""
    dev_eui = changes.get("dev_eui", EUI)
    at_s = changes.get("time_s", START_S + 900 * number)
    moisture = Channel("soil.moisture")
    numeric = ReadingKind.NUMERIC
    base = {
        "uid": str(uuid.UUID(int=number + 1)),
        "dev_eui": dev_eui,
        "dev_addr": "01a2b3c4",
        "f_cnt": number,
        "time_s": at_s,
        "received_s": at_s + 0.25,
        "readings": (
            Reading(dev_eui, moisture, 30.5, "%", numeric, at_s, "water_SOIL"),
            Reading(dev_eui, Channel("valve.open"), True, "", ReadingKind.BOOLEAN, at_s, "open"),
            Reading(dev_eui, Channel("pulses"), 7, "", ReadingKind.COUNTER, at_s, "count"),
        ),
        "verdicts": (
            Verdict(dev_eui, moisture, at_s, 30.5, Status.OK, (28.0, 30.9, 33.5), 0.25, 0.5),
        ),
    }
    return UplinkRecord(**(base | changes))  # type: ignore[arg-type]


@pytest.fixture
def uplink() -> MakeUplink:
    return _uplink


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[OpenStore]:
    opened: list[Store] = []

    def open_(path: Path | None = tmp_path / "gateway.db", **options: Any) -> Store:  # noqa: ANN401
        store = Store.open(path, options.pop("config", StoreConfig()), **options)
        opened.append(store)
        return store

    yield open_
    for store in opened:
        await store.close()
