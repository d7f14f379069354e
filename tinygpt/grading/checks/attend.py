"""Attention with a knob for each known way to go wrong, and what each way is called."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tinygpt.grading.exercise import Fault

FUSED = (  # attention that somebody else wrote
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.MultiheadAttention",
    "torch.nn.attention.flex_attention",
    "torch.nn.Transformer",
    "torch.nn.TransformerEncoderLayer",
    "torch.nn.TransformerDecoderLayer",
    "tinygpt.models",
)

OVERFLOW = (
    "exp overflows above 88. `torch.softmax` subtracts the largest score of each row first; do the same."
)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor | None = None,
    *,
    scale: str = "√K",
    mask: str = "no",
    softmax: str = "rows",
    swapped: bool = False,
    output: str = "mixed",
    hidden: Tensor | None = None,
    pad: str = "hidden",
) -> Tensor:
    """Attention with a knob for each known way to go wrong; without `v` it gives the pattern.

    `hidden` is true where nobody may look, besides what `mask` hides, and `pad` is what becomes of that.
    """
    scores = (k @ q.mT if swapped else q @ k.mT) * _SCALES.get(scale, lambda K, T: K**-0.5)(*q.shape[:-3:-1])
    if scale == "after":
        scores = scores * math.sqrt(q.shape[-1])
    scores = _mask(scores, mask)
    if hidden is not None and pad not in ("no", "after"):
        scores = scores.masked_fill(hidden, {"zero": 0.0, "minus hundred": -100.0}.get(pad, -math.inf))
    pattern = _softmax(scores, softmax)
    if mask == "after":
        pattern = pattern.tril()
    if hidden is not None and pad == "after":
        pattern = pattern.masked_fill(hidden, 0.0)
    if scale == "after":
        pattern = pattern / math.sqrt(q.shape[-1])
    if v is None or output == "pattern":
        return pattern
    return (pattern.mT if output == "transposed" else pattern) @ v


_SCALES = {
    "none": lambda K, T: 1.0,
    "K": lambda K, T: 1 / K,
    "times √K": lambda K, T: math.sqrt(K),
    "√T": lambda K, T: T**-0.5,
}


def _mask(scores: Tensor, kind: str) -> Tensor:
    if kind in ("no", "after"):
        return scores
    diagonal = {"strict": 0, "strict, finite": 0, "blind": 0, "loose": 2}.get(kind, 1)
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(diagonal)
    if kind == "blind":
        hidden[..., 0, 0] = False
    if kind == "flipped":
        hidden = hidden.mT
    return scores.masked_fill(hidden, {"zero": 0.0, "strict, finite": -1e9}.get(kind, -math.inf))


def _softmax(scores: Tensor, kind: str) -> Tensor:
    if kind == "none":
        return scores
    if kind == "naive":
        return scores.exp() / scores.exp().sum(-1, keepdim=True)
    if kind == "all":
        return scores.flatten(-2).softmax(-1).view(scores.shape)
    return scores.softmax({"rows": -1, "columns": -2, "batch": 0}[kind])


SCALING = (
    Fault(
        "not scaled", "The scores are not divided by `√K`, K being the width of a query.", {"scale": "none"}
    ),
    Fault("divided by K", "The scores are divided by K. Divide by its square root.", {"scale": "K"}),
    Fault("multiplied by √K", "The scores are multiplied by `√K`. Divide by it.", {"scale": "times √K"}),
    Fault(
        "wrong axis scaled",
        "The scores are divided by the square root of the number of positions. K is the last axis of q.",
        {"scale": "√T"},
    ),
    Fault(
        "scaled after softmax",
        "The weights are divided by `√K` after the softmax, so rows no longer sum to 1. Scale the scores "
        "first.",
        {"scale": "after"},
    ),
)
SOFTMAX = (
    Fault(
        "softmax over queries",
        "The softmax runs over the queries: columns sum to 1, rows do not. Every *query* spreads one unit of "
        "attention over the keys, and keys are the last axis: `dim=-1`.",
        {"softmax": "columns"},
    ),
    Fault(
        "softmax over the batch",
        "The softmax runs over axis 0, the batch. Use `dim=-1`.",
        {"softmax": "batch"},
    ),
    Fault(
        "softmax over everything",
        "The softmax runs over the whole matrix. Each row on its own sums to 1: `dim=-1`.",
        {"softmax": "all"},
    ),
    Fault("no softmax", "These are scores, not weights: the softmax is missing.", {"softmax": "none"}),
    Fault(
        "overflow", f"Right for small scores, not a number for large ones: {OVERFLOW}", {"softmax": "naive"}
    ),
)
SWAPPED = Fault(
    "queries and keys swapped",
    "Rows belong to keys and columns to queries. Row t is what *query* t gives to each key: `q @ k.mT`.",
    {"swapped": True},
)
MASKS = (
    Fault("no mask", "The future leaks: every position sees all others. Mask the scores.", {"mask": "no"}),
    Fault(
        "masked after softmax",
        "No weight on the future, but rows do not sum to 1: the future took its share before it was removed. "
        "Mask the scores, before the softmax.",
        {"mask": "after"},
    ),
    Fault(
        "masked with zero",
        "The future leaks: masked scores are 0, and exp(0) = 1 is a lot of attention. Mask with −inf.",
        {"mask": "zero"},
    ),
    Fault(
        "one position of the future",
        "The future leaks by one: position t sees t + 1. Masked is what lies strictly above the diagonal: "
        "`triu(diagonal=1)`.",
        {"mask": "loose"},
    ),
    Fault(
        "cannot see itself",
        "A position does not see itself, and the first one sees nothing: −inf everywhere gives nan. Keep the "
        "diagonal: `triu(diagonal=1)` is what to hide.",
        {"mask": "strict"},
    ),
    Fault(
        "cannot see itself",
        "A position does not see itself, and the first one, with nothing to see, averages everything, its "
        "future too. Keep the diagonal: `triu(diagonal=1)` is what to hide.",
        {"mask": "strict, finite"},
    ),
    Fault(
        "mask upside down",
        "The mask is upside down: positions see the future in place of the past. Rows are queries, columns "
        "keys.",
        {"mask": "flipped"},
    ),
)
