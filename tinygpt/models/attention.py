"""Attention with many heads, to one's own sequence or another, and the ways to compute it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tinygpt.models.positions import alibi_slopes, attention_bias, rope_angles, rotate
from tinygpt.models.tap import Tap

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig


@dataclass
class Geometry:
    """What all layers of one forward pass share about who may look at whom, and from where.

    Attributes:
        n_keys: tokens to look at: the earlier and the new ones, or those of another sequence.
        n_new: tokens that look; queries.
        device: of the tokens.
        causal: whether the queries are the last of the keys, and look only backwards.
        rotation: cos and sin for RoPE, or None.
        slopes: of ALiBi, or None.
        padding: keys at which there is no token, or None.
        window: how many tokens each one sees, itself included; None for all.
        places: which key each query is, where rows differ in it; None where they are the last ones.
    """

    n_keys: int
    n_new: int
    device: torch.device
    causal: bool = True
    rotation: tuple[Tensor, Tensor] | None = None
    slopes: Float[Tensor, " H"] | None = None
    padding: Bool[Tensor, "B S"] | None = None
    window: int | None = None
    places: Int[Tensor, "B T"] | None = None
    _bias: Float[Tensor, "b h T S"] | None = None

    @property
    def plain(self) -> bool:
        """Whether `bias` is nothing but the square causal mask, or nothing: fused kernels know both."""
        if self.slopes is not None or self.padding is not None or self.places is not None:
            return False
        square = self.n_new in (1, self.n_keys) or not self.causal  # a newest token sees all keys
        return square and (self.window is None or self.n_keys <= self.window)

    @property
    def bias(self) -> Float[Tensor, "b h T S"]:
        """Added to the scores: −inf on what is hidden, ALiBi's penalty elsewhere; b is 1 or B, h 1 or H.

        Made when first asked for.
        """
        if self._bias is None:
            bias = self._sight()
            if self.padding is not None:
                hidden = self.padding[:, None, None]
                if self.causal:
                    # A query at padding has only padding before it, and the softmax of nothing is NaN, which
                    # would spread through the next layer's values. It sees itself; nobody else sees it.
                    hidden = hidden & ~_itself(self.n_new, self.n_keys, self.device)
                bias = bias.masked_fill(hidden, -math.inf)
            self._bias = bias
        return self._bias

    def _sight(self) -> Float[Tensor, "b h T S"]:
        if self.places is None:
            shape = (self.n_new, self.n_keys, self.causal)
            return attention_bias(*shape, self.slopes, self.device, self.window)[None]
        away = (self.places[..., None] - torch.arange(self.n_keys, device=self.device))[:, None]
        hidden = away < 0 if self.window is None else (away < 0) | (away >= self.window)
        slopes = torch.zeros(1, device=self.device) if self.slopes is None else self.slopes
        return (-slopes[:, None, None] * away).masked_fill(hidden, -math.inf)


def _itself(n_queries: int, n_keys: int, device: torch.device) -> Bool[Tensor, "T S"]:
    """True where the key is the query's own token; the queries are the last of the keys."""
    keys = torch.arange(n_keys, device=device)
    return keys[n_keys - n_queries :, None] == keys


def geometry(
    config: GPTConfig, start: int, x: Tensor, *, causal: bool = True, padding: Tensor | None = None
) -> Geometry:
    """Returns who may look at whom when the tokens of x (B T D) follow `start` earlier ones."""
    n_new, rotation, slopes = x.shape[1], None, None
    if config.position == "rope":
        positions = torch.arange(start, start + n_new, device=x.device)
        rotation = rope_angles(positions, config.d_head, config.rope_base)
    if config.position == "alibi":
        slopes = alibi_slopes(config.n_heads).to(x.device)
    seen = start if config.window is None else min(start, config.window - 1)
    return Geometry(seen + n_new, n_new, x.device, causal, rotation, slopes, padding, config.window)


