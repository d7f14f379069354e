"""Exercise 3 of chapter 03: many heads."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor

from tinygpt.grading.checks.attend import FUSED, MASKS, OVERFLOW, SCALING, SOFTMAX, attend
from tinygpt.grading.checks.attention import DOUBLE, LEAK
from tinygpt.grading.checks.draws import normal, scattered, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def heads_oracle(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, n_heads: int) -> Tensor:
    """PyTorch's own, which wants time first and its weights transposed."""
    T, D = x.shape[1:]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    y = x.transpose(0, 1)
    weights = {"in_proj_weight": torch.cat([w_q, w_k, w_v], dim=1).T, "out_proj_weight": w_o.T}
    unused = {
        "in_proj_bias": None,
        "bias_k": None,
        "bias_v": None,
        "add_zero_attn": False,
        "out_proj_bias": None,
    }
    options = {"dropout_p": 0.0, "training": False, "need_weights": False, "attn_mask": future}
    return F.multi_head_attention_forward(y, y, y, D, n_heads, **weights, **unused, **options)[0].transpose(
        0, 1
    )


def heads_attempt(
    x: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    w_o: Tensor,
    n_heads: int,
    *,
    split: str = "B T (H K) -> B H T K",
    merge: str = "B H T K -> B T (H K)",
    transposed: bool = False,
    project: bool = True,
    single: bool = False,
    scale: str = "√K",
    **knobs: str,
) -> Tensor:
    B, T, D = x.shape
    n_heads = 1 if single else n_heads
    w_q, w_k, w_v, w_o = (w.mT if transposed else w for w in (w_q, w_k, w_v, w_o))
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    if split == "view":
        q, k, v = (y.reshape(B, n_heads, T, D // n_heads) for y in (q, k, v))
    else:
        q, k, v = (rearrange(y, split, H=n_heads) for y in (q, k, v))
    if scale == "√D":
        q, scale = q / math.sqrt(n_heads), "√K"
    mixed = attend(q, k, v, **{"mask": "causal", "scale": scale, **knobs})
    mixed = mixed.reshape(B, T, D) if merge == "view" else rearrange(mixed, merge)
    return mixed @ w_o if project else mixed


def x_reads_the_future(call: Call, args: tuple, got: Tensor) -> bool:
    x, *rest = args
    middle = x.shape[1] // 2
    other = x.clone()
    other[:, middle:] += 1.0
    return not torch.allclose(call(other, *rest)[:, :middle], got[:, :middle], atol=1e-4, equal_nan=True)


def sequences_mix(call: Call, args: tuple, got: Tensor) -> bool:
    x, *rest = args
    return not torch.allclose(call(x[:1], *rest), got[:1], atol=1e-4, equal_nan=True)


MIXED = (
    "The sequences of a batch mix: the first one alone gives another answer than the first one in company."
)
SPLIT = (
    "The heads take the wrong columns: head h owns columns h·K to (h+1)·K, that is `(H K)`, while yours "
    "deals the columns out in turn, `(K H)`."
)
VIEWED = (
    "D was cut into heads by reshaping to (B, H, T, K) at once, which mixes positions with heads. First "
    "(B, T, H, K), then swap T and H; or `rearrange(q, 'B T (H K) -> B H T K', H=n_heads)`."
)
MERGED = (
    "The heads are joined by reshaping (B, H, T, K) to (B, T, D) at once, which mixes heads with positions. "
    "Swap T and H back first; or `rearrange(y, 'B H T K -> B T (H K)')`."
)


def _layer(generator: Generator, B: int, T: int, D: int, H: int, dtype: torch.dtype = torch.float32) -> tuple:
    weights = (normal(generator, D, D, dtype=dtype) * 1.5 / math.sqrt(D) for _ in range(4))
    return (normal(generator, B, T, D, dtype=dtype), *weights, H)


def _scattered_layer(generator: Generator) -> tuple:
    return (scattered(generator, 2, 5, 6, dtype=DOUBLE), *_layer(generator, 2, 5, 6, 2, DOUBLE)[1:])


def _loud_layer(generator: Generator) -> tuple:
    """Queries and keys of whole numbers, so large that their scores reach thousands without rounding."""
    w_q, w_k = (whole(generator, 8, 8, largest=4) for _ in range(2))
    return whole(generator, 2, 5, 8, largest=4), w_q, w_k, torch.eye(8), torch.eye(8), 2


multi_head_attention = Exercise(
    name="multi_head_attention",
    arguments=("x", "w_q", "w_k", "w_v", "w_o", "n_heads"),
    returns="B T D",
    reference=heads_oracle,
    attempt=heads_attempt,
    faults=(
        Fault("heads split as (K H)", SPLIT, {"split": "B T (K H) -> B H T K"}),
        Fault("split without swapping", VIEWED, {"split": "view"}),
        Fault(
            "heads joined as (K H)",
            "The heads are joined as `(K H)`, dealt out in turn. Lay them side by side: `(H K)`.",
            {"merge": "B H T K -> B T (K H)"},
        ),
        Fault("joined without swapping", MERGED, {"merge": "view"}),
        Fault(
            "scaled by √D",
            "The scores are divided by `√D`. Each head is K = D / H wide: divide by `√K`.",
            {"scale": "√D"},
        ),
        Fault("one head only", "All columns act as one head: `n_heads` has no effect.", {"single": True}),
        Fault(
            "no output projection",
            "The heads are joined but not mixed: multiply by `w_o`.",
            {"project": False},
        ),
        Fault(
            "weights transposed",
            "The weights are used the wrong way round. Here it is `x @ w`; `F.linear(x, w)` is `x @ w.T`.",
            {"transposed": True},
        ),
        *MASKS,
        *SCALING[:2],
        *SOFTMAX,
    ),
    laws=(Law("future leaks", LEAK, x_reads_the_future), Law("batch mixes", MIXED, sequences_mix)),
    cases=(
        Case("two heads of width 4", lambda g: _layer(g, 1, 5, 8, 2)),
        Case("three heads of width 2, a batch of two", lambda g: _layer(g, 2, 7, 6, 3)),
        Case("as many heads as columns", lambda g: _layer(g, 2, 4, 5, 5), advice="Here K is 1."),
        Case("double precision, not in order in memory", _scattered_layer),
        Case("scores of several hundred", _loud_layer, points=2, advice=OVERFLOW),
    ),
    shortcuts=FUSED,
)
