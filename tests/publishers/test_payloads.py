"""Every payload validates against the schema that ships for it."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.control.programs.runs import LegState
from gateway.publishers import alert_payloads, contract, payloads, values
from gateway.types import (
    QUANTILES,
    Alert,
    AlertEvent,
    Care,
    Channel,
    Comment,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    EventType,
    Forecast,
    GroupCommandView,
    Json,
    LegView,
    ProgramView,
    Reading,
    ReadingKind,
    Reason,
    Severity,
    Status,
    Verdict,
)

WORDS = st.sampled_from(["soil", "air", "moisture", "value", "time", "id", "device", "name",
                         "reading", "radio", "rssi", "", "a", "b", "Ünits"])  # fmt: skip
CHANNELS = st.lists(WORDS, min_size=1, max_size=4).map(lambda words: Channel(".".join(words)))
EUIS = st.integers(0, 2**64 - 1).map(lambda n: DevEui(f"{n:016x}"))
TIMES = st.floats(-1e12, 1e13) | st.just(math.nan)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
SCALARS = FLOATS | st.integers(-(2**63), 2**63) | st.booleans() | st.text(max_size=20)
EXPECTED = st.none() | st.tuples(FLOATS, FLOATS, FLOATS)
P_VALUES = st.none() | st.floats(0, 1)
INFOS = st.builds(DeviceInfo, dev_eui=EUIS, name=st.text(max_size=20), profile=st.text(max_size=20))
READINGS = st.lists(
    st.builds(Reading, dev_eui=EUIS, channel=CHANNELS, value=SCALARS, unit=st.just(""),
              kind=st.sampled_from(ReadingKind), time_s=TIMES, key=st.just("k")),
    max_size=12,
)  # fmt: skip
VERDICTS = st.builds(Verdict, dev_eui=EUIS, channel=CHANNELS, time_s=TIMES, observed=FLOATS,
                     status=st.sampled_from(Status), expected=EXPECTED,
                     score=st.none() | FLOATS, p_value=P_VALUES)  # fmt: skip
REASONS = st.builds(Reason, channel=CHANNELS, observed=SCALARS, expected=EXPECTED,
                    share=st.floats(0, 1), p_value=P_VALUES)  # fmt: skip
COMMENTS = st.builds(Comment, by=st.text(), time_s=TIMES, text=st.text())
CARES = st.builds(Care, digested_s=st.none() | TIMES, snoozed_until_s=st.none() | TIMES,
                  comments=st.lists(COMMENTS, max_size=3).map(tuple), recurred=st.integers(0, 9),
                  well_since_s=st.none() | TIMES, false_alarm=st.booleans())  # fmt: skip
ALERTS = st.builds(Alert, id=st.text(min_size=1, max_size=9), dev_eui=EUIS, rule=st.just("model"),
                   kind=st.just("leak"), cause=st.just("unknown"),
                   severity=st.sampled_from(Severity), title=st.text(), advice=st.text(),
                   reason=st.lists(REASONS, max_size=3).map(tuple), first_seen_s=TIMES,
                   last_seen_s=TIMES, end_s=st.none() | TIMES, ack=st.none() | st.text(),
                   peers=st.lists(EUIS, max_size=3).map(tuple),
                   care=CARES)  # fmt: skip
DOWNLINKS = st.builds(Downlink, id=st.text(min_size=1, max_size=9), dev_eui=EUIS,
                      application_id=st.just("a"), f_port=st.integers(1, 255), data=st.binary(),
                      object=st.none(), confirmed=st.booleans(), expires_s=TIMES, created_s=TIMES,
                      changed_s=TIMES, state=st.sampled_from(DownlinkState), by=st.text(),
                      detail=st.text())  # fmt: skip


def check(name: str, payload: Json) -> Json:
    """Validate what actually goes over the wire."""
    loaded = json.loads(values.dumps(payload))
    validator = Draft202012Validator(
        contract.schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(loaded)
    return loaded


@pytest.mark.parametrize("name", contract.names())
def test_each_schema_is_itself_valid(name: str) -> None:
    Draft202012Validator.check_schema(contract.schema(name))
    assert contract.schema(name)["title"]


def test_an_unknown_schema_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        contract.schema("../payloads")


def at(tree: Json, path: values.Path) -> Json:
    for word in path:
        tree = tree[word]
    return tree


@given(INFOS, READINGS, TIMES, st.none() | st.integers(0, 2**32 - 1))
def test_a_state_validates_and_loses_no_channel(
    info: DeviceInfo, readings: list[Reading], time_s: float, f_cnt: int | None
) -> None:
    payload = payloads.state(
        info, readings, time_s=time_s, received_s=time_s, f_cnt=f_cnt, uplink_id="u"
    )
    loaded = check("state", payload)
    check("history", payloads.history(payload))
    newest = {reading.channel: reading for reading in readings}
    for channel, path in values.paths(newest).items():
        shown = values.scalar(newest[channel].value)
        if shown is not None:
            assert at(loaded, path) == pytest.approx(shown)
    assert loaded["device"]["dev_eui"] == info.dev_eui


@given(st.lists(VERDICTS, max_size=6), TIMES)
def test_an_anomaly_validates(verdicts: list[Verdict], time_s: float) -> None:
    for active in (True, False):
        check("anomaly", payloads.anomaly(verdicts, time_s=time_s, active=active))


@given(st.sampled_from(EventType), ALERTS)
def test_an_alert_validates(event_type: EventType, alert: Alert) -> None:
    check("alert", payloads.alert(AlertEvent(event_type, alert)))


@given(st.lists(ALERTS, max_size=5))
def test_the_alerts_of_a_device_validate_and_count_right(alerts: list[Alert]) -> None:
    loaded = check("device_alerts", alert_payloads.device_alerts(alerts))
    assert loaded["open"] + loaded["in_digest"] == len(alerts)
    assert loaded["unacknowledged"] + loaded["snoozed"] <= loaded["open"]
    assert (loaded["severity"] is None) == (loaded["open"] == 0)


def test_a_sensitivity_is_shown_only_where_it_was_changed() -> None:
    changed, same = Channel("soil.moisture"), Channel("air.temperature")
    verdicts = [Verdict(DevEui("0" * 16), one, 1.0, 2.0, Status.OK) for one in (changed, same)]
    payload = payloads.anomaly(
        verdicts, time_s=1.0, active=False, sensitivity={changed: 0.25, Channel("gone"): 0.25}
    )
    channels = check("anomaly", payload)["channels"]
    assert channels[changed]["sensitivity"] == 0.25
    assert "sensitivity" not in channels[same]
    assert channels.keys() == {changed, same}


LEGS = st.builds(LegView, dev_eui=EUIS, name=st.text(max_size=9),
                 state=st.sampled_from(LegState).map(str), duration_s=FLOATS,
                 command_id=st.text(max_size=9), detail=st.text())  # fmt: skip
PROGRAMS = st.builds(ProgramView, name=st.just("orchard"), enabled=st.booleans(),
                     state=st.sampled_from(["off", "idle", "running", "stopping"]), why=st.text(),
                     next_s=st.none() | TIMES, run_started_s=st.none() | TIMES,
                     legs=st.lists(LEGS, max_size=3).map(tuple), last_started_s=st.none() | TIMES,
                     last_outcome=st.sampled_from(["", "done", "partial", "failed", "stopped",
                                                   "skipped", "missed"]))  # fmt: skip
COUNTS = st.dictionaries(st.sampled_from(["acked", "failed"]), st.integers(1, 9))
GROUP_COMMANDS = st.builds(GroupCommandView, id=st.text(min_size=1, max_size=9),
                           group=st.text(max_size=9), by=st.text(), command=st.text(),
                           state=st.sampled_from(["under_way", "done", "partial", "failed",
                                                  "refused", "queued"]),
                           created_s=TIMES, changed_s=TIMES, counts=COUNTS,
                           members=st.dictionaries(EUIS, st.text(max_size=9)))  # fmt: skip


@given(PROGRAMS, TIMES)
def test_a_program_validates(view: ProgramView, time_s: float) -> None:
    check("program", payloads.program(view, time_s=time_s))


@given(GROUP_COMMANDS)
def test_a_command_to_a_group_validates(view: GroupCommandView) -> None:
    check("group_command", payloads.group_command(view))


@given(DOWNLINKS)
def test_a_command_validates(downlink: Downlink) -> None:
    check("command", payloads.command(downlink))


@given(CHANNELS, st.integers(0, 20), st.floats(1, 1e5), TIMES)
def test_a_forecast_validates(channel: Channel, steps: int, step_s: float, time_s: float) -> None:
    quantiles = np.linspace(-1, 1, steps * len(QUANTILES), dtype=np.float32)
    forecast = Forecast(
        DevEui("0" * 16), channel, time_s, step_s, quantiles.reshape(steps, len(QUANTILES))
    )
    payload = check("forecast", payloads.forecast([forecast], time_s=time_s))
    assert all(len(row) == steps for row in payload["channels"][channel]["quantiles"].values())


@given(INFOS, READINGS)
def test_what_the_bridge_says_validates(info: DeviceInfo, readings: list[Reading]) -> None:
    entry = payloads.device_entry(info, readings, first_seen_s=1.0, last_seen_s=2.0)
    check("bridge_devices", payloads.bridge_devices([entry]))
    check("availability", payloads.availability(online=True))
    check("response", payloads.response(data={"a": [1]}, transaction="t"))
    check("response", payloads.response(error="No such device."))
    check("bridge_health", payloads.bridge_health(time_s=1.0, status="ok", detail={"queue": 1}))
    check(
        "bridge_info",
        payloads.bridge_info(
            version="1", site="Farm", started_s=1.0, sources=["chirpstack"], model=None, settings={}
        ),
    )


def test_channels_stand_where_their_names_say() -> None:
    names = ["soil.moisture", "tank", "tank.level", "time", "reading.time", "device.name",
             "device.battery_v", "a", "a.value", "a.value_.b"]  # fmt: skip
    assert values.paths([Channel(name) for name in names]) == {
        "soil.moisture": ("soil", "moisture"),
        "tank": ("tank", "value"),
        "tank.level": ("tank", "level"),
        "time": ("reading", "time"),
        "reading.time": ("reading", "reading", "time"),
        "device.name": ("reading", "device", "name"),
        "device.battery_v": ("device", "battery_v"),
        "a": ("a", "value__"),
        "a.value": ("a", "value"),
        "a.value_.b": ("a", "value_", "b"),
    }


@given(st.sets(CHANNELS, max_size=20))
def test_no_two_channels_share_a_place_or_an_ancestor(channels: set[Channel]) -> None:
    places = list(values.paths(channels).values())
    assert len(set(places)) == len(channels)
    for place in places:
        assert not any(place[:n] in places for n in range(len(place)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_keeps_six_digits_and_is_stable(value: float) -> None:
    rounded = values.number(value)
    assert rounded is not None
    assert rounded == pytest.approx(value, rel=5e-6, abs=1e-300)
    assert values.number(rounded) == rounded


def test_numbers_read_as_people_would_write_them() -> None:
    assert values.number(21.299999237060547) == 21.3
    assert values.number(123456789.0) == 123456789.0
    assert values.number(1234567.891) == 1234567.891
    assert values.number(2.0000001e-6, 3) == 2e-6
    assert values.number(math.inf) is None


@given(st.floats(0, 253402300798))
def test_times_read_back_to_the_millisecond(time_s: float) -> None:
    text = values.rfc3339(time_s)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(time_s, abs=0.0011)


def test_the_examples_in_the_readme_validate() -> None:
    page = Path(contract.__file__).with_name("README.md").read_text(encoding="utf-8")
    examples = re.findall(r"schemas/(\w+)\.json\).*?```json\n(.*?)```", page, re.DOTALL)
    for name, example in examples:
        check(name, json.loads(example))
    assert {name for name, _ in examples} == set(contract.names())
