"""The packs that ship with the gateway hold what they promise."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest

import gateway
from gateway.types import QUANTILES

PACKS = Path(gateway.__file__).parent / "inference" / "packs"
Arrays = dict[str, npt.NDArray[np.float32]]
OUTPUTS = ["quantiles", "reconstruction", "embedding"]


@pytest.fixture(scope="module", params=["base", "tiny"])
def files(request: pytest.FixtureRequest) -> dict[str, bytes]:
    with zipfile.ZipFile(PACKS / f"{request.param}.zip") as pack:
        return {name: pack.read(name) for name in pack.namelist()}


@pytest.fixture(scope="module")
def manifest(files: dict[str, bytes]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files["manifest.json"])
    return loaded


@pytest.fixture(scope="module")
def golden(files: dict[str, bytes]) -> Arrays:
    with np.load(io.BytesIO(files["golden.npz"]), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module")
def session(files: dict[str, bytes]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(files["model.onnx"], options)


def window(
    values: npt.NDArray[np.floating], mask: npt.NDArray[np.floating] | None = None
) -> Arrays:
    values = values.astype(np.float32)[None]
    seen = np.ones_like(values) if mask is None else mask.astype(np.float32)[None]
    return {"values": values, "mask": seen, "clock": np.array([[0.3, 1 / 96]], np.float32)}


def test_every_file_has_the_size_and_hash_the_manifest_states(
    files: dict[str, bytes], manifest: dict[str, Any]
) -> None:
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, stated in manifest["files"].items():
        assert stated["bytes"] == len(files[name])
        assert stated["sha256"] == hashlib.sha256(files[name]).hexdigest()


def test_the_manifest_describes_the_model_as_it_is(
    session: ort.InferenceSession, manifest: dict[str, Any]
) -> None:
    stated = manifest["model"]
    assert {i.name: i.shape for i in session.get_inputs()} == {
        name: side["shape"] for name, side in stated["inputs"].items()
    }
    assert [o.name for o in session.get_outputs()] == list(stated["outputs"]) == OUTPUTS
    assert tuple(stated["quantiles"]) == QUANTILES
    assert manifest["format"] == 1
    assert manifest["needs"]["opset"] == 18
    assert manifest["training"]["data"]
    assert manifest["metrics"]["int8"]["relative_mae"] < 1.0


def test_the_model_is_small_and_the_zip_holds_no_surprises(files: dict[str, bytes]) -> None:
    assert sorted(files) == ["golden.npz", "manifest.json", "model.onnx"]
    assert len(files["model.onnx"]) < 3_000_000


def test_golden_windows_come_out_as_stated(session: ort.InferenceSession, golden: Arrays) -> None:
    inputs = {name: golden[name] for name in ("values", "mask", "clock")}
    assert len(inputs["values"]) >= 8
    for name, made in zip(OUTPUTS, session.run(OUTPUTS, inputs), strict=True):
        size = np.abs(golden[name]).reshape(len(made), -1).max(1) + 1e-6
        off = np.abs(made - golden[name]).reshape(len(made), -1).max(1) / size
        assert off.max() < 0.02, name


def test_a_row_does_not_depend_on_its_batch(session: ort.InferenceSession, golden: Arrays) -> None:
    inputs = {name: golden[name] for name in ("values", "mask", "clock")}
    together = session.run(OUTPUTS, inputs)
    for row in range(len(inputs["values"])):
        alone = session.run(OUTPUTS, {k: v[row : row + 1] for k, v in inputs.items()})
        for one, all_ in zip(alone, together, strict=True):
            size = np.abs(all_[row]).max() + 1e-9
            assert np.abs(one[0] - all_[row]).max() / size < 1e-5


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("zero", np.zeros(512)),
        ("flat", np.full(512, 21.5)),
        ("far", 1e9 + np.sin(np.arange(512) / 15)),
        ("tiny", 1e-12 * np.sin(np.arange(512) / 15)),
        ("largest", 3.4e38 * np.sin(np.arange(512) / 15)),
        ("subnormal", np.full(512, 1e-40)),
        ("one spike", np.eye(1, 512, 300)[0] * 1e6),
        ("whole numbers", np.round(3 * np.sin(np.arange(512) / 15))),
        ("on and off", (np.arange(512) % 60 < 5).astype(float)),
    ],
)
@pytest.mark.parametrize("seen", [512, 64, 1, 0])
def test_any_finite_window_gives_finite_ordered_quantiles(
    session: ort.InferenceSession, name: str, values: npt.NDArray[np.float64], seen: int
) -> None:
    mask = (np.arange(512) >= 512 - seen).astype(float)
    made = session.run(OUTPUTS, window(values * mask, mask))
    assert all(np.isfinite(part).all() for part in made), name
    assert (np.diff(made[0], axis=2) >= 0).all()


def test_what_is_missing_never_leaks(session: ort.InferenceSession) -> None:
    rng = np.random.default_rng(1)
    values, mask = rng.standard_normal(512), (rng.random(512) < 0.7).astype(float)
    plain = session.run(OUTPUTS, window(values * mask, mask))
    dirty = session.run(OUTPUTS, window(np.where(mask > 0, values, 1e6), mask))
    for one, other in zip(plain, dirty, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_daily_wave_is_foretold_within_its_interval(session: ort.InferenceSession) -> None:
    rng = np.random.default_rng(2)
    wave = 20 + 6 * np.sin(np.arange(608) * 2 * np.pi / 96) + 0.3 * rng.standard_normal(608)
    quantiles = session.run(OUTPUTS, window(wave[:512]))[0][0]
    error = np.abs(quantiles[:, 5] - wave[512:]).mean()
    inside = (wave[512:] >= quantiles[:, 0]) & (wave[512:] <= quantiles[:, -1])
    assert error < 0.8
    assert inside.mean() > 0.9


def test_sixty_four_samples_are_enough_to_foretell_the_next(session: ort.InferenceSession) -> None:
    line = 5 + 0.02 * np.arange(512)
    mask = (np.arange(512) >= 448).astype(float)
    quantiles = session.run(OUTPUTS, window(line * mask, mask))[0][0]
    assert abs(quantiles[0, 5] - (5 + 0.02 * 512)) < 0.1


def test_an_outlier_does_not_hide_in_its_reconstruction(session: ort.InferenceSession) -> None:
    rng = np.random.default_rng(3)
    wave = 3 * np.sin(np.arange(512) * 2 * np.pi / 96) + 0.1 * rng.standard_normal(512)
    wave[-1] += 12
    cleaned = session.run(OUTPUTS, window(wave))[1][0]
    assert abs(cleaned[-1] - wave[-1]) > 5


@pytest.mark.slow
def test_a_window_costs_under_a_few_milliseconds(
    session: ort.InferenceSession, golden: Arrays
) -> None:
    inputs = {name: np.repeat(golden[name], 4, axis=0) for name in ("values", "mask", "clock")}
    session.run(OUTPUTS, inputs)
    began = time.perf_counter()
    for _ in range(5):
        session.run(OUTPUTS, inputs)
    assert (time.perf_counter() - began) / 5 / len(inputs["values"]) < 0.005
