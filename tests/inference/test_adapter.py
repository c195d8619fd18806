"""An adapter changes its own devices' forecasts alone, and each way it can be wrong is told."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_adapters as adapters
import model_packs as packs
import numpy as np
import pytest
from farm_series import air_temperature, times

from gateway.config import InferenceConfig
from gateway.errors import PackError
from gateway.inference import BUILTIN, Adaptation, Detector, Model, read_pack
from gateway.inference.adaptation import refuse_overlap, site_of
from gateway.inference.adapter import adapt, is_adapter, read_adapter
from gateway.inference.pack import open_model
from gateway.inference.session import INPUTS, OnnxModel
from gateway.types import Channel, DevEui, DeviceInfo, Verdict, Warming, Window
from gateway.windows import WindowBank

ADAPTED, PLAIN = DevEui("00" * 7 + "01"), DevEui("00" * 7 + "02")


@pytest.fixture(scope="module")
def base() -> OnnxModel:
    return open_model(read_pack(BUILTIN))


@pytest.fixture(scope="module")
def adapted(base: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Model:
    file = adapters.write(tmp_path_factory.mktemp("adapter") / "field.zip")
    return adapt(base, read_adapter(file), read_pack(BUILTIN).golden)


def refused(file: Path, base: OnnxModel) -> PackError:
    with pytest.raises(PackError) as caught:
        adapt(base, read_adapter(file), read_pack(BUILTIN).golden)
    assert caught.value.remedy
    return caught.value


def test_with_an_adapter_forecasts_change_and_without_it_no_bit(
    base: OnnxModel, adapted: Model
) -> None:
    fed = [read_pack(BUILTIN).golden[name] for name in INPUTS]
    before = base.run(*fed)
    assert not np.allclose(adapted.run(*fed).quantiles, before.quantiles)
    after = base.run(*fed)
    np.testing.assert_array_equal(after.quantiles, before.quantiles)
    np.testing.assert_array_equal(after.embedding, before.embedding)


def test_an_adapted_model_is_named_after_base_and_adapter(base: OnnxModel, adapted: Model) -> None:
    assert adapted.name.startswith(f"{base.name}+field@sha256:")


def spoiled(change: Callable[[adapters.Pairs], object]) -> adapters.Pairs:
    made = adapters.pairs()
    change(made)
    return made


NAME = "blocks.0.qkv.lora_a"


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("other_base", {"change": lambda m: m["base"].update(sha256="0" * 64)}),
        ("not_an_adapter", {"content": b"no adapter at all"}),
        ("not_an_adapter", {"content": adapters.exported(adapters.pairs())[:4000]}),
        ("not_an_adapter", {"content": b""}),
        ("unknown_parameter", {"made": adapters.pairs() | {"foo": np.zeros((2, 2), np.float32)}}),
        ("missing_parameter", {"made": spoiled(lambda made: made.pop(NAME))}),
        ("wrong_shape", {"made": adapters.pairs() | {NAME: np.zeros((5, 4), np.float32)}}),
        ("wrong_shape", {"made": adapters.pairs() | {NAME: np.zeros((128, 3), np.float32)}}),
        ("wrong_shape", {"made": adapters.pairs() | {NAME: np.zeros((128, 4), np.float64)}}),
        ("wrong_shape", {"made": adapters.pairs() | {NAME: np.zeros(128, np.float32)}}),
        ("nan_weights", {"made": adapters.pairs() | {NAME: np.full((128, 4), np.nan, np.float32)}}),
        ("nan_weights", {"made": adapters.pairs() | {NAME: np.full((128, 4), np.inf, np.float32)}}),
        ("golden_differs", {"made": adapters.pairs(seed=2)}),
        ("bad_golden", {"outputs": b"no arrays"}),
        ("bad_manifest", {"change": lambda m: m.pop("base")}),
        ("bad_manifest", {"change": lambda m: m.update(kind="model")}),
        ("bad_manifest", {"change": lambda m: m["serves"].update(devices=["north"])}),
        ("missing_file", {"change": lambda m: m["files"].pop("adapters/field.onnx_adapter")}),
        (
            "damaged",
            {"change": lambda m: m["files"]["adapters/field.onnx_adapter"].update(sha256="0" * 64)},
        ),
    ],
)
def test_each_way_an_adapter_can_be_wrong_has_its_own_reason(
    reason: str, options: dict[str, Any], base: OnnxModel, tmp_path: Path
) -> None:
    assert refused(adapters.write(tmp_path / "field.zip", **options), base).reason == reason


def test_pairs_that_do_nothing_are_told(base: OnnxModel, tmp_path: Path) -> None:
    nothing = {name: np.zeros_like(array) for name, array in adapters.pairs().items()}
    content = adapters.exported(nothing)
    file = adapters.write(tmp_path / "f.zip", content=content, outputs=adapters.golden(content))
    assert refused(file, base).reason == "no_effect"


def test_a_broken_off_file_and_bare_weights_are_told(base: OnnxModel, tmp_path: Path) -> None:
    whole = adapters.write(tmp_path / "field.zip").read_bytes()
    torn = tmp_path / "torn.zip"
    torn.write_bytes(whole[:3000])
    assert refused(torn, base).reason == "truncated"
    bare = tmp_path / "field.onnx_adapter"
    bare.write_bytes(adapters.exported(adapters.pairs()))
    assert is_adapter(bare)
    assert refused(bare, base).reason == "bare_adapter"
    assert refused(tmp_path / "none.zip", base).reason == "missing"


def test_a_model_without_inputs_for_pairs_says_so(tmp_path: Path) -> None:
    class Old(OnnxModel):
        def pairs(self) -> dict[str, tuple[object, ...]]:
            return {}

    pack = read_pack(BUILTIN)
    old = Old(pack.graph, name="old", context=512, horizon=96)
    assert refused(adapters.write(tmp_path / "field.zip"), old).reason == "no_pairs"


def test_a_pack_is_no_adapter_and_an_adapter_no_pack(tmp_path: Path) -> None:
    assert not is_adapter(BUILTIN)
    file = adapters.write(tmp_path / "field.zip")
    assert is_adapter(file)
    with pytest.raises(PackError) as caught:
        read_pack(file)
    assert caught.value.reason == "bad_manifest"
    with pytest.raises(PackError) as caught:
        read_adapter(packs.write(tmp_path / "pack.zip", packs.members()))
    assert caught.value.reason == "bad_manifest"


# --- which device, which adapter ----------------------------------------------------------------


def info(dev_eui: DevEui, profile: str = "", application: str = "", site: str = "") -> DeviceInfo:
    tags = {"site": site} if site else {}
    return DeviceInfo(dev_eui, profile=profile, application=application, tags=tags)


class Named:
    context, horizon = 512, 96

    def __init__(self, name: str) -> None:
        self.name = name


def test_the_narrowest_adapter_serves_and_the_settings_go_before() -> None:
    base, device, profile, site, chosen = map(Named, ("base", "device", "profile", "site", "own"))
    served = {("device", ADAPTED): device, ("profile", "p"): profile, ("site", "north"): site}
    known = Adaptation(base, served, {"q": chosen, "r": base})  # type: ignore[arg-type, dict-item]

    def named(one: DeviceInfo) -> str:
        known.meet(one)
        return known.model_of(one.dev_eui).name

    assert named(info(ADAPTED, "p", "north")) == "device"
    assert named(info(PLAIN, "p", "north")) == "profile"
    assert named(info(PLAIN, "other", "north")) == "site"
    assert named(info(PLAIN, "other", "south", site="north")) == "site"
    assert named(info(PLAIN, "other")) == "base"
    assert named(info(PLAIN, "q", "north")) == "own"
    assert named(info(PLAIN, "r", "north")) == "base"
    known.forget(PLAIN)
    assert known.model_of(PLAIN).name == "base"


def test_the_site_is_a_tag_or_the_application() -> None:
    assert site_of(info(PLAIN, application="farm")) == "farm"
    assert site_of(info(PLAIN, application="farm", site="north")) == "north"


def test_two_adapters_for_one_profile_are_refused(tmp_path: Path) -> None:
    one = read_adapter(adapters.write(tmp_path / "one.zip", "one", profiles=["a", "b"]))
    other = read_adapter(adapters.write(tmp_path / "other.zip", "other", profiles=["b"]))
    third = read_adapter(adapters.write(tmp_path / "third.zip", "third", sites=["b"]))
    refuse_overlap([one, third])
    with pytest.raises(PackError) as caught:
        refuse_overlap([one, third, other])
    assert caught.value.reason == "overlapping"
    assert "profile b" in caught.value.detail


def samples(dev_eui: DevEui, seed: int) -> list[Window | Warming]:
    bank, values = WindowBank(), air_temperature(300, seed)
    made = (
        bank.add(t, v, dev_eui, Channel("air.temperature"))
        for t, v in zip(times(300).tolist(), values.tolist(), strict=True)
    )
    return [sample for sample in made if sample is not None]


def judged(detector: Detector, *streams: list[Window | Warming]) -> list[Verdict]:
    together = [sample for several in zip(*streams, strict=True) for sample in several]
    return [
        verdict
        for start in range(0, len(together), 32)
        for verdict in detector.judge(together[start : start + 32])
    ]


def test_in_one_batch_each_device_gets_its_own_models_forecasts(
    base: OnnxModel, adapted: Model
) -> None:
    mine, other = samples(ADAPTED, 1), samples(PLAIN, 2)
    known = Adaptation(base, {("profile", "p"): adapted})
    known.meet(info(ADAPTED, "p"))
    known.meet(info(PLAIN))
    mixed = judged(Detector(base, InferenceConfig(), known), mine, other)
    ours = [verdict for verdict in mixed if verdict.dev_eui == ADAPTED]
    theirs = [verdict for verdict in mixed if verdict.dev_eui == PLAIN]
    alone = judged(Detector(adapted, InferenceConfig()), mine)
    without = judged(Detector(base, InferenceConfig()), other)
    plain = judged(Detector(base, InferenceConfig()), mine)

    def expected(verdicts: list[Verdict]) -> np.ndarray:
        return np.array([verdict.expected for verdict in verdicts if verdict.expected])

    np.testing.assert_allclose(expected(ours), expected(alone), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(expected(theirs), expected(without), rtol=1e-3, atol=1e-3)
    assert np.abs(expected(ours) - expected(plain)).max() > 0.05
    assert ours[-1].model == adapted.name
    assert theirs[-1].model == base.name


def test_golden_outputs_of_an_adapter_are_those_of_this_machine(tmp_path: Path) -> None:
    held = read_adapter(adapters.write(tmp_path / "field.zip")).golden
    with np.load(io.BytesIO(adapters.golden(adapters.exported(adapters.pairs())))) as fresh:
        np.testing.assert_allclose(held["quantiles"], fresh["quantiles"], rtol=1e-4)
