"""`chirpstack-api` is the oracle: what it encodes must decode to what its JSON does."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from chirpstack_api.integration import integration_pb2 as pb
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadInput
from gateway.types import Uplink

Vector = Callable[[str], dict[str, Any]]
Decode = Callable[..., Any]

MESSAGES: dict[str, Any] = {
    "docs_event_up": pb.UplinkEvent,
    "docs_event_join": pb.JoinEvent,
    "docs_event_ack": pb.AckEvent,
    "docs_event_txack": pb.TxAckEvent,
    "docs_event_log": pb.LogEvent,
    "docs_event_status": pb.StatusEvent,
    "docs_event_location": pb.LocationEvent,
    "real_up_no_object": pb.UplinkEvent,
    "real_log_uplink_codec": pb.LogEvent,
}


def kind_of(name: str) -> str:
    return name.split("_")[2] if name.startswith("docs") else name.split("_")[1]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("encoding", ["auto", "protobuf"])
def test_protobuf_and_json_of_one_event_are_the_same(
    vector: Vector, decode: Decode, name: str, encoding: str
) -> None:
    tree = vector(name)
    message = json_format.ParseDict(tree, MESSAGES[name]())
    # As the server writes JSON: the event's own defaults too.
    if kind_of(name) == "up":
        tree.setdefault("fCnt", 0)
    eui = tree["deviceInfo"]["devEui"]
    binary = decode(kind_of(name), message.SerializeToString(), eui=eui, encoding=encoding)
    assert binary == decode(kind_of(name), tree)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(tree=st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=6))
def test_any_object_survives_protobuf(decode: Decode, tree: dict[str, Any]) -> None:
    event = pb.UplinkEvent(deduplication_id="d")
    event.time.FromJsonString("2025-01-01T00:00:00Z")
    event.device_info.dev_eui = "0101010101010101"
    event.object.SetInParent()
    event.object.update(tree)
    up = decode("up", event.SerializeToString())
    assert isinstance(up, Uplink)
    assert up.object == tree


def test_what_json_cannot_hold_still_arrives(decode: Decode) -> None:
    event = pb.UplinkEvent(deduplication_id="d")
    event.time.FromJsonString("2025-01-01T00:00:00Z")
    event.device_info.dev_eui = "0101010101010101"
    event.object.update({"broken": math.nan, "fine": 1.5})
    up = decode("up", event.SerializeToString())
    assert up.object["fine"] == 1.5
    assert math.isnan(up.object["broken"])


def test_a_log_code_newer_than_our_copy_keeps_its_number(decode: Decode) -> None:
    event = pb.LogEvent(level=pb.ERROR, code=99)  # type: ignore[arg-type]
    event.time.FromJsonString("2025-01-01T00:00:00Z")
    event.device_info.dev_eui = "0101010101010101"
    log = decode("log", event.SerializeToString())
    assert (log.level, log.code) == ("ERROR", "99")


@pytest.mark.parametrize("stamp", [(-(2**62), 0), (2**62, 0), (1_700_000_000, -1)])
def test_a_protobuf_time_out_of_range_is_absurd(decode: Decode, stamp: tuple[int, int]) -> None:
    event = pb.JoinEvent()
    event.time.seconds, event.time.nanos = stamp
    event.device_info.dev_eui = "0101010101010101"
    with pytest.raises(BadInput, match="absurd_time"):
        decode("join", event.SerializeToString())


def test_the_codecs_do_not_import_protobuf_or_grpc_before_they_must() -> None:
    code = (
        "import sys, json, gateway.codecs; "
        "print(json.dumps([m for m in ('google.protobuf', 'chirpstack_api', 'grpc') "
        "if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == []


def test_protobuf_needs_no_grpc() -> None:
    code = (
        "import sys; from gateway.codecs.chirpstack_protobuf import event_tree; "
        "event_tree('up', b''); print('grpc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"
