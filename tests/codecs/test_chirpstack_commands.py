import base64
import json

from chirpstack_api.integration import integration_pb2 as pb
from chirpstack_events import up
from google.protobuf import json_format

from gateway.codecs import ServerEvents, TopicTemplate, encode_down
from gateway.config import LimitsConfig
from gateway.types import Delivery, DevEui, Downlink, DownlinkState

UUID = "0f7f6c1e-6f6e-4c5e-9d42-0d6f7f2a9a01"


def downlink(**changes: object) -> Downlink:
    fields: dict[str, object] = {
        "id": UUID,
        "dev_eui": DevEui("0102030405060708"),
        "application_id": "a",
        "f_port": 10,
        "data": b"\x01\xff",
        "object": None,
        "confirmed": True,
        "expires_s": 1658136855.5,
        "created_s": 0.0,
        "changed_s": 0.0,
        "state": DownlinkState.ACCEPTED,
    }
    return Downlink(**(fields | changes))  # type: ignore[arg-type]


def test_a_downlink_of_bytes_is_what_the_server_takes() -> None:
    assert json.loads(encode_down(downlink())) == {
        "id": UUID,
        "devEui": "0102030405060708",
        "confirmed": True,
        "fPort": 10,
        "data": base64.b64encode(b"\x01\xff").decode(),
        "expiresAt": "2022-07-18T09:34:15.500Z",
    }


def test_an_object_goes_instead_of_data() -> None:
    body = json.loads(encode_down(downlink(object={"valve": "öffnen"}, data=b"")))
    assert body["object"] == {"valve": "öffnen"}
    assert "data" not in body


def test_the_servers_own_definition_reads_the_command() -> None:
    command = json_format.Parse(encode_down(downlink()), pb.DownlinkCommand())
    assert command.id == UUID
    assert command.dev_eui == "0102030405060708"
    assert (command.data, command.f_port, command.confirmed) == (b"\x01\xff", 10, True)
    assert command.expires_at.ToMilliseconds() == 1658136855500


def test_in_protobuf_it_is_the_same_command() -> None:
    for one in (downlink(), downlink(object={"valve": {"minutes": 5}}, data=b"")):
        plain = json_format.Parse(encode_down(one), pb.DownlinkCommand())
        assert pb.DownlinkCommand.FromString(encode_down(one, "protobuf")) == plain


def test_commands_go_in_the_encoding_of_the_newest_event() -> None:
    topic, body = up("0102030405060708", 1, 1.7e9, {"x": 1})
    binary = json_format.ParseDict(json.loads(body), pb.UplinkEvent()).SerializeToString()
    template = TopicTemplate("application/{application_id}/device/{dev_eui}/event/{event}")
    events = ServerEvents(template, "auto", LimitsConfig())
    assert events.speaks == "json"
    events(Delivery("chirpstack", topic, binary, 1.7e9, qos=0))
    assert events.speaks == "protobuf"
    events(Delivery("chirpstack", topic, body, 1.7e9, qos=0))
    assert events.speaks == "json"
    assert ServerEvents(template, "protobuf", LimitsConfig()).speaks == "protobuf"
