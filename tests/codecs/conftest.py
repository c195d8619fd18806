import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs import TopicTemplate, decode_event
from gateway.codecs.chirpstack_events import Encoding
from gateway.config import ChirpStackConfig, LimitsConfig
from gateway.types import DeviceEvent

VECTORS = Path(__file__).parent.parent / "vectors" / "chirpstack"
EUI = "0101010101010101"
RECEIVED_S = 1_800_000_000.0

Decode = Callable[..., DeviceEvent]


@pytest.fixture
def vector() -> Callable[[str], dict[str, Any]]:
    """Read one event of tests/vectors/chirpstack."""
    return lambda name: json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def decode() -> Decode:
    """Decode a body (bytes, or a tree to be written as JSON) as the gateway would by default."""
    template = TopicTemplate(ChirpStackConfig().event_topic)

    def run(
        kind: str,
        body: object,
        *,
        eui: str | None = None,
        encoding: Encoding = "auto",
        received_s: float = RECEIVED_S,
        limits: LimitsConfig | None = None,
    ) -> DeviceEvent:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        if eui is None:
            eui = body["deviceInfo"]["devEui"] if isinstance(body, dict) else EUI
        return decode_event(
            f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{eui}/event/{kind}",
            payload,
            received_s,
            template=template,
            encoding=encoding,
            limits=limits or LimitsConfig(),
        )

    return run
