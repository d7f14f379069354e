"""Causal self-attention with many heads, and the two ways to compute it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tinygpt.models.positions import alibi_slopes, causal_bias, rope_angles, rotate
from tinygpt.models.tap import Tap

if TYPE_CHECKING:
    from jaxtyping import Float

    from tinygpt.models.cache import KVCache
    from tinygpt.models.config import GPTConfig


@dataclass
class Geometry:
    """What all layers of one forward pass share about positions.

    Attributes:
        n_keys: tokens in all, the earlier and the new ones.
        n_new: how many of them are new, and therefore queries.
        device: of the tokens.
        rotation: cos and sin for RoPE, or None.
        slopes: of ALiBi, or None.
    """

    n_keys: int
    n_new: int
    device: torch.device
    rotation: tuple[Tensor, Tensor] | None
    slopes: Float[Tensor, " H"] | None
    _bias: Float[Tensor, "H T S"] | None = None

    @property
    def plain(self) -> bool:
        """Whether `bias` is nothing but the square causal mask, which fused kernels know by heart."""
        return self.slopes is None and self.n_new == self.n_keys

    @property
    def bias(self) -> Float[Tensor, "H T S"]:
        """Added to the scores: −inf in the future, ALiBi's penalty elsewhere. Made when first asked for."""
        if self._bias is None:
            self._bias = causal_bias(self.n_new, self.n_keys, self.slopes, self.device)
        return self._bias


def geometry(config: GPTConfig, start: int, n_new: int, x: Tensor) -> Geometry:
    """Returns the positions' part of attention for `n_new` tokens that follow `start` earlier ones."""
    rotation = slopes = None
    if config.position == "rope":
        positions = torch.arange(start, start + n_new, device=x.device)
        rotation = rope_angles(positions, config.d_head, config.rope_base)
    if config.position == "alibi":
        slopes = alibi_slopes(config.n_heads).to(x.device)
    return Geometry(start + n_new, n_new, x.device, rotation, slopes)


class Attention(nn.Module):
    """Lets every token gather what earlier tokens offer.

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
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # once here, not once in each linear
        split, K = "B T (H K) -> B H T K", self.config.d_head
        q, k, v = (rearrange(linear(x), split, K=K) for linear in (self.q, self.k, self.v))
        if where.rotation is not None:
            q, k = rotate(q, *where.rotation), rotate(k, *where.rotation)
        q, k, v = self.queries(q), self.keys(k), self.values(v)
        if cache is not None:
            k, v = cache.append(self.layer, k, v)
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
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=where.bias.to(q.dtype))

    def _explicit(self, q: Tensor, k: Tensor, v: Tensor, where: Geometry) -> Float[Tensor, "B H T K"]:
        future = where.bias == -math.inf
        scores = self.scores(q @ k.mT / math.sqrt(q.shape[-1]) + where.bias.masked_fill(future, 0.0))
        pattern = self.pattern(scores.masked_fill(future, -math.inf).softmax(dim=-1))
        return pattern.to(v.dtype) @ v

    def _batched(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Float[Tensor, "B H T K"]:
        """Two batched products: little slower than the fused kernel, and in bfloat16 on a CPU much faster."""
        B, H, T, K = q.shape
        if bias.shape[0] != 1:
            bias = bias.repeat(B, 1, 1)
        scores = torch.baddbmm(bias.to(q.dtype), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=K**-0.5)
        pattern = self.pattern(scores.softmax(dim=-1).view(B, H, T, -1))
        return torch.bmm(pattern.flatten(0, 1), v.flatten(0, 1)).view(B, H, T, K)
