"""What goes in comes out, whatever strangers name their channels."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from gateway.store import encoding
from gateway.store.encoding import Spec
from gateway.types import (
    Alert,
    Care,
    Channel,
    Comment,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    Reading,
    ReadingKind,
    Reason,
    Severity,
    Status,
    Verdict,
)

EUI = DevEui("a84041000181c061")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.floats(0, 4e9)
READINGS = st.lists(
    st.builds(
        Reading,
        dev_eui=st.just(EUI),
        channel=ANY_TEXT.map(Channel),
        value=st.one_of(st.booleans(), st.integers(), FINITE, ANY_TEXT),
        unit=st.sampled_from(["", "%", "°C"]),
        kind=st.sampled_from(ReadingKind),
        time_s=st.one_of(st.just(1_700_000_000.0), TIMES),
        key=ANY_TEXT,
    ),
    max_size=8,
)


def through(readings: list[Reading]) -> tuple[Reading, ...]:
    specs: list[Spec] = []

    def ref(spec: Spec) -> int | Spec:
        if not all(map(encoding.is_unicode, spec)):
            return spec
        if spec not in specs:
            specs.append(spec)
        return specs.index(spec)

    text = encoding.to_json(encoding.encode_readings(readings, 1_700_000_000.0, ref))
    assert text.isascii()
    return encoding.decode_readings(text, EUI, 1_700_000_000.0, specs.__getitem__)


@given(READINGS)
def test_readings_come_back_exactly(readings: list[Reading]) -> None:
    back = through(readings)
    assert back == tuple(readings)
    assert [type(item.value) for item in back] == [type(item.value) for item in readings]


@given(st.one_of(st.uuids().map(str), st.uuids().map(lambda u: str(u).upper()), ANY_TEXT))
def test_ids_come_back_exactly(uid: str) -> None:
    assert encoding.decode_uid(encoding.encode_uid(uid)) == uid


@given(st.lists(ANY_TEXT, unique=True))
def test_different_ids_are_stored_differently(uids: list[str]) -> None:
    assert len({encoding.encode_uid(uid) for uid in uids}) == len(uids)


def verdict_of(reading: Reading, **changes: object) -> Verdict:
    base: dict[str, object] = {
        "dev_eui": EUI,
        "channel": reading.channel,
        "time_s": reading.time_s,
        "observed": float(reading.value),
        "status": Status.OK,
    }
    return Verdict(**(base | changes))  # type: ignore[arg-type]


def verdict_through(verdict: Verdict, readings: list[Reading]) -> Verdict:
    text = encoding.to_json(encoding.encode_verdicts([verdict], readings))
    return encoding.decode_verdicts(text, EUI, readings)[0]


READING = Reading(EUI, Channel("air.temperature"), 21, "°C", ReadingKind.NUMERIC, 5.0, "t")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_verdict_keeps_seven_digits(figure: float) -> None:
    back = verdict_through(verdict_of(READING, score=figure, heads={"a": figure}), [READING])
    assert back.score is not None
    assert math.isclose(back.score, figure, rel_tol=5e-7)
    assert back.heads == {"a": back.score}


def test_a_verdict_comes_back_with_its_reading() -> None:
    verdict = verdict_of(
        READING, expected=(1.5, 2.5, 3.5), score=5.25, p_value=1e-5, pattern="level"
    )
    assert verdict_through(verdict, [READING]) == verdict


def test_a_verdict_without_its_reading_comes_back_too() -> None:
    verdict = verdict_of(READING, observed=0.1 + 0.2, status=Status.WARMING)
    assert verdict_through(verdict, [READING]) == verdict
    assert verdict_through(verdict, []) == verdict


def test_figures_that_are_not_finite_are_left_out() -> None:
    verdict = verdict_of(READING, score=math.inf, p_value=0.0, heads={"a": math.nan, "b": 1.0})
    assert verdict_through(verdict, [READING]) == verdict_of(READING, p_value=0.0, heads={"b": 1.0})


def test_an_alert_comes_back_exactly() -> None:
    reason = Reason(Channel("soil.moisture"), 41.8, (28.0, 30.9, 33.5), 0.71, 2e-6, "%")
    alert = Alert(
        id="x",
        dev_eui=EUI,
        rule="model",
        kind="leak",
        cause="environment",
        severity=Severity.WARNING,
        title="North field: moisture rising",
        advice="Check valve 2",
        reason=(reason, Reason(Channel("valve.open"), value := False, None, 0.29, None)),
        first_seen_s=1.5,
        last_seen_s=2.5,
        peers=(EUI,),
        care=Care(
            told_s=1.5,
            loudest=Severity.WARNING,
            comments=(Comment("anna", 2.0, "on my way"), Comment("", 2.5, "")),
            recurred=2,
        ),
    )
    back = encoding.decode_alert(encoding.encode_alert(alert))
    assert back == alert
    assert back.reason[1].observed is value


def test_an_alert_of_an_older_version_comes_back() -> None:
    alert = Alert("x", EUI, "model", "leak", "", Severity.INFO, "", "", (), 1.0, 2.0)
    body = json.loads(encoding.encode_alert(alert))
    del body["care"]
    assert encoding.decode_alert(json.dumps(body)) == alert


def test_a_downlink_comes_back_exactly() -> None:
    downlink = Downlink(
        id="d",
        dev_eui=EUI,
        application_id="app",
        f_port=2,
        data=b"\x00\x01",
        object=MappingProxyType({"valve": {"open": True}}),
        confirmed=True,
        expires_s=9.0,
        created_s=1.0,
        changed_s=2.0,
        state=DownlinkState.SENT,
        by="hand",
    )
    row = (EUI, "sent", 2.0, b"\x00\x01", encoding.encode_downlink(downlink))
    assert encoding.decode_downlink(("d", *row)) == downlink


def test_a_device_comes_back_exactly() -> None:
    info = DeviceInfo(EUI, "Süd\ud800", tags=MappingProxyType({"row": "7"}))
    assert encoding.decode_info(encoding.encode_info(info), EUI) == info
