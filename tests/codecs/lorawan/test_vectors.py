"""Every vector of other people's LoRaWAN tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs.lorawan import AesKey, AppKey, AppSKey, NwkSKey
from gateway.codecs.lorawan.crypto import Direction, crypt_frm_payload, join_mic, session_keys
from gateway.codecs.lorawan.frames import (
    CFListFrequencies,
    DataFrame,
    JoinRequest,
    Proprietary,
    RejoinRequest,
    decode,
    decode_join_accept,
)
from gateway.codecs.lorawan.identity import to_wire
from gateway.codecs.lorawan.sealing import (
    mic_fits,
    open_join_accept,
    open_join_request,
    seal_join_accept,
    seal_join_request,
)
from gateway.errors import BadInput

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/lorawan/lorawan_vectors.json").read_text()
)["vectors"]


def of(kind: str, *needs: str) -> list[Any]:
    return [
        pytest.param(vector, id=f"{kind}-{number}")
        for number, vector in enumerate(VECTORS)
        if vector["kind"] == kind and all(vector.get(need) is not None for need in needs)
    ]


def key(text: str) -> AesKey:
    return AesKey.from_hex(text)


def data_frame(vector: dict[str, Any]) -> DataFrame:
    frame = decode(bytes.fromhex(vector["phypayload"])).frame
    assert isinstance(frame, DataFrame)
    return frame


def full_counter(vector: dict[str, Any], frame: DataFrame) -> int:
    return int(vector["fcnt32"] if vector.get("fcnt32") is not None else frame.f_cnt)


def test_no_vector_is_of_a_kind_that_nothing_here_reads() -> None:
    assert {vector["kind"] for vector in VECTORS} == {
        "data", "join_request", "join_accept", "session_keys_1_0", "structure",
    }  # fmt: skip


@pytest.mark.parametrize("vector", of("data"))
def test_a_data_frame_has_the_fields_that_its_vector_names(vector: dict[str, Any]) -> None:
    frame = data_frame(vector)
    down = vector.get("direction") == "down"
    assert frame.direction is (Direction.DOWN if down else Direction.UP)
    for name, found in (
        ("dev_addr", frame.dev_addr), ("fcnt", frame.f_cnt), ("fport", frame.f_port),
        ("fopts", frame.f_opts.hex()),
    ):  # fmt: skip
        assert vector.get(name, found) == found
    if "fctrl" in vector:
        assert frame.ack is bool(int(vector["fctrl"], 16) & 0x20)


@pytest.mark.parametrize("vector", of("data", "mic_valid", "nwk_s_key"))
def test_a_data_frames_mic_fits_as_its_vector_says(vector: dict[str, Any]) -> None:
    phy, frame = decode(bytes.fromhex(vector["phypayload"])), data_frame(vector)
    network = NwkSKey(key(vector["nwk_s_key"]))
    assert mic_fits(phy, frame, network, full_counter(vector, frame)) is vector["mic_valid"]
    assert not mic_fits(phy, frame, network, full_counter(vector, frame) + 65536)


@pytest.mark.parametrize("vector", of("data", "frm_plaintext_hex"))
def test_a_data_frame_decrypts_to_its_vectors_text_and_back(vector: dict[str, Any]) -> None:
    frame = data_frame(vector)
    name = "nwk_s_key" if frame.f_port == 0 else "app_s_key"
    secret = AppSKey(key(vector[name] or "00" * 16))
    args = (frame.direction, to_wire(frame.dev_addr), full_counter(vector, frame))
    plain = crypt_frm_payload(secret, *args, frame.frm_payload)
    assert plain.hex() == vector["frm_plaintext_hex"]
    assert crypt_frm_payload(secret, *args, plain) == frame.frm_payload


@pytest.mark.parametrize("vector", of("join_request"))
def test_a_join_request_is_read_checked_and_made_again(vector: dict[str, Any]) -> None:
    phy = decode(bytes.fromhex(vector["phypayload"]))
    request, secret = phy.frame, AppKey(key(vector["app_key"]))
    assert isinstance(request, JoinRequest)
    assert vector.get("join_eui", request.join_eui) == request.join_eui
    assert vector.get("dev_eui", request.dev_eui) == request.dev_eui
    assert vector.get("dev_nonce", f"{request.dev_nonce:04x}") == f"{request.dev_nonce:04x}"
    if vector["mic_valid"]:
        assert open_join_request(phy, secret) == request
        assert seal_join_request(request, secret).hex() == vector["phypayload"]
    elif vector["mic_valid"] is False:
        with pytest.raises(BadInput, match="mic_failed"):
            open_join_request(phy, secret)


@pytest.mark.parametrize("vector", of("join_accept"))
def test_a_join_accept_is_opened_and_sealed_as_its_vector_says(vector: dict[str, Any]) -> None:
    secret = AppKey(key(vector["app_key"]))
    sealed = vector["phypayload_encrypted"] or vector["phypayload_encrypted_derived"]
    accept = open_join_accept(decode(bytes.fromhex(sealed)), secret)
    assert vector.get("app_nonce", f"{accept.join_nonce:06x}") == f"{accept.join_nonce:06x}"
    assert vector.get("net_id", accept.net_id) == accept.net_id
    assert vector.get("dev_addr", accept.dev_addr) == accept.dev_addr
    if "cf_list_hz" in vector:
        assert accept.cf_list == CFListFrequencies(tuple(vector["cf_list_hz"]))
    if vector["phypayload_decrypted"] is not None:
        plain = bytes.fromhex(vector["phypayload_decrypted"])
        assert decode_join_accept(plain[1:-4]) == accept
        assert join_mic(secret, plain[:-4]) == plain[-4:]


@pytest.mark.parametrize("vector", of("join_accept", "cf_list_hz"))
def test_a_join_accept_sealed_here_is_the_same_bytes(vector: dict[str, Any]) -> None:
    secret = AppKey(key(vector["app_key"]))
    accept = open_join_accept(decode(bytes.fromhex(vector["phypayload_encrypted"])), secret)
    assert seal_join_accept(accept, secret).hex() == vector["phypayload_encrypted"]


@pytest.mark.parametrize("vector", of("session_keys_1_0"))
def test_session_keys_are_those_of_their_vector(vector: dict[str, Any]) -> None:
    network, application = session_keys(
        AppKey(key(vector["app_key"])),
        *(to_wire(vector[n]) for n in ("app_nonce", "net_id", "dev_nonce")),
    )
    assert network.reveal().hex() == vector["nwk_s_key"]
    assert application.reveal().hex() == vector["app_s_key"]


@pytest.mark.parametrize("vector", of("structure"))
def test_frames_of_other_kinds_are_told_apart(vector: dict[str, Any]) -> None:
    phy = decode(bytes.fromhex(vector["phypayload"]))
    kind = Proprietary if vector["expect"].startswith("Proprietary") else RejoinRequest
    assert isinstance(phy.frame, kind)
    assert phy.mic.hex() == vector["phypayload"][-8:]
