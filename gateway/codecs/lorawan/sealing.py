"""Keys put to work on frames: MICs set and checked, payloads encrypted and decrypted.

What leaves here is ready for the air; what comes out of `unseal` and the `open_` functions is
proven to be of somebody who holds the key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.codecs.lorawan.crypto import (
    MIC_BYTES,
    crypt_frm_payload,
    data_mic,
    decrypt_join_accept,
    encrypt_join_accept,
    join_mic,
    same,
)
from gateway.codecs.lorawan.frames import (
    MAX_F_CNT,
    DataFrame,
    JoinAccept,
    JoinRequest,
    Phy,
    SealedJoinAccept,
    decode_join_accept,
    encode,
    encode_join_accept,
)
from gateway.codecs.lorawan.identity import AppKey, AppSKey, NwkSKey, to_wire
from gateway.errors import BadInput


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Both keys of a session."""

    nwk_s_key: NwkSKey
    app_s_key: AppSKey


def mic_fits(phy: Phy, frame: DataFrame, key: NwkSKey, f_cnt: int) -> bool:
    """Tell whether a data frame's MIC is right for this key and this full counter."""
    if not 0 <= f_cnt <= MAX_F_CNT:
        return False
    expected = data_mic(key, frame.direction, to_wire(frame.dev_addr), f_cnt, phy.signed)
    return same(expected, phy.mic)


def seal(frame: DataFrame, f_cnt: int, keys: SessionKeys) -> bytes:
    """Encrypt a plain data frame's payload and sign it, with the full counter `f_cnt`.

    Raises
    ------
    BadInput
        `too_long` for one LoRa packet, or `out_of_range` when `f_cnt` is not that of the frame.

    """
    if not 0 <= f_cnt <= MAX_F_CNT or f_cnt & 0xFFFF != frame.f_cnt:
        raise BadInput("out_of_range", f"f_cnt {f_cnt} is not that of the frame, {frame.f_cnt}")
    signed = encode(crypted(frame, f_cnt, keys))
    mic = data_mic(keys.nwk_s_key, frame.direction, to_wire(frame.dev_addr), f_cnt, signed)
    return signed + mic


def crypted(frame: DataFrame, f_cnt: int, keys: SessionKeys) -> DataFrame:
    """Return the frame with its payload turned over, plain to encrypted or back.

    FPort 0 belongs to the network, so its key is the NwkSKey (LoRaWAN 1.0.3, section 4.3.3).
    """
    if not frame.frm_payload:
        return frame
    key = keys.nwk_s_key if frame.f_port == 0 else keys.app_s_key
    address = to_wire(frame.dev_addr)
    payload = crypt_frm_payload(key, frame.direction, address, f_cnt, frame.frm_payload)
    return replace(frame, frm_payload=payload)


def unseal(phy: Phy, f_cnt: int, keys: SessionKeys) -> DataFrame:
    """Check a data frame's MIC and return it with its payload in plain.

    Raises
    ------
    BadInput
        `not_a_data_frame`, or `mic_failed`.

    """
    if not isinstance(phy.frame, DataFrame):
        raise BadInput("not_a_data_frame", type(phy.frame).__name__)
    if not mic_fits(phy, phy.frame, keys.nwk_s_key, f_cnt):
        raise BadInput("mic_failed", f"DevAddr {phy.frame.dev_addr}")
    return crypted(phy.frame, f_cnt, keys)


def seal_join_request(request: JoinRequest, key: AppKey) -> bytes:
    """Return the PHYPayload a device sends to join."""
    signed = encode(request)
    return signed + join_mic(key, signed)


def open_join_request(phy: Phy, key: AppKey) -> JoinRequest:
    """Check a join-request's MIC and return it.

    Raises
    ------
    BadInput
        `not_a_join_request`, or `mic_failed`.

    """
    if not isinstance(phy.frame, JoinRequest):
        raise BadInput("not_a_join_request", type(phy.frame).__name__)
    if not same(join_mic(key, phy.signed), phy.mic):
        raise BadInput("mic_failed", f"join-request of {phy.frame.dev_eui}")
    return phy.frame


def seal_join_accept(accept: JoinAccept, key: AppKey) -> bytes:
    """Return the PHYPayload that lets a device in."""
    signed = encode_join_accept(accept)
    return signed[:1] + encrypt_join_accept(key, signed[1:] + join_mic(key, signed))


def open_join_accept(phy: Phy, key: AppKey) -> JoinAccept:
    """Decrypt a join-accept, check its MIC and return it: the device's side.

    Raises
    ------
    BadInput
        `not_a_join_accept`, `mic_failed`, or `unknown_cf_list`.

    """
    if not isinstance(phy.frame, SealedJoinAccept):
        raise BadInput("not_a_join_accept", type(phy.frame).__name__)
    plain = decrypt_join_accept(key, phy.frame.ciphertext)
    body, mic = plain[:-MIC_BYTES], plain[-MIC_BYTES:]
    if not same(join_mic(key, phy.signed[:1] + body), mic):
        raise BadInput("mic_failed", "join-accept")
    return decode_join_accept(body)
