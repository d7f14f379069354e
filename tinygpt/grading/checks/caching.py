"""Exercise 1 of chapter 12: attention with a cache of keys and values."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.attend import FUSED, OVERFLOW, SCALING, SOFTMAX, attend
from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Step = tuple[Tensor, Tensor, Tensor]
DOUBLE = torch.float64


def cached_oracle(q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor) -> Step:
    """PyTorch's attention, one query and one head at a time, over the keys that it may see."""
    keys, values = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    size = q.shape[1] // k.shape[1]
    outputs = torch.empty_like(q)
    for head in range(q.shape[1]):
        for t in range(q.shape[2]):
            seen = past_k.shape[2] + t + 1
            group = head // size
            outputs[:, head, t] = F.scaled_dot_product_attention(
                q[:, head, t : t + 1], keys[:, group, :seen], values[:, group, :seen]
            )[:, 0]
    return outputs, keys, values


def cached_attempt(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    past_k: Tensor,
    past_v: Tensor,
    *,
    sees: str = "past and itself",
    order: str = "past first",
    groups: str = "neighbours",
    stored: str = "all",
    mask: str = "before",
    cached_values: str = "own",
    **knobs: str,
) -> Step:
    """A step with a knob for each known way to go wrong."""
    T, P = q.shape[2], past_k.shape[2]
    if cached_values == "keys":
        past_v = past_k
    keys = torch.cat([past_k, k] if order == "past first" else [k, past_k], 2)
    values = torch.cat([past_v, v] if order == "past first" else [v, past_v], 2)
    if order == "values turned":
        keys = torch.cat([past_k, k], 2)
    size = q.shape[1] // k.shape[1]
    wide_k, wide_v = (_widened(x, size, groups) for x in (keys, values))
    hidden = _hidden(T, P, sees)
    if order == "new first, mask too":
        hidden = torch.cat([hidden[:, P:], hidden[:, :P]], 1)
    pad = {"before": "hidden", "zero": "zero", "after": "after"}[mask]
    output = attend(q, wide_k, wide_v, mask="no", hidden=hidden, pad=pad, **knobs)
    kept = {"all": (keys, values), "new": (k, v), "wide": (wide_k, wide_v), "old": (past_k, past_v)}
    return (output, *kept[stored])


def _widened(x: Tensor, size: int, groups: str) -> Tensor:
    if groups == "in turn":
        return x.repeat(1, size, 1, 1)
    if groups == "first":
        return x[:, :1].expand(-1, x.shape[1] * size, -1, -1)
    return x.repeat_interleave(size, 1)


def _hidden(T: int, P: int, sees: str) -> Tensor:
    """True where query t may not look at key s, of T new tokens after P old ones."""
    t, s = torch.arange(T)[:, None], torch.arange(P + T)
    return {
        "past and itself": s > P + t,
        "everything": s > P + T,
        "top left": s > t,
        "top left in pieces": (s > t) & (T > 1),
        "not itself": s >= P + t,
        "not itself, but the first": (s >= P + t) & (P + t > 0),
        "one of the future": s > P + t + 1,
        "past only": (s >= P) & (P > 0),
        "new only": (s > P + t) | (s < P),
        "itself only": s != P + t,
        "past and itself only": (s >= P) & (s != P + t),
        "not the first": (s > P + t) | ((s < 1) & (P > 0)),
        "not the newest of the past": (s > P + t) | (s == P - 1),
        "a window": (s > P + t) | (s < P + t - 3),
    }[sees]


def wrong_shapes(call: Call, args: tuple, got: Step) -> bool:
    q, k, _, past_k, _ = args
    B, G, P, K = past_k.shape
    kept = (B, G, P + k.shape[2], K)
    return [tuple(part.shape) for part in got] != [tuple(q.shape), kept, kept]


def wrong_precision(call: Call, args: tuple, got: Step) -> bool:
    return any(part.dtype != args[0].dtype for part in got)


