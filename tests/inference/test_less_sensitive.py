"""What false alarms change in the detector: a factor on one channel's bound."""

from __future__ import annotations

import pytest
from farm_series import Series, air_temperature, times

from gateway.config import InferenceConfig
from gateway.inference import Detector, Model, load_model
from gateway.types import Channel, DevEui, Status, Verdict
from gateway.windows import WindowBank

EUI = DevEui("0011223344556677")
AIR = Channel("air.temperature")


@pytest.fixture(scope="module")
def built_in() -> Model:
    return load_model()


def judged(model: Model, values: Series, factor: float, channel: Channel = AIR) -> list[Verdict]:
    detector, bank = Detector(model, InferenceConfig()), WindowBank()
    detector.factors = {(EUI, channel): factor}
    pairs = zip(times(len(values)).tolist(), values.tolist(), strict=True)
    samples = [bank.add(time_s, value, EUI, AIR) for time_s, value in pairs]
    return detector.judge([sample for sample in samples if sample is not None])


def anomalous(verdicts: list[Verdict]) -> int:
    return sum(verdict.status is Status.ANOMALOUS for verdict in verdicts)


def test_a_wild_value_alone_is_no_anomaly_where_false_alarms_were_told(built_in: Model) -> None:
    values = air_temperature(1200)
    values[1100] += 40.0
    assert anomalous(judged(built_in, values, 1.0)) > 0
    assert anomalous(judged(built_in, values, 0.25)) == 0
    elsewhere = judged(built_in, values, 0.25, Channel("soil.moisture"))
    assert anomalous(elsewhere) == anomalous(judged(built_in, values, 1.0))


def test_a_smaller_factor_never_finds_more_and_the_p_values_stay(built_in: Model) -> None:
    values = air_temperature(1200)
    values[1100:1160] = values[1100]
    found = [judged(built_in, values, factor) for factor in (1.0, 0.25, 1 / 64)]
    counts = [anomalous(verdicts) for verdicts in found]
    assert counts[0] > 0
    assert counts == sorted(counts, reverse=True)
    first = [[verdict.p_value for verdict in verdicts[:1036]] for verdicts in found]
    assert first[0] == first[1] == first[2]
