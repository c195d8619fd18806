import json
from dataclasses import replace

import numpy as np
import pytest
from fake_models import SeasonalNaive
from farm_series import DAY, Series, air_temperature, soil_moisture, times

from gateway.config import InferenceConfig
from gateway.inference import HISTORY, Detector, Model, load_model
from gateway.types import Channel, DevEui, Status, Verdict, Warming, Window
from gateway.windows import WindowBank

EUI = DevEui("0011223344556677")


def samples_of(
    bank: WindowBank, values: Series, times_s: Series, channel: str = "air.temperature"
) -> list[Window | Warming]:
    made = (
        bank.add(t, v, EUI, Channel(channel))
        for t, v in zip(times_s.tolist(), values.tolist(), strict=True)
    )
    return [sample for sample in made if sample is not None]


def judge_in(
    detector: Detector, samples: list[Window | Warming], sizes: list[int]
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    at = turn = 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        verdicts += detector.judge(samples[at : at + size])
        at, turn = at + size, turn + 1
    return verdicts


def backtest(values: Series, model: Model | None = None) -> list[Verdict]:
    samples = samples_of(WindowBank(), values, times(len(values)))
    return judge_in(Detector(model or SeasonalNaive(), InferenceConfig()), samples, [256])


@pytest.fixture(scope="module")
def built_in() -> Model:
    return load_model()


def anomalous(verdicts: list[Verdict]) -> list[int]:
    return [at for at, verdict in enumerate(verdicts) if verdict.status is Status.ANOMALOUS]


def key(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.time_s,
        verdict.status,
        verdict.pattern,
        verdict.p_value,
        verdict.score,
        verdict.expected,
        tuple(sorted(verdict.heads.items())),
    )


def test_little_history_is_warming_without_a_score() -> None:
    verdicts = backtest(air_temperature(80))
    assert [verdict.status for verdict in verdicts[:63]] == [Status.WARMING] * 63
    assert all(verdict.score is None for verdict in verdicts[:63])
    assert verdicts[63].status is Status.OK
    assert verdicts[63].forecast is not None
    assert verdicts[63].expected is None
    assert verdicts[64].expected is not None


def test_little_calibration_supports_no_small_p_value() -> None:
    values = air_temperature(100)
    values[90:] += 30
    assert not anomalous(backtest(values))


def test_a_verdict_does_not_depend_on_how_samples_are_cut_into_batches() -> None:
    values = air_temperature(700)
    values[600] += 25
    one, many = WindowBank(), WindowBank()
    whole = judge_in(
        Detector(SeasonalNaive(), InferenceConfig()),
        samples_of(one, values, times(700)),
        [700],
    )
    parts = judge_in(
        Detector(SeasonalNaive(), InferenceConfig()),
        samples_of(many, values, times(700)),
        [1, 7, 64, 3, 100],
    )
    assert [key(verdict) for verdict in whole] == [key(verdict) for verdict in parts]


def test_channels_do_not_disturb_each_other() -> None:
    first, second = air_temperature(400), soil_moisture(400)
    alone = backtest(first)
    bank, detector = WindowBank(), Detector(SeasonalNaive(), InferenceConfig())
    one = samples_of(bank, first, times(400), "air.temperature")
    two = samples_of(bank, second, times(400), "soil.moisture")
    mixed = [sample for pair in zip(one, two, strict=True) for sample in pair]
    together = judge_in(detector, mixed, [64])[::2]
    assert [key(verdict) for verdict in alone] == [key(verdict) for verdict in together]


def test_the_windows_of_a_batch_go_through_the_model_in_few_calls() -> None:
    model = SeasonalNaive()
    detector = Detector(model, InferenceConfig())
    judge_in(detector, samples_of(WindowBank(), air_temperature(120), times(120)), [60])
    assert model.calls == [16, 16, 16, 9]


@pytest.mark.parametrize("cut", [1300, 1411, 1420])
def test_a_restored_channel_judges_as_if_it_had_never_stopped(cut: int) -> None:
    values, times_s = air_temperature(1500), times(1500)
    values[1405:1440] += np.linspace(20, 30, 35)
    config = InferenceConfig()
    expected = backtest(values)
    stored = [through_json(replace(verdict, forecast=None)) for verdict in expected[:cut]]

    bank, detector = WindowBank(), Detector(SeasonalNaive(), config)
    kept = slice(cut - HISTORY, cut)
    window = bank.restore(EUI, Channel("air.temperature"), times_s[kept], values[kept])
    detector.restore(EUI, Channel("air.temperature"), window, stored[kept])
    later = judge_in(detector, samples_of(bank, values[cut:], times_s[cut:]), [64])
    assert [key(verdict) for verdict in later] == [key(verdict) for verdict in expected[cut:]]


def through_json(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        heads=json.loads(json.dumps(verdict.heads)),
        p_value=json.loads(json.dumps(verdict.p_value)),
    )


def test_normal_days_and_irrigation_seen_before_raise_nothing(built_in: Model) -> None:
    for seed in range(3):
        assert not anomalous(backtest(air_temperature(14 * DAY, seed), built_in))
        assert not anomalous(backtest(soil_moisture(14 * DAY, seed), built_in))


def test_a_stuck_probe_is_found_within_hours_and_named(built_in: Model) -> None:
    values = air_temperature(14 * DAY)
    values[1000:1096] = values[1000]
    verdicts = backtest(values, built_in)
    found = anomalous(verdicts)
    assert found
    assert 1000 < found[0] <= 1048
    assert verdicts[found[0]].pattern == "stuck"


def test_a_single_wild_value_is_a_spike_that_ends_by_itself(built_in: Model) -> None:
    values = air_temperature(14 * DAY)
    values[1000] += 40
    verdicts = backtest(values, built_in)
    found = anomalous(verdicts)
    assert found
    assert found[0] == 1000
    assert found[-1] <= 1004
    assert verdicts[1000].pattern == "spike"


def test_a_noisy_probe_is_found(built_in: Model) -> None:
    values = air_temperature(14 * DAY)
    values[1000:1048] += np.random.default_rng(1).normal(0, 3, 48)
    found = anomalous(backtest(values, built_in))
    assert found
    assert 1000 <= found[0] <= 1044


def test_an_anomaly_does_not_teach_itself_but_a_lasting_change_is_accepted_within_days(
    built_in: Model,
) -> None:
    values = air_temperature(21 * DAY)
    values[1200:] += 15
    verdicts = backtest(values, built_in)
    found = anomalous(verdicts)
    assert any(1200 <= at < 1210 for at in found)
    assert not [at for at in found if at > 1200 + 2 * DAY]


@pytest.mark.parametrize("off", [12.0, -12.0])
def test_what_is_told_as_expected_is_never_what_was_observed(built_in: Model, off: float) -> None:
    values = air_temperature(12 * DAY)
    ramp = np.clip((np.arange(len(values)) - 10 * DAY) / 24, 0, 1) * off
    verdicts = backtest(values + ramp, built_in)
    found = [verdicts[at] for at in anomalous(verdicts) if at > 10 * DAY]
    assert found
    for verdict in found:
        if verdict.expected is not None:
            low, _, high = verdict.expected
            assert not low <= verdict.observed <= high


def test_a_channel_that_rests_on_one_value_may_leave_it(built_in: Model) -> None:
    rain = np.zeros(14 * DAY)
    rain[1100:1106] = [0.2, 0.4, 0.8, 0.4, 0.2, 0.2]
    assert not anomalous(backtest(rain, built_in))


def test_a_forgotten_device_starts_anew() -> None:
    detector = Detector(SeasonalNaive(), InferenceConfig())
    samples = samples_of(WindowBank(), air_temperature(200), times(200))
    first = judge_in(detector, samples, [50])
    detector.forget(EUI)
    assert [key(v) for v in judge_in(detector, samples, [50])] == [key(v) for v in first]