def cache_differs(call: Call, args: tuple, got: Step) -> bool:
    _, k, v, past_k, past_v = args
    return not (
        torch.allclose(got[1], torch.cat([past_k, k], 2))
        and torch.allclose(got[2], torch.cat([past_v, v], 2))
    )


def reads_the_future(call: Call, args: tuple, got: Step) -> bool:
    """Another last token must leave what comes before it alone."""
    q, k, v, past_k, past_v = args
    last = torch.zeros_like(k)
    last[:, :, -1:] = 2.5
    return not torch.allclose(
        call(q, k + last, v - last, past_k, past_v)[0][:, :, :-1], got[0][:, :, :-1], atol=1e-4
    )


def forgets(call: Call, args: tuple, got: Step) -> bool:
    """Queries of zero weigh all alike, so each token of the past matters to every output."""
    _, k, v, past_k, past_v = args
    q = torch.zeros_like(args[0])
    before = call(q, k, v, past_k, past_v)[0]
    for s in range(past_v.shape[2]):
        moved = past_v.clone()
        moved[:, :, s] += 1e6
        if torch.isclose(call(q, k, v, past_k, moved)[0], before, rtol=0, atol=1e-5).all(-1).any():
            return True
    return False


def does_not_average(call: Call, args: tuple, got: Step) -> bool:
    q, k, v, past_k, past_v = args
    ones = call(q, k, torch.ones_like(v), past_k, torch.ones_like(past_v))[0]
    return not torch.allclose(ones, torch.ones_like(ones), atol=1e-3)


def _step(
    B: int, H: int, G: int, P: int, T: int, K: int = 4, dtype: torch.dtype = torch.float32
) -> Callable[[Generator], tuple]:
    def draw(g: Generator) -> tuple:
        shapes = [(B, H, T, K), (B, G, T, K), (B, G, T, K), (B, G, P, K), (B, G, P, K)]
        return tuple(normal(g, *shape, dtype=dtype) for shape in shapes)

    return draw


def _double(g: Generator) -> tuple:
    q, k, v, past_k, past_v = _step(1, 2, 1, 4, 2, 3, DOUBLE)(g)
    return q, k, 1e5 * v, past_k, 1e5 * past_v


def _large(g: Generator) -> tuple:
    parts = [(1, 2, 3, 16), (1, 2, 3, 16), (1, 2, 5, 16)]
    q, k, past_k = (whole(g, *shape, largest=25) for shape in parts)
    return q, k, normal(g, 1, 2, 3, 16), past_k, normal(g, 1, 2, 5, 16)


