"""The network treats every window alone, sees no missing value, and follows scale and offset."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.config import CONFIGS
from models.network import Network, normalize, squash, unsquash

pytestmark = pytest.mark.train
SHAPE = CONFIGS["trial"].shape


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(3)
    return Network(SHAPE).eval()


def inputs(rows: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    mask = (torch.rand(rows, SHAPE.context) > 0.2).float()
    values = (torch.randn(rows, SHAPE.context).cumsum(1) * 0.1 + torch.randn(rows, 1)) * mask
    clock = torch.stack([torch.rand(rows), torch.full((rows,), 1 / 96)], dim=1)
    return values, mask, clock


def ask(network: Network, *given: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        made: tuple[Tensor, ...] = network(*given)
        return made


def test_outputs_have_the_promised_shapes(network: Network) -> None:
    quantiles, cleaned, embedding = ask(network, *inputs())
    assert quantiles.shape == (5, SHAPE.horizon, len(SHAPE.quantiles))
    assert cleaned.shape == (5, SHAPE.context)
    assert embedding.shape == (5, SHAPE.embedding)


def test_quantiles_never_cross(network: Network) -> None:
    quantiles = ask(network, *inputs(20, seed=4))[0]
    assert (quantiles.diff(dim=2) >= 0).all()


def test_missing_values_never_leak(network: Network) -> None:
    values, mask, clock = inputs()
    dirty = torch.where(mask > 0, values, torch.full_like(values, float("nan")))
    for one, other in zip(
        ask(network, values, mask, clock), ask(network, dirty, mask, clock), strict=True
    ):
        assert torch.equal(one, other)


def test_a_row_does_not_depend_on_its_batch(network: Network) -> None:
    given = inputs()
    together = ask(network, *given)
    alone = ask(network, *(part[2:3] for part in given))
    for one, all_ in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], all_[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-3, 0.0), (250.0, 0.0), (1.0, 40.0), (8.0, -9.0)]
)
def test_another_unit_gives_the_same_forecast_in_that_unit(
    network: Network, factor: float, offset: float
) -> None:
    values, mask, clock = inputs()
    plain = ask(network, values, mask, clock)
    moved = ask(network, (values * factor + offset) * mask, mask, clock)
    for index in (0, 1):
        expected = plain[index] * factor + offset
        torch.testing.assert_close(moved[index], expected, rtol=2e-3, atol=5e-3 * factor)
    torch.testing.assert_close(moved[2], plain[2], rtol=1e-2, atol=1e-2)


def test_normalizing_comes_back_to_the_values() -> None:
    values, mask, _ = inputs()
    normal = normalize(values, mask)
    torch.testing.assert_close(normal.inverse(normal.z) * mask, values, rtol=1e-4, atol=1e-4)
    x = torch.tensor([-1e6, -1.0, 0.0, 1e-4, 30.0])
    torch.testing.assert_close(unsquash(squash(x)), x, rtol=1e-4, atol=1e-6)


def test_one_sentinel_neither_sets_the_scale_nor_vanishes() -> None:
    values, mask, _ = inputs(1)
    plain = normalize(values, mask)
    wrong = values.clone()
    wrong[0, 200] = -9999.0
    seen = mask.clone()
    seen[0, 200] = 1.0
    spoiled = normalize(wrong, seen)
    ratio = (spoiled.scale * spoiled.top) / (plain.scale * plain.top)
    assert 0.3 < float(ratio) < 5
    assert float(spoiled.z[0, 200]) < -5


def test_the_same_hour_of_yesterday_is_found(network: Network) -> None:
    values = torch.arange(SHAPE.context, dtype=torch.float32)[None]
    mask = torch.ones_like(values)
    normal = normalize(values, mask)
    anchor, _ = network.footing(normal)
    lag, known = network.lags(normal, torch.tensor([[1 / 48]]), anchor)
    back = normal.inverse(lag[:, 0] + anchor)
    ahead = torch.arange(1, SHAPE.horizon + 1)
    expected = SHAPE.context - 1 + ahead - 48 * torch.ceil(ahead / 48)
    torch.testing.assert_close(back[0], expected, rtol=1e-3, atol=0.5)
    assert known[:, :2].all()


def test_lags_beyond_the_context_are_unknown(network: Network) -> None:
    values, mask, _ = inputs(1)
    normal = normalize(values, mask)
    anchor, _ = network.footing(normal)
    lag, known = network.lags(normal, torch.tensor([[5 / 86400]]), anchor)
    assert not known.any()
    assert not lag.any()


def test_the_usual_value_is_the_mean_of_the_days_that_are_known(network: Network) -> None:
    values = torch.zeros(1, SHAPE.context)
    for day in range(1, 7):
        values[0, SHAPE.context - 48 * day : SHAPE.context - 48 * (day - 1)] = float(day)
    mask = torch.ones_like(values)
    mask[0, -48:] = 0.0  # yesterday is missing
    mask[0, -1] = 1.0
    normal = normalize(values, mask)
    anchor, _ = network.footing(normal)
    lag, known = network.lags(normal, torch.tensor([[1 / 48]]), anchor)
    usual = normal.inverse(lag[:, -1, :40] + anchor)
    assert known[:, -1].all()
    torch.testing.assert_close(usual, torch.full((1, 40), 4.0), rtol=0.1, atol=0.1)
