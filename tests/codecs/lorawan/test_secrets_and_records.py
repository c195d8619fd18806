"""Keys never show, and a session is stored without them and comes back whole."""

import copy
import dataclasses
import json
import logging
import pickle

import pytest
from lorawan_devices import EUI, NOW_S, Device, Joiner, hearing, key, session_of

from gateway.codecs.lorawan import (
    AesKey,
    AppKey,
    Command,
    JoinDevice,
    NetId,
    PrivateNode,
    Session,
    answer,
    ask,
    from_record,
    take_join_request,
    take_uplink,
    to_record,
    windows,
)
from gateway.codecs.lorawan.mac_commands import DevStatusReq, NewChannelReq
from gateway.errors import BadInput

SECRETS = [key(n).reveal() for n in (1, 2, 3, 4)]


def lived() -> Session:
    session = ask(session_of(), [DevStatusReq(), NewChannelReq(3, 867_100_000, 0, 5)])
    window = windows(session, hearing())[0]
    session = answer(session, window, NOW_S, command=Command(1, b"x", confirmed=True)).session
    octets = Device(f_cnt=70_000).uplink(confirmed=True, f_opts=b"\x02\x0d\x07\x03")
    session = dataclasses.replace(session, f_cnt_up=69_000)
    heard = take_uplink({session.dev_addr: [session]}, octets, NOW_S, hearing())
    return dataclasses.replace(heard.session, awaited_ack=session.awaited_ack)


def shown() -> list[object]:
    device = JoinDevice(EUI, AppKey(key(3)), "EU868")
    octets = Joiner().request(1)
    joined = take_join_request({EUI: device}, octets, NOW_S, hearing(), net_id=NetId("000013"))
    heard = take_uplink({"26011bda": [session_of()]}, Device().uplink(), NOW_S, hearing())  # type: ignore[dict-item]
    sent = answer(heard.session, joined.windows[0], NOW_S)
    return [key(1), lived(), device, joined, heard, sent, PrivateNode(1, key(4)), Device()]


@pytest.mark.parametrize("value", shown(), ids=lambda value: type(value).__name__)
def test_no_key_is_in_what_a_value_shows(value: object, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", value, {"value": value})
    texts = [repr(value), str(value), f"{value}", caplog.text]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        tree = dataclasses.asdict(value)
        texts += [repr(tree), json.dumps(tree, default=repr, skipkeys=True)]
    for text in texts:
        assert "hidden" in text
        for secret in SECRETS:
            assert secret.hex() not in text.lower()
            assert repr(secret)[2:-1] not in text


def test_a_key_cannot_be_pickled_by_accident() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(session_of())


def test_a_key_is_equal_to_itself_alone() -> None:
    assert key(1) == AesKey(key(1).reveal()) == copy.deepcopy(key(1)) == copy.copy(key(1))
    assert len({key(1), AesKey(key(1).reveal()), key(2)}) == 2
    assert key(1) != key(1).reveal()


@pytest.mark.parametrize("text", ["", "secret", "00" * 15, "00" * 17, "zz" * 16, "０" * 32])
def test_a_wrong_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        AesKey.from_hex(text)
    assert refused.value.reason == "invalid_key"
    assert not text or text not in str(refused.value)
    with pytest.raises(BadInput, match="invalid_key"):
        AesKey(bytes(15))


def test_a_key_is_read_as_people_write_it() -> None:
    assert AesKey.from_hex("00:01 02-03" + "00" * 12).reveal() == bytes((0, 1, 2, 3)) + bytes(12)


def test_a_session_is_stored_without_keys_and_comes_back_whole() -> None:
    session = lived()
    assert session.owed.answers
    assert session.requests
    assert session.awaited_ack
    assert session.rx.channels
    text = json.dumps(to_record(session), allow_nan=False)
    assert not any(secret.hex() in text for secret in SECRETS)
    assert from_record(json.loads(text), session.keys) == session
    assert from_record(to_record(session_of()), session.keys) == session_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2}, {"dev_addr": None}, {"rx": {}}, {"last": ["zz", 0, 0]}, {"class": "B"},
        {"requests": [["ff", 0]]}, {"owed": None}, {"rx": {"surprise": 1}},
    ],
)  # fmt: skip
def test_a_damaged_record_is_bad_input(changes: dict[str, object]) -> None:
    record = {**to_record(session_of()), **changes}
    with pytest.raises(BadInput):
        from_record(record, session_of().keys)
