"""Exercise 3 of chapter 04: cross-attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.attend import FUSED, OVERFLOW, SCALING, SOFTMAX, attend
from tinygpt.grading.checks.draws import normal, scattered, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def cross_oracle(q: Tensor, k: Tensor, v: Tensor, padding: Tensor) -> Tensor:
    """PyTorch's own, whose mask is true where a query *may* look."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=~padding[:, None, None, :])


def cross_attempt(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    padding: Tensor,
    *,
    pad: str = "hidden",
    axis: str = "keys",
    keys: str = "k",
    values: str = "v",
    **knobs: str | bool,
) -> Tensor:
    """Cross-attention with a knob for each known way to go wrong: `attend` and a mask from the padding."""
    k = {"k": k, "queries": q, "values": v}[keys]
    v = {"v": v, "keys": k, "queries": q}[values]
    places = {"keys": (slice(None), None, None), "batch": (), "heads": (None, slice(None), None)}
    places["queries"] = (slice(None), None, slice(None), None)
    hidden = padding[places[axis]]
    if pad == "one for all":
        hidden = hidden.any(0, keepdim=True)
    if pad.startswith("inverted"):
        answer = attend(q, k, v, hidden=~hidden, **knobs)
        return answer.nan_to_num() if pad == "inverted, 0 for nothing" else answer
    return attend(q, k, v, hidden=hidden, pad=pad, **knobs)


def reads_padding(call: Call, args: tuple, got: Tensor) -> bool:
    """Other keys and values where there is no token must not change the answer."""
    q, k, v, padding = args
    nothing = padding[:, None, :, None]
    other = call(q, torch.where(nothing, k - 1.5, k), torch.where(nothing, v + 2.5, v), padding)
    return not torch.allclose(other, got, atol=1e-4, equal_nan=True)


def misses_tokens(call: Call, args: tuple, got: Tensor) -> bool:
    """Every query may look at the last key, where it is a token."""
    q, k, v, padding = args
    alike, nothing, other = torch.zeros_like(q), torch.zeros_like(padding), v.clone()
    other[:, :, -1] += 100.0
    moved = (call(alike, k, other, nothing) - call(alike, k, v, nothing)).abs()
    return bool((moved.amax(-1) < 1e-3).any())


def does_not_average(call: Call, args: tuple, got: Tensor) -> bool:
    q, k, v, padding = args
    return not torch.allclose(call(q, k, torch.ones_like(v), padding), torch.ones_like(got), atol=1e-3)


def sequences_mix(call: Call, args: tuple, got: Tensor) -> bool:
    return not torch.allclose(call(*(arg[:1] for arg in args)), got[:1], atol=1e-4, equal_nan=True)


