"""Training lowers the loss, and what it writes becomes a pack that answers as stated."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from models import batches, faults, forecasts, pack, quantize, runtime, train
from models.config import CONFIGS, Config
from models.export import export

pytestmark = pytest.mark.train
TINY = CONFIGS["trial"]
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pool() -> batches.Pool:
    return batches.build(TINY, None, np.random.default_rng(1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pool: batches.Pool) -> Path:
    out = tmp_path_factory.mktemp("run")
    network, history, seconds = train.train(TINY, pool, np.random.default_rng(2))
    record = {
        "config": asdict(TINY),
        "seed": TINY.seed,
        "data": {},
        "commit": "",
        "seconds": seconds,
        "history": history,
    }
    train.save(network, record, out)
    return out


@pytest.fixture(scope="module")
def whole(run: Path) -> Path:
    network, _ = train.load(run)
    export(network, run / "whole.onnx")
    return run / "whole.onnx"


def test_a_batch_hides_and_damages_but_keeps_the_truth(pool: batches.Pool) -> None:
    config = replace(TINY, batch=64)
    batch = batches.draw(pool, config, np.random.default_rng(0))
    assert batch.values.shape == (64, config.shape.context)
    assert batch.future.shape == (64, config.shape.horizon)
    assert (batch.values[batch.mask == 0] == 0).all()
    assert 0.5 < float(batch.mask.mean()) < 0.95
    differs = ((batch.values != batch.clean) & (batch.mask * batch.known > 0)).any(1)
    assert 0.05 < float(differs.float().mean()) < 0.4
    assert set(batch.kind[differs].tolist()) <= set(range(1, len(faults.KINDS) + 1))
    assert ((batch.faulty == 0) | (batch.kind > 0)).all()
    assert torch.equal(batch.flags[:, -1], batch.faulty)


def test_the_same_seed_draws_the_same_batch(pool: batches.Pool) -> None:
    one = batches.draw(pool, TINY, np.random.default_rng(9))
    other = batches.draw(pool, TINY, np.random.default_rng(9))
    assert torch.equal(one.values, other.values)
    assert torch.equal(one.clock, other.clock)


def test_a_few_steps_lower_the_loss(pool: batches.Pool) -> None:
    config = replace(TINY, steps=60, warmup=10, fast=False)
    levels = torch.tensor(config.shape.quantiles)
    torch.manual_seed(config.seed)
    held = [batches.draw(pool, config, np.random.default_rng(50 + i)) for i in range(4)]

    def loss(network: train.Network) -> float:
        with torch.no_grad():
            return float(sum(train.total(train.losses(network, b, levels)) for b in held))

    before = loss(train.Network(config.shape))
    trained, _, _ = train.train(config, pool, np.random.default_rng(2))
    assert loss(trained) < 0.85 * before


def test_the_learning_rate_rises_and_falls() -> None:
    config = Config("x", TINY.shape, steps=1000, warmup=100)
    assert train.rate(config, 0) < train.rate(config, 50) < train.rate(config, 99)
    assert train.rate(config, 999) < 0.05 * config.peak_rate


def test_a_pack_answers_its_golden_windows(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "base.zip"
    facts = pack.build(run, None, out, version="7", kind="static")
    with zipfile.ZipFile(out) as file:
        assert json.loads(file.read("manifest.json")) == facts
        golden = np.load(io.BytesIO(file.read("golden.npz")), allow_pickle=False)
        session = ort.InferenceSession(file.read("model.onnx"), runtime.quiet_options())
    made = session.run(None, {name: golden[name] for name in ("values", "mask", "clock")})
    for name, one in zip(("quantiles", "reconstruction", "embedding"), made, strict=True):
        np.testing.assert_allclose(one, golden[name], rtol=1e-4, atol=1e-5)
        assert np.isfinite(one).all()


def test_the_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    files = {"manifest.json": b"{}", "model.onnx": b"abc"}
    for name in ("one.zip", "other.zip"):
        pack.write(tmp_path / name, files)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


@pytest.mark.parametrize("kind", ["static", "token"])
def test_int8_stays_close_to_fp32(whole: Path, tmp_path: Path, kind: str) -> None:
    feeds = pack.calibration(TINY, None, 3)
    small = tmp_path / "int8.onnx"
    quantize.quantize(whole, small, pack.linear_sizes(TINY.shape), feeds[:2], kind)
    one, other = forecasts.session(whole), forecasts.session(small)
    given = [feeds[2][name] for name in ("values", "mask", "clock")]
    true, made = one(*given)[0], other(*given)[0]
    width = (true[:, :, -1] - true[:, :, 0])[:, :, None] + 1e-9
    assert float(np.mean(np.abs(true - made) / width)) < 0.02


def matmul(weights: np.ndarray) -> onnx.ModelProto:
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", size])
        for name, size in (("x", weights.shape[0]), ("y", weights.shape[1]))
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "one",
        tensors[:1],
        tensors[1:],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("kind", ["static", "token"])
def test_the_largest_products_do_not_saturate(kind: str) -> None:
    weights = np.full((128, 8), 0.5, dtype=np.float32)
    weights[::2] *= -1
    weights[:, 4:] = 0.5
    model = matmul(weights)
    x = np.full((4, 128), 3.0, dtype=np.float32)
    x[1, ::2] = 0.0
    nodes = quantize.targets(model, [(128, 8)])
    if kind == "static":
        ranges = quantize.calibrate(model, nodes, [{"x": x}])
        small = quantize.quantize_static(model, nodes, ranges)
    else:
        small = quantize.quantize_token(model, nodes)
    session = ort.InferenceSession(small.SerializeToString(), runtime.quiet_options())
    (made,) = session.run(None, {"x": x})
    np.testing.assert_allclose(made, x @ weights, rtol=0.01, atol=0.05)


def test_int8_arithmetic_is_exact_integer_arithmetic() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 16)).astype(np.float32)
    model = matmul(weights)
    x = rng.standard_normal((5, 64)).astype(np.float32)
    small = quantize.quantize_token(model, quantize.targets(model, [(64, 16)]))
    session = ort.InferenceSession(small.SerializeToString(), runtime.quiet_options())
    (made,) = session.run(None, {"x": x})
    stored, scales = quantize.round_weights(weights)
    scale = np.abs(x).max(1, keepdims=True) * np.float32(1 / 127)
    exact = np.round(x / scale).astype(np.int32) @ stored.astype(np.int32)
    np.testing.assert_allclose(made, exact * scale * scales, rtol=1e-5, atol=1e-5)


def test_a_model_without_matching_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(matmul(np.ones((4, 4), np.float32)), path)
    with pytest.raises(ValueError, match="no MatMul"):
        quantize.quantize(path, tmp_path / "out.onnx", [(8, 8)], [], "token")


def test_training_ends_in_time_on_a_slow_machine(pool: batches.Pool) -> None:
    config = replace(TINY, steps=100_000, seconds=1.0, fast=False)
    _, history, seconds = train.train(config, pool, np.random.default_rng(2))
    assert history[-1]["step"] < 100_000
    assert seconds >= 1.0


def test_the_learning_rate_falls_with_the_time_spent_where_steps_are_slow() -> None:
    config = Config("x", TINY.shape, steps=1000, warmup=10)
    assert train.rate(config, 100, 0.9) < 0.2 * train.rate(config, 100, 0.0)
    assert train.rate(config, 900, 0.1) == train.rate(config, 900, 0.0)
