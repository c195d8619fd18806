"""The network: one channel's recent past in, quantiles, a cleaned past and an embedding out.

::

    values, mask, clock
        | masked L1 normalization, then sign(x) log(1 + |x|)
    z [B, 512] --patches of 16--> 32 tokens --+
    z one, two and seven days before --------> 6 query tokens --+
                                              | 4 pre-norm Transformer blocks
        queries -> quantiles = anchor + gated daily lags + spread * learned steps (never crossing)
        past    -> reconstruction
        mean, newest -> embedding; a layer more for its first number, the doubt

Everything, normalization too, is part of the graph, and no operation mixes rows of the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's own name for it

from models.config import Shape
from models.faults import KINDS

_LARGEST = 1e25  # beyond it float32 could overflow on the way back to channel units
_SMALLEST = 1e-20
_STEEPEST = 20.0  # of a normalized quantile, before the exponential of the way back


def squash(x: Tensor) -> Tensor:
    """Return sign(x) log(1 + |x|): linear near zero, and an outlier stays in sight."""
    return torch.sign(x) * torch.log(1 + x.abs())


def unsquash(z: Tensor) -> Tensor:
    """Invert `squash`."""
    return torch.sign(z) * (torch.exp(z.abs()) - 1)


@dataclass(frozen=True, slots=True)
class Normal:
    """What a window was divided by: `top`, `loc` and `scale`, each [B, 1].

    `z` [B, context] is the normalized window, 0 where nothing was observed; `mask` likewise.
    """

    top: Tensor
    loc: Tensor
    scale: Tensor
    z: Tensor
    mask: Tensor

    def forward(self, values: Tensor) -> Tensor:
        """Normalize values [B, n] of the same channel."""
        x = values.clamp(-_LARGEST, _LARGEST) / self.top
        return squash((x - self.loc) / self.scale)

    def inverse(self, z: Tensor) -> Tensor:
        """Bring z [B, n] back to channel units."""
        return (unsquash(z) * self.scale + self.loc) * self.top


def normalize(values: Tensor, mask: Tensor) -> Normal:
    """Divide each window by the mean absolute deviation of its bulk.

    The bulk is found by clipping twice at six deviations, so that one sentinel such as -9999
    neither sets the scale nor hides the rest. A constant window gets the smallest scale.
    """
    mask = (mask > 0.5).to(values.dtype)  # noqa: PLR2004 - a mask is 0 or 1
    seen = torch.where(mask > 0, values, torch.zeros_like(values)).clamp(-_LARGEST, _LARGEST)
    top = seen.abs().amax(1, keepdim=True).clamp(min=_SMALLEST)
    x = seen / top
    count = mask.sum(1, keepdim=True).clamp(min=1.0)
    clipped = x
    loc = clipped.sum(1, keepdim=True) / count
    scale = ((clipped - loc).abs() * mask).sum(1, keepdim=True) / count
    for _ in range(2):
        clipped = torch.minimum(torch.maximum(x, loc - 6 * scale), loc + 6 * scale)
        loc = (clipped * mask).sum(1, keepdim=True) / count
        scale = ((clipped - loc).abs() * mask).sum(1, keepdim=True) / count
    scale = scale.clamp(min=1e-6)
    return Normal(top, loc, scale, squash((x - loc) / scale) * mask, mask)


class Block(nn.Module):
    """Pre-norm attention and a ReLU layer; `bias` [B, 1, 1, T] closes tokens without samples."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm_attention = nn.LayerNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.norm_hidden = nn.LayerNorm(shape.width)
        self.up = nn.Linear(shape.width, shape.hidden)
        self.down = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Return x [B, T, width] after one round of looking around and thinking."""
        batch, tokens, width = x.shape
        size = width // self.heads
        qkv = self.qkv(self.norm_attention(x)).view(batch, tokens, 3 * self.heads, size)
        q, k, v = qkv.transpose(1, 2).split(self.heads, dim=1)  # each [B, heads, T, size]
        score = torch.matmul(q, k.transpose(2, 3)) * (1.0 / math.sqrt(size)) + bias
        looked = torch.matmul(torch.softmax(score, dim=-1), v)
        x = x + self.out(looked.transpose(1, 2).reshape(batch, tokens, width))
        hidden: Tensor = x + self.down(F.relu(self.up(self.norm_hidden(x))))
        return hidden


class Network(nn.Module):
    """Forecasts and cleans windows of any channel; see the module for the drawing."""

    positions: Tensor
    ahead: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.fast = False  # bfloat16 in the blocks while training, on CPUs that have it
        lags = shape.guides
        self.read = nn.Linear(3 * shape.patch + 5, shape.width)
        self.ask = nn.Linear(2 * lags * shape.patch + 9, shape.width)
        self.place = nn.Parameter(torch.randn(1, shape.past + shape.future, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.foretell = nn.Linear(shape.width, shape.patch * (len(shape.quantiles) + lags))
        self.clean = nn.Linear(shape.width, shape.patch)
        self.embed = nn.Linear(shape.width, shape.embedding)
        self.embed_newest = nn.Linear(shape.width, shape.embedding, bias=False)
        self.weigh = nn.Linear(2 * shape.width, shape.width // 2)
        self.doubt = nn.Linear(shape.width // 2, 1)
        nn.init.zeros_(self.doubt.weight)
        nn.init.zeros_(self.doubt.bias)
        # what only training asks: which samples are faulty, and of the embedding a sketch of the
        # clean window and the kind of fault
        self.flag = nn.Linear(shape.width, shape.patch)
        self.sketch = nn.Linear(shape.embedding, 2 * shape.past)
        self.kind = nn.Linear(shape.embedding, len(KINDS) + 1)
        positions = torch.arange(1, shape.context + 1, dtype=torch.float32)[None]
        ahead = torch.arange(1, shape.horizon + 1, dtype=torch.float32)[None]
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("ahead", ahead, persistent=False)

    def forward(self, values: Tensor, mask: Tensor, clock: Tensor) -> tuple[Tensor, ...]:
        """Return quantiles [B, H, Q], reconstruction [B, C] (channel units), embedding [B, E]."""
        normal = normalize(values, mask)
        z, cleaned, embedding, _ = self.think(normal, clock)
        batch = values.shape[0]
        quantiles = normal.inverse(z.reshape(batch, -1)).view(batch, self.shape.horizon, -1)
        return quantiles, normal.inverse(cleaned), embedding

    def think(self, normal: Normal, clock: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Do the same in normalized units: quantiles [B, H, Q], cleaned [B, C], embedding.

        The fourth is for training: the log odds that each sample is faulty [B, C].
        """
        anchor, pace = self.footing(normal)
        lags = self.lags(normal, clock[:, 1:2], anchor)
        past = self.past_tokens(normal, clock, anchor, pace)
        asked = self.query_tokens(normal, clock, (anchor, pace), lags)
        seen = normal.mask.view(-1, self.shape.past, self.shape.patch).amax(2)  # [B, past]
        open_ = torch.cat([seen, torch.ones_like(seen[:, : self.shape.future])], dim=1)
        bias = (open_[:, None, None, :] - 1.0) * 1e4
        x = torch.cat([past, asked], dim=1) + self.place
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and self.fast):
            for block in self.blocks:
                x = block(x, bias)
        x = self.norm(x)
        z = self.quantiles(x[:, self.shape.past :], anchor, self.reach(pace), lags[0])
        cleaned = self.clean(x[:, : self.shape.past]).flatten(1).clamp(-_STEEPEST, _STEEPEST)
        weight = open_[:, :, None] / open_.sum(1)[:, None, None]
        newest = x[:, self.shape.past - 1]  # what a verdict on the newest sample asks most
        usual = (x * weight).sum(1)
        weighed = F.relu(self.weigh(torch.cat([newest, usual], dim=1)))
        embedding = self.embed(usual) + self.embed_newest(newest)
        embedding = torch.cat([embedding[:, :1] + self.doubt(weighed), embedding[:, 1:]], dim=1)
        return z, cleaned, embedding, self.flag(x[:, : self.shape.past]).flatten(1)

    def footing(self, normal: Normal) -> tuple[Tensor, Tensor]:
        """Return the newest value and the typical step between neighbours, each [B, 1].

        The last four steps count as much as all: after a jump the forecast must be able to
        leave the newest value at once.
        """
        z, mask = normal.z, normal.mask
        place = self.positions * mask
        newest = (place == place.amax(1, keepdim=True)).to(z.dtype) * mask
        both = mask[:, 1:] * mask[:, :-1]
        step = (z[:, 1:] - z[:, :-1]).abs() * both
        every = (step.sum(1, keepdim=True) + 0.1) / (both.sum(1, keepdim=True) + 1.0)
        recent = step[:, -4:].sum(1, keepdim=True) / 4
        return (z * newest).sum(1, keepdim=True), torch.maximum(every, recent).clamp(min=0.003)

    def reach(self, pace: Tensor) -> Tensor:
        """Return how far the channel may go in each coming step, in (0, 1]: [B, H]."""
        return (pace * self.ahead).clamp(max=1.0)

    def lags(self, normal: Normal, step: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
        """Return for each coming step the value some whole days before it, less the anchor.

        Both results are [B, guides, H]: the differences (0 where unknown), and whether known. The
        last is the mean over the newest `averaged` days.
        """
        lag, known = self.earlier(normal, step, anchor, self.shape.lags)
        if not self.shape.averaged:
            return lag, known
        days = tuple((1, more) for more in range(self.shape.averaged))
        values, there = self.earlier(normal, step, anchor, days)
        count = there.sum(1, keepdim=True)
        usual = values.sum(1, keepdim=True) / count.clamp(min=1.0)
        return torch.cat([lag, usual], dim=1), torch.cat([known, count.clamp(max=1.0)], dim=1)

    def earlier(
        self, normal: Normal, step: Tensor, anchor: Tensor, wanted: tuple[tuple[int, int], ...]
    ) -> tuple[Tensor, Tensor]:
        """Look up the lags `wanted`: their differences from the anchor, and whether known."""
        indices = []
        for days, more in wanted:
            period = torch.round(days / step.clamp(min=1e-6)).clamp(min=1.0)
            back = period * (torch.ceil(self.ahead / period) + more)
            indices.append(self.shape.context - 1 + self.ahead - back)
        index = torch.cat(indices, dim=1)  # [B, lags * H]
        inside = (index >= 0).to(anchor.dtype)
        slot = index.clamp(min=0).to(torch.int64)
        known = torch.gather(normal.mask, 1, slot) * inside
        lag = (torch.gather(normal.z, 1, slot) - anchor) * known
        sizes = (-1, len(wanted), self.shape.horizon)
        return lag.view(sizes), known.view(sizes)

    def past_tokens(self, normal: Normal, clock: Tensor, anchor: Tensor, pace: Tensor) -> Tensor:
        """Return one token per patch: values, mask, values seen from close by, time of day."""
        patch, past = self.shape.patch, self.shape.past
        near = squash((normal.z - anchor) / (2 * pace)) * normal.mask / 3
        parts = [part.view(-1, past, patch) for part in (normal.z, normal.mask, near)]
        middle = self.positions[:, patch // 2 :: patch] - self.shape.context  # [1, past]
        read: Tensor = self.read(torch.cat([*parts, day_features(clock, middle)], dim=2))
        return read

    def query_tokens(
        self,
        normal: Normal,
        clock: Tensor,
        footing: tuple[Tensor, Tensor],
        lags: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Return one token per patch of the horizon: the same hours of days before, and scales."""
        anchor, pace = footing
        patch, future, many = self.shape.patch, self.shape.future, self.shape.guides
        parts = [
            part.view(-1, many, future, patch).transpose(1, 2).reshape(-1, future, many * patch)
            for part in lags
        ]
        middle = self.ahead[:, patch // 2 :: patch]
        share = normal.mask.mean(1, keepdim=True)
        facts = torch.cat([anchor, torch.log(pace), share, torch.log(share + 0.002)], dim=1)
        facts = facts[:, None, :].expand(-1, future, -1)
        ask: Tensor = self.ask(torch.cat([*parts, day_features(clock, middle), facts], dim=2))
        return ask

    def quantiles(self, x: Tensor, anchor: Tensor, reach: Tensor, lag: Tensor) -> Tensor:
        """Return normalized quantiles [B, H, Q] of the query tokens x [B, future, width].

        The middle is free; the others are running sums of positive steps away from it.
        """
        levels, lags = len(self.shape.quantiles), self.shape.guides
        raw = self.foretell(x).view(-1, self.shape.horizon, levels + lags)
        gate = torch.sigmoid(raw[:, :, levels:] - 1.0)  # [B, H, lags]
        half = levels // 2
        widen = F.softplus(raw[:, :, 1:levels] - 1.0) * reach[:, :, None]
        middle = (anchor + raw[:, :, 0] * reach + (gate * lag.transpose(1, 2)).sum(2))[:, :, None]
        below = middle - torch.cumsum(widen[:, :, :half], dim=2).flip(2)
        above = middle + torch.cumsum(widen[:, :, half:], dim=2)
        return torch.cat([below, middle, above], dim=2).clamp(-_STEEPEST, _STEEPEST)


def day_features(clock: Tensor, offset: Tensor) -> Tensor:
    """Return sine and cosine of the day and half day, and log step, at `offset` [1, n] steps.

    The result is [B, n, 5].
    """
    step = clock[:, 1:2].clamp(1e-6, 30.0)
    angle = (clock[:, 0:1] + offset * step) * (2 * math.pi)
    pace = (torch.log(step) + 5.0) / 3.0
    rows = [torch.sin(angle), torch.cos(angle), torch.sin(2 * angle), torch.cos(2 * angle)]
    return torch.stack([*rows, pace.expand_as(angle)], dim=2)