def _pads(*lengths: int, S: int) -> Tensor:
    """True from each sequence's length on, except that length 0 stands for padding on the left."""
    places = torch.arange(S)
    return torch.stack([places >= n if n else places < S // 2 for n in lengths])


def _drawn(generator: Generator, H: int, T: int, K: int, padding: Tensor, draw: Call = normal) -> tuple:
    B, S = padding.shape
    dtype = DOUBLE if draw is scattered else torch.float32
    q, k, v = (draw(generator, B, H, n, K, dtype=dtype) for n in (T, S, S))
    return q, k, v, padding


def _loud(generator: Generator) -> tuple:
    """Whole numbers and scores in the thousands: a query dislikes all tokens, and another likes padding."""
    padding = _pads(3, 5, S=6)
    q, k = (whole(generator, 2, 2, n, 16, largest=25) for n in (4, 6))
    k[0, :, :3] -= 5 * q[0, :, :1]
    k[:, :, -1] = 5 * q[:, :, 0]
    return q, k, normal(generator, 2, 2, 6, 16), padding


def _square(generator: Generator) -> tuple:
    """B = H = T = S, so that a mask on the wrong axis fits."""
    return _drawn(generator, 4, 4, 3, _pads(4, 3, 0, 2, S=4))


ALL_AXES = "The padding (B, S) becomes (B, 1, 1, S), `padding[:, None, None]`, to fit scores of (B, H, T, S)."

INVERTED = (
    "The mask is inverted: tokens are hidden and padding is read. `padding` is true where there is *no* "
    "token. PyTorch's `attn_mask` is true where one *may* look."
)

cross_attention = Exercise(
    name="cross_attention",
    arguments=("q", "k", "v", "padding"),
    returns="B H T K",
    reference=cross_oracle,
    attempt=cross_attempt,
    faults=(
        Fault(
            "padding not hidden",
            "Padding gets attention: it has keys like any token, and only the mask knows that there is "
            "nothing there. Put −inf where `padding` is true.",
            {"pad": "no"},
        ),
        Fault("mask inverted", INVERTED, {"pad": "inverted"}),
        Fault("mask inverted", INVERTED, {"pad": "inverted, 0 for nothing"}),
        Fault(
            "padding hidden after softmax",
            "Padding gets no weight, but rows do not sum to 1: it took its share before it was removed. "
            "Mask the scores, before the softmax.",
            {"pad": "after"},
        ),
        Fault(
            "masked with zero",
            "The scores of padding are 0, and exp(0) = 1 is a lot of attention. Mask with −inf.",
            {"pad": "zero"},
        ),
        Fault(
            "masked with a small number",
            "The mask is a number that is too small: a score of several hundred drowns it. Mask with −inf.",
            {"pad": "minus hundred"},
        ),
        Fault(
            "padding hides queries",
            f"The mask hides rows, the queries, in place of columns, the keys. {ALL_AXES}",
            {"axis": "queries"},
        ),
        Fault(
            "padding of another sequence",
            "The padding's axis B lies on the queries: query t of *every* sequence obeys the padding of "
            f"sequence t. {ALL_AXES}",
            {"axis": "batch"},
        ),
        Fault(
            "padding dealt out to heads",
            "The padding's axis B lies on the heads: head h of *every* sequence obeys the padding of "
            f"sequence h. {ALL_AXES}",
            {"axis": "heads"},
        ),
        Fault(
            "one padding for all",
            "What is padding in one sequence is hidden in all of them. Each has its own row of `padding`.",
            {"pad": "one for all"},
        ),
        Fault(
            "causal mask",
            "A causal mask is in the way: position 0 sees one source token only. The source is there as a "
            "whole: every position may look at all of it.",
            {"mask": "causal"},
        ),
        Fault(
            "queries in place of keys",
            "The queries are compared with themselves: use `k`.",
            {"keys": "queries"},
        ),
        Fault(
            "values in place of keys",
            "The queries are compared with the values: use `k`.",
            {"keys": "values"},
        ),
        Fault(
            "keys in place of values",
            "The keys are mixed. Mix the values: `pattern @ v`.",
            {"values": "keys"},
        ),
        Fault(
            "queries and keys swapped",
            "Keys ask and queries answer. Rows belong to the decoder's positions: `q @ k.mT`.",
            {"swapped": True},
        ),
        *SCALING,
        *SOFTMAX,
        Fault("values forgotten", "This is the pattern. Multiply it by the values.", {"output": "pattern"}),
        Fault(
            "pattern transposed",
            "The pattern meets the values the wrong way round: `pattern @ v`.",
            {"output": "transposed"},
        ),
    ),
    laws=(
        Law(
            "padding is read",
            "Other keys and values where `padding` is true change the answer, and there is no token there.",
            reads_padding,
        ),
        Law(
            "tokens are missed",
            "Without any padding some query still gives the last key no weight at all. Only padding is "
            "hidden.",
            misses_tokens,
        ),
        Law(
            "no weighted average",
            "The answer is no weighted average: with all values 1 it is not 1. Mask before the softmax.",
            does_not_average,
        ),
        Law(
            "batch mixes",
            "The sequences of a batch mix: the first one alone gives another answer than in company.",
            sequences_mix,
        ),
    ),
    cases=(
        Case("no padding, more keys than queries", lambda g: _drawn(g, 1, 3, 4, _pads(5, S=5))),
        Case(
            "a batch with padding at the end, fewer keys than queries",
            lambda g: _drawn(g, 2, 6, 4, _pads(4, 2, 3, S=4)),
        ),
        Case("as many sequences as heads and positions", _square, points=2),
        Case(
            "double precision, not in order in memory, padding in front",
            lambda g: _drawn(g, 3, 4, 5, _pads(0, 6, S=6), scattered),
        ),
        Case("scores of several hundred", _loud, advice=OVERFLOW),
    ),
    shortcuts=FUSED,
)
