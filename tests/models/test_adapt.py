"""Low-rank pairs: in the graph as in the network, learned from a history, kept only if better."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch

from gateway.inference import BUILTIN, read_pack
from gateway.inference.adapter import adapt as attach
from gateway.inference.adapter import read_adapter
from gateway.inference.pack import open_model
from gateway.inference.session import AdaptedModel
from models import adapt, adapter_file, history, lora, lora_graph, quantize, runtime
from models.config import Shape
from models.export import export
from models.network import Network
from models.pack import linear_sizes

pytestmark = pytest.mark.train
torch.set_num_threads(1)
SMALL = Shape(width=32, layers=1, hidden=64)
STEP_S, START_S = 900.0, 1_700_000_100.0


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(3)
    made = Network(SMALL).eval()
    for parameter in made.parameters():  # trained ones differ; of equal ones the graph keeps one
        parameter.data += 0.01 * torch.randn_like(parameter)
    return made


@pytest.fixture(scope="module")
def whole(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "whole.onnx"
    export(network, path)
    return path


def windows(rows: int = 5) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    mask = (rng.random((rows, 512)) < 0.9).astype(np.float32)
    values = np.cumsum(rng.standard_normal((rows, 512)), axis=1).astype(np.float32) * mask
    return {
        "values": values,
        "mask": mask,
        "clock": np.full((rows, 2), [0.3, 1 / 96], np.float32),
    }


def moved(network: Network, rank: int = 3) -> Network:
    """Return the network with pairs that do something."""
    adapted = lora.attach(network, rank).eval()
    for name, parameter in adapted.named_parameters():
        if name.endswith(".b"):
            parameter.data.normal_(0, 0.05)
    return adapted


def of_torch(network: Network, fed: dict[str, npt.NDArray[np.float32]]) -> list[np.ndarray]:
    with torch.no_grad():
        return [part.numpy() for part in network(*(torch.from_numpy(a) for a in fed.values()))]


def test_untrained_pairs_change_nothing_and_are_all_that_can_learn(network: Network) -> None:
    adapted = lora.attach(network, 4)
    for one, other in zip(
        of_torch(adapted.eval(), windows()), of_torch(network, windows()), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    learning = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert len(learning) == 2 * len(lora.layers(SMALL.layers))
    assert all(name.endswith((".a", ".b")) for name in learning)
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("kind", ["fp32", "static"])
def test_the_graph_with_an_adapter_computes_what_the_adapted_network_does(
    network: Network, whole: Path, tmp_path: Path, kind: str
) -> None:
    path, fed = whole, windows()
    if kind == "static":
        path = tmp_path / "int8.onnx"
        quantize.quantize(whole, path, linear_sizes(SMALL), [fed], "static")
    adapted = moved(network)
    session = ort.InferenceSession(path, runtime.quiet_options())
    plain = session.run(["quantiles"], fed)[0]
    file = tmp_path / "pairs.onnx_adapter"
    file.write_bytes(adapter_file.export(lora.pairs(adapted)))
    beside = ort.LoraAdapter()
    beside.Load(str(file))
    options = ort.RunOptions()
    options.add_active_adapter(beside)
    made = session.run(["quantiles"], fed, options)[0]
    wanted, without = of_torch(adapted, fed)[0], of_torch(network, fed)[0]
    size = np.abs(wanted - without).mean()
    assert np.abs(plain - without).mean() < (1e-4 if kind == "fp32" else 0.3) * size
    assert np.abs(made - wanted).mean() < (1e-3 if kind == "fp32" else 0.3) * size


def test_int8_keeps_every_pair_as_an_input_with_a_default(whole: Path, tmp_path: Path) -> None:
    small = tmp_path / "int8.onnx"
    quantize.quantize(whole, small, linear_sizes(SMALL), [windows()], "static")
    session = ort.InferenceSession(small, runtime.quiet_options())
    names = {f"{layer}.{side}" for layer in lora.layers(1) for side in (lora.A, lora.B)}
    assert {node.name for node in session.get_overridable_initializers()} == names
    assert [node.name for node in session.get_inputs()] == ["values", "mask", "clock"]
    assert {v.name for v in lora_graph.windows_of(onnx.load(small))} == {"values", "mask", "clock"}


def test_a_network_comes_back_from_its_graph(network: Network, whole: Path) -> None:
    back = lora_graph.thaw(whole.read_bytes(), SMALL)
    for one, other in zip(of_torch(back, windows()), of_torch(network, windows()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="holds no"):
        lora_graph.thaw(whole.read_bytes(), Shape(width=64, layers=1, hidden=64))


def test_the_shipped_pack_can_be_thawed_and_foretells_alike() -> None:
    pack = read_pack(BUILTIN)
    network = lora_graph.thaw(pack.graph, adapt.shape_of(pack))
    fed = {name: pack.golden[name] for name in ("values", "mask", "clock")}
    made = of_torch(network, fed)[0]
    size = np.abs(pack.golden["quantiles"]).max(axis=(1, 2), keepdims=True)
    assert (np.abs(made - pack.golden["quantiles"]) / size).mean() < 0.01


# --- the history --------------------------------------------------------------------------------


def odd(samples: int) -> npt.NDArray[np.float64]:
    """Return a tank that is emptied every 37 steps: nothing a day tells."""
    rng = np.random.default_rng(5)
    return 40.0 - (np.arange(samples) % 37) + 0.2 * rng.standard_normal(samples)


def table(path: Path, **channels: npt.NDArray[np.float64]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history.HEADER)
        for channel, values in channels.items():
            for at, value in enumerate(values.tolist()):
                writer.writerow(["d", channel, START_S + STEP_S * at, value])
    return path


def test_a_history_is_read_onto_the_step_that_the_gateway_learns(tmp_path: Path) -> None:
    file = table(
        tmp_path / "h.csv", tank=odd(1000), short=odd(100), flat=np.ones(1000), other=odd(900)
    )
    found = history.read(file)
    assert [series.channel for series in found] == ["tank", "other"]
    assert {series.step_s for series in found} == {STEP_S}
    assert len(found[0].values) == 1000
    wrong = tmp_path / "w.csv"
    wrong.write_text("time,value\n1,2\n")
    with pytest.raises(ValueError, match="device, channel, time, value"):
        history.read(wrong)


def test_nothing_that_is_held_back_is_learned_from(tmp_path: Path) -> None:
    # Each part holds values of its own size, so that a window shows what it was cut from.
    rng = np.random.default_rng(2)
    values = rng.standard_normal(2000)
    values[1300:1600] += 1000.0
    values[1600:] += 5000.0
    (series,) = history.read(table(tmp_path / "h.csv", count=values))
    for part in history.SPANS:
        drawn = history.windows([series], part, 200, np.random.default_rng(1))
        assert drawn is not None
        assert np.ptp(drawn.future, axis=1).max() < 100  # none reaches over into another part
        if part == "learned":
            assert np.ptp(drawn.past[np.isfinite(drawn.past).all(axis=1)], axis=1).max() < 100
    assert history.unit(series) < 100  # nor does the unit know what is held back


# --- training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick() -> adapt.Recipe:
    return adapt.Recipe(rank=4, steps=60, batch=16, look_every=30, pool=400, settled=12)


def test_an_odd_site_is_learned_and_what_is_written_serves_it(
    tmp_path: Path, quick: adapt.Recipe
) -> None:
    pack = read_pack(BUILTIN)
    model = open_model(pack)
    found = history.read(table(tmp_path / "h.csv", tank=odd(3000)))
    serves = adapt.Serves(profiles=("tank",))
    done = adapt.train(found, pack, model, quick, adapt.For("tank", serves))
    assert done is not None
    assert done.compared is not None
    assert done.compared.gain > 0.02
    assert done.made.training["settled_loss_over_base"] < 1.0
    out = tmp_path / "tank.zip"
    adapter_file.write(out, done.made, done.compared, pack, model)
    adapter = read_adapter(out)
    made = attach(model, adapter, pack.golden)
    assert isinstance(made, AdaptedModel)
    assert adapter.manifest.rank == 4
    assert adapter.manifest.serves.profiles == ("tank",)


def test_what_is_no_better_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = table(tmp_path / "h.csv", tank=odd(1500)), tmp_path / "a.zip"
    words = ["adapt", str(file), "--name", "a", "--out", str(out), "--profile", "p", "--steps", "0"]
    monkeypatch.setattr(sys, "argv", words)
    assert adapt.main() == 1
    said = json.loads(capsys.readouterr().out)
    assert said["reason"] == "not_better"
    assert said["metrics"]["base"] == said["metrics"]["adapter"]
    assert not out.exists()


def test_too_little_history_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(tmp_path / "h.csv", tank=odd(100))
    words = ["adapt", str(file), "--name", "a", "--out", str(tmp_path / "a.zip")]
    monkeypatch.setattr(sys, "argv", words)
    assert adapt.main() == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "too_little_history"