class Attention(nn.Module):
    """Lets every token gather what others offer.

    For each head: `softmax(q kᵀ / √K + bias) v`, the heads side by side, then one linear map.

    Taps: `queries`, `keys`, `values` (B × heads × T × K, after RoPE), `scores` (B H T S, scaled dot
    products with ALiBi, before the mask), `pattern` (B H T S, rows sum to 1), `heads` (B H T K).
    While `scores` is watched they are computed step by step, while `pattern` alone is watched in two
    batched products; otherwise PyTorch's fused kernel never stores them.

    Source: Vaswani et al. 2017, section 3.2; grouped queries from Ainslie et al. 2023.
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        D, K = config.d_model, config.d_head
        self.q = nn.Linear(D, config.n_heads * K, bias=config.bias)
        self.k = nn.Linear(D, config.kv_heads * K, bias=config.bias)
        self.v = nn.Linear(D, config.kv_heads * K, bias=config.bias)
        self.out = nn.Linear(D, D, bias=config.bias)
        self.queries, self.keys, self.values = Tap(), Tap(), Tap()
        self.scores, self.pattern, self.heads = Tap(), Tap(), Tap()

    def forward(
        self, x: Float[Tensor, "B T D"], where: Geometry, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        if not x.is_meta and torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # once here, not once in each linear
        q, k, v = self._split(self.q(x)), self._split(self.k(x)), self._split(self.v(x))
        if where.rotation is not None:
            q, k = rotate(q, *where.rotation), rotate(k, *where.rotation)
        q, k, v = self.queries(q), self.keys(k), self.values(v)
        if cache is not None:
            k, v = cache.append(self.layer, k, v)
        return self._gather(q, k, v, where)

    def _split(self, x: Float[Tensor, "B T width"]) -> Float[Tensor, "B heads T K"]:
        return rearrange(x, "B T (H K) -> B H T K", K=self.config.d_head)

    def _gather(self, q: Tensor, k: Tensor, v: Tensor, where: Geometry) -> Float[Tensor, "B T D"]:
        mixed = self.heads(self._mix(q, k, v, where))
        return self.out(rearrange(mixed, "B H T K -> B T (H K)"))

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, where: Geometry) -> Float[Tensor, "B H T K"]:
        groups = self.config.n_heads // self.config.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        if self.scores.watched:
            return self._explicit(q, k, v, where)
        if self.pattern.watched or (q.dtype == torch.bfloat16 and q.device.type == "cpu"):
            return self._batched(q, k, v, where.bias)
        if where.plain:
            return F.scaled_dot_product_attention(q, k, v, is_causal=where.causal and where.n_new > 1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=where.bias.to(q.dtype))

    def _explicit(self, q: Tensor, k: Tensor, v: Tensor, where: Geometry) -> Float[Tensor, "B H T K"]:
        hidden = where.bias == -math.inf
        scores = self.scores(q @ k.mT / math.sqrt(q.shape[-1]) + where.bias.masked_fill(hidden, 0.0))
        pattern = self.pattern(scores.masked_fill(hidden, -math.inf).softmax(dim=-1))
        return pattern.to(v.dtype) @ v

    def _batched(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Float[Tensor, "B H T K"]:
        """Two batched products: little slower than the fused kernel, and in bfloat16 on a CPU much faster."""
        B, H, T, K = q.shape
        if B == 1:  # what is looked into is mostly one sequence: views only, and fewer of them
            pattern = torch.baddbmm(bias[0].to(q.dtype), q[0], k[0].mT, alpha=K**-0.5).softmax(dim=-1)
            return torch.bmm(self.pattern(pattern[None])[0], v[0])[None]
        bias = bias[0] if bias.shape[:2] == (1, 1) else bias.expand(B, H, -1, -1).flatten(0, 1)
        scores = torch.baddbmm(bias.to(q.dtype), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=K**-0.5)
        pattern = self.pattern(scores.softmax(dim=-1).view(B, H, T, -1))
        return torch.bmm(pattern.flatten(0, 1), v.flatten(0, 1)).view(B, H, T, K)


class CrossAttention(Attention):
    """Lets every token gather what the tokens of another sequence offer, all of them, at no position.

    With a cache the other sequence's keys and values are computed once and kept there; from then on
    `memory` may be None.

    Source: Vaswani et al. 2017, section 3.2.3.
    """

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"] | None,
        where: Geometry,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        q = self.queries(self._split(self.q(x)))
        if cache is None:
            k, v = self._offer(memory)
        else:
            k, v = cache.remember(self.layer, lambda: self._offer(memory))
        return self._gather(q, k, v, where)

    def _offer(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        return self.keys(self._split(self.k(memory))), self.values(self._split(self.v(memory)))