ALIGNED = (
    "New token t stands at place P + t, behind P old ones, and sees all of these, the new ones before it, "
    "and itself: hidden is s > P + t."
)
cached_attention = Exercise(
    name="cached_attention",
    arguments=("q", "k", "v", "past_k", "past_v"),
    returns="three tensors: the output (B, H, T, K), all keys and all values (B, G, P + T, K)",
    reference=cached_oracle,
    attempt=cached_attempt,
    faults=(
        Fault(
            "mask at the wrong corner", f"The mask starts at the first *key*. {ALIGNED}", {"sees": "top left"}
        ),
        Fault(
            "mask at the wrong corner",
            f"One token at a time is right; of several at once, each sees too little of the past. {ALIGNED} "
            "`is_causal=True` starts at the first key.",
            {"sees": "top left in pieces"},
        ),
        Fault(
            "no mask",
            "One token at a time is right; of several at once, each sees those behind it. " + ALIGNED,
            {"sees": "everything"},
        ),
        Fault(
            "one position of the future",
            f"A new token sees the one behind it. {ALIGNED}",
            {"sees": "one of the future"},
        ),
        Fault("cannot see itself", f"A new token does not see itself. {ALIGNED}", {"sees": "not itself"}),
        Fault(
            "the past only",
            f"New tokens see the cache, and not each other or themselves. {ALIGNED}",
            {"sees": "past only"},
        ),
        Fault(
            "cannot see itself",
            f"A new token does not see itself. {ALIGNED}",
            {"sees": "not itself, but the first"},
        ),
        Fault(
            "the past and itself only",
            f"New tokens do not see the new ones before them. {ALIGNED}",
            {"sees": "past and itself only"},
        ),
        Fault("the past forgotten", f"New tokens do not see the cache. {ALIGNED}", {"sees": "new only"}),
        Fault(
            "the first forgotten", "The first token of the cache is never seen.", {"sees": "not the first"}
        ),
        Fault(
            "newest of the past forgotten",
            "The last token of the cache is never seen. " + ALIGNED,
            {"sees": "not the newest of the past"},
        ),
        Fault("a window", "Old tokens drop out of sight. The whole past is seen.", {"sees": "a window"}),
        Fault(
            "new before old",
            "The new keys stand before the old ones, and the mask does not know. The past comes first.",
            {"order": "new first"},
        ),
        Fault(
            "new before old",
            "The output is right, but the cache has the new keys first. The past comes first.",
            {"order": "new first, mask too"},
        ),
        Fault(
            "values in another order than keys",
            "The keys have the past first, the values have it last.",
            {"order": "values turned"},
        ),
        Fault("old keys as values", "The values of the past are its keys.", {"cached_values": "keys"}),
        Fault(
            "groups in turn",
            "Query heads take the groups in turn. Neighbours share one: head h reads group h // (H / G), "
            "which is `repeat_interleave`, not `repeat`.",
            {"groups": "in turn"},
        ),
        Fault("first group for all", "All query heads read the first group.", {"groups": "first"}),
        Fault(
            "new keys only returned",
            "You return the new keys and values. The next step needs the old ones, too.",
            {"stored": "new"},
        ),
        Fault("old keys only returned", "You return the cache as it came.", {"stored": "old"}),
        Fault(
            "cache as wide as the queries",
            "You return keys and values once for each *query* head. They are kept once for each group: that "
            "is what makes the cache small.",
            {"stored": "wide"},
        ),
        Fault("masked with zero", "Hidden scores are 0, and exp(0) = 1. Use −inf.", {"mask": "zero"}),
        Fault(
            "masked after softmax",
            "Hidden weights are removed after the softmax, and rows do not sum to 1.",
            {"mask": "after"},
        ),
        *SCALING,
        *SOFTMAX,
    ),
    laws=(
        Law(
            "wrong shapes",
            "The output is (B, H, T, K) as q is; keys and values are (B, G, P + T, K), as k is but with "
            "the past.",
            wrong_shapes,
        ),
        Law("wrong precision", "All three keep the precision of q.", wrong_precision),
        Law(
            "another cache",
            "The keys and values that you return are not the old ones with the new ones behind them.",
            cache_differs,
        ),
        Law("future leaks", f"Another last token changes what stands before it. {ALIGNED}", reads_the_future),
        Law("no weighted average", "Where all values are 1, the output is not 1.", does_not_average),
        Law("the past forgotten", f"A token of the cache makes no difference. {ALIGNED}", forgets),
    ),
    cases=(
        Case("one new token after five", _step(1, 1, 1, 5, 1)),
        Case("an empty cache", _step(2, 2, 2, 0, 4)),
        Case("a batch, four heads, one new token", _step(3, 4, 4, 6, 1, 5)),
        Case("several tokens at once", _step(2, 2, 2, 5, 3), points=2, advice=ALIGNED),
        Case("more new tokens than old", _step(1, 3, 3, 2, 6), advice=ALIGNED),
        Case("grouped queries", _step(2, 6, 2, 4, 1)),
        Case("grouped queries, several tokens, one group", _step(1, 4, 1, 3, 2)),
        Case("grouped queries, several tokens, two groups", _step(2, 4, 2, 3, 3, 3)),
        Case("large values in double precision", _double),
        Case("scores of several hundred", _large, advice=OVERFLOW),
    ),
    shortcuts=FUSED,
)
