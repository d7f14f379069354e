"""What tells a head where a token stands: rotations (RoPE) and distance penalties (ALiBi)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def rope_angles(
    positions: Int[Tensor, "*rows T"], d_head: int, base: float = 10_000.0
) -> tuple[Float[Tensor, "*rows T half"], Float[Tensor, "*rows T half"]]:
    """Returns cos and sin of the angle by which RoPE turns each coordinate pair at each position.

    Pair i at position t is turned by `t · base^(-2i / d_head)` radians.

    Args:
        positions: token positions, counted from 0, the same for all rows or of each.
        d_head: width of a head, K; even.
        base: the larger, the slower the slowest pair turns.

    Returns:
        Two float32 tensors of shape T × K/2, or B × T × K/2.

    Source: Su et al. 2021, "RoFormer", equation 15. Pairs are (i, i + K/2), as in Llama, not neighbours.
    """
    half = d_head // 2
    frequency = base ** (-torch.arange(half, device=positions.device, dtype=torch.float32) / half)
    angle = positions.float()[..., None] * frequency
    return angle.cos(), angle.sin()


def rotate(
    x: Float[Tensor, "B H T K"], cos: Float[Tensor, "*rows T half"], sin: Float[Tensor, "*rows T half"]
) -> Float[Tensor, "B H T K"]:
    """Returns `x` with each coordinate pair turned by its angle; lengths are unchanged.

    Turned queries and keys have dot products that depend on the distance between them only.

    Args:
        x: queries or keys.
        cos, sin: from `rope_angles`; T × K/2, or B × 1 × T × K/2.

    Example:
        >>> cos, sin = rope_angles(torch.arange(3), d_head=4)
        >>> rotate(torch.ones(1, 1, 3, 4), cos, sin).shape
        torch.Size([1, 1, 3, 4])
    """
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def alibi_slopes(n_heads: int) -> Float[Tensor, " H"]:
    """Returns how steeply each head discounts distance: a geometric series from `2^(-8/n)` to `2^-8`.

    Source: Press et al. 2021, "Train Short, Test Long", section 3. Head counts that are no power of
    two take the slopes of the next lower power, then every second slope of the next higher one.
    """
    power = 2 ** math.floor(math.log2(n_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    slopes += [2 ** (-8 * (2 * i + 1) / (2 * power)) for i in range(n_heads - power)]
    return torch.tensor(slopes)


def attention_bias(
    n_queries: int,
    n_keys: int,
    causal: bool = True,
    slopes: Float[Tensor, " H"] | None = None,
    device: torch.device | str | None = None,
    window: int | None = None,
) -> Float[Tensor, "H T S"]:
    """Returns what is added to the scores: −inf on keys that are hidden, and ALiBi's penalty elsewhere.

    Args:
        n_queries: how many of the keys' tokens, the last ones, ask.
        n_keys: tokens that are there, the earlier and the new ones.
        causal: whether the future is hidden.
        slopes: from `alibi_slopes`; None for no penalty.
        device: where to make it; slopes must be there.
        window: how far a token sees, itself included; what is further away is hidden.

    Returns:
        float32, H × T × S; H is 1 without slopes.

    Example:
        >>> attention_bias(2, 3)
        tensor([[[0., 0., -inf],
                 [0., 0., 0.]]])
        >>> attention_bias(2, 3, window=2)
        tensor([[[0., 0., -inf],
                 [-inf, 0., 0.]]])
    """
    first = n_keys - n_queries
    bias = torch.full((1, n_queries, n_keys), -math.inf if causal else 0.0, device=device)
    if causal:
        bias.triu_(first + 1)
    if window is not None:
        bias = bias + torch.full_like(bias, -math.inf).tril_(first - window)
        if not causal:
            bias = bias + torch.full_like(bias, -math.inf).triu_(first + window)
    if slopes is None:
        return bias
    keys = torch.arange(n_keys, device=device)
    return bias - slopes[:, None, None] * (keys[first:, None] - keys).abs()
