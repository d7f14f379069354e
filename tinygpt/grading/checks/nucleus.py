"""Exercise 2 of chapter 11: the nucleus."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def top_p_oracle(probs: Tensor, p: float) -> Tensor:
    """Row by row, token by token, in fractions."""
    rows = [
        _row([Fraction(x) for x in row.tolist()], Fraction(p)) for row in probs.reshape(-1, probs.shape[-1])
    ]
    return torch.tensor(rows, dtype=probs.dtype).reshape(probs.shape)


def _row(row: list[Fraction], p: Fraction) -> list[float]:
    kept: list[int] = []
    for i in sorted(range(len(row)), key=lambda i: -row[i]):
        if sum(row[j] for j in kept) < min(p, sum(row)):
            kept.append(i)
    total = sum(row[i] for i in kept)
    return [float(row[i] / total) if i in kept else 0.0 for i in range(len(row))]


def top_p_attempt(
    probs: Tensor,
    p: float,
    *,
    keep: str = "crossing",
    least: int = 1,
    ties: str = "first",
    rows: str = "own",
    back: str = "scatter",
    output: str = "shared out",
    meaning: str = "nucleus",
) -> Tensor:
    """The nucleus with a knob for each known way to go wrong."""
    flat = probs.flatten()[None] if rows == "all one" else probs
    axis = 0 if rows == "columns" else -1
    if meaning == "softmax":
        flat = flat.softmax(-1)
    order = _order(flat, ties, axis)
    ordered = flat.gather(axis, order)
    total = ordered.cumsum(axis)
    kept = {
        "crossing": total - ordered < p,
        "reached before": total <= p,
        "below": total < p,
        "past": total - ordered <= p,
        "one more": total - ordered - ordered.roll(1, axis).index_fill(axis, torch.tensor(0), 0.0) < p,
    }[keep]
    if meaning == "each":
        kept = ordered >= p
    if meaning == "number":
        kept = (torch.arange(ordered.shape[-1]) < p * ordered.shape[-1]).expand(ordered.shape)
    if meaning == "to the likeliest":
        kept = ordered >= p * ordered.amax(-1, keepdim=True)
    if meaning == "tail":
        kept = total - ordered >= p
    kept = kept.clone()
    kept.narrow(axis, 0, min(least, kept.shape[axis])).fill_(True)
    if rows == "like the first":
        kept = kept.reshape(-1, kept.shape[-1])[0].expand(kept.shape)
    if ties == "all":
        kept = ordered >= ordered.masked_fill(~kept, 2.0).amin(axis, keepdim=True)
    if back == "sorted":
        kept, flat = kept, ordered
    else:
        kept = kept.gather(axis, order) if back == "gather" else kept.scatter(axis, order, kept)
    left = (flat * kept).reshape(probs.shape)
    if output == "as it was":
        return left
    if output == "mask":
        return kept.reshape(probs.shape).to(probs)
    if output == "softmax":
        return left.softmax(-1)
    if output == "flat":
        left = (left > 0).to(left)
    if output == "over all":
        return left / left.sum()
    return left / left.sum(-1, keepdim=True)


def _order(probs: Tensor, ties: str, axis: int) -> Tensor:
    if ties == "last":
        return probs.argsort(dim=axis, stable=True).flip(axis)
    return probs.argsort(dim=axis, descending=ties != "ascending", stable=True)


def rows_do_not_sum(call: Call, args: tuple, got: Tensor) -> bool:
    return not torch.allclose(got.sum(-1), got.new_ones(()), atol=1e-4)


def keeps_the_less_likely(call: Call, args: tuple, got: Tensor) -> bool:
    """What is cut is never likelier than what is kept."""
    probs = args[0]
    lowest = probs.masked_fill(got <= 0, 2.0).amin(-1)
    return bool((probs.masked_fill(got > 0, 0.0).amax(-1) > lowest + 1e-9).any())


def too_little(call: Call, args: tuple, got: Tensor) -> bool:
    probs, p = args
    return bool(((probs * (got > 0)).sum(-1) < p - 1e-6).any())


def too_much(call: Call, args: tuple, got: Tensor) -> bool:
    """Without its least likely token, what is kept must not reach p."""
    probs, p = args
    kept = probs * (got > 0)
    least = kept.masked_fill(got <= 0, 2.0).amin(-1)
    return bool((kept.sum(-1) - least >= p).any())


def _rows(g: Generator, *shape: int, dtype: torch.dtype = DOUBLE) -> Tensor:
    """Random probabilities, in 1024ths that are all different, so that sums carry no rounding error."""
    *rest, V = shape
    rng = dice(g)
    rows = [_parts(rng, V) for _ in range(max(1, torch.Size(rest).numel()))]
    return torch.tensor(rows, dtype=dtype).reshape(shape) / 1024


def _parts(rng, n: int) -> list[int]:
    while True:
        cuts = sorted(rng.sample(range(1, 1024), n - 1))
        parts = [b - a for a, b in zip([0, *cuts], [*cuts, 1024], strict=True)]
        if len({*parts}) == n and min(parts) > 3:
            return parts


def _share(g: Generator, low: float = 0.3, high: float = 0.9) -> float:
    """A threshold that no sum of 1024ths meets."""
    return round(dice(g).uniform(low, high) * 1024) / 1024 + 1 / 4096


def _mixed(*parts: float):
    """These probabilities in some order."""

    def draw(g: Generator) -> Tensor:
        return torch.tensor(parts, dtype=DOUBLE)[torch.randperm(len(parts), generator=g)][None]

    return draw


EXACT = _mixed(1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16)
TIED = _mixed(1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 8)
SURE = _mixed(61 / 64, 1 / 64, 1 / 64, 1 / 64)


def _near(g: Generator) -> tuple[Tensor, float]:
    """One token too few reaches all but a billionth of p, or one too many is not needed by as little."""
    return EXACT(g), 0.75 + dice(g).choice([-1e-9, 1e-9])


CROSSING = (
    "The token that crosses p belongs to the nucleus: without it the sum does not reach p. Ask of each token "
    "whether the sum *before* it is still below p."
)
top_p = Exercise(
    name="top_p",
    arguments=("probs", "p"),
    returns="... V",
    reference=top_p_oracle,
    attempt=top_p_attempt,
    tolerance=1e-5,
    faults=(
        Fault("crossing token dropped", CROSSING, {"keep": "reached before"}),
        Fault(
            "crossing token dropped",
            f"{CROSSING} Where the likeliest token alone crosses p, you keep nothing, and divide 0 by 0.",
            {"keep": "reached before", "least": 0},
        ),
        Fault("crossing token dropped, even where p is met", CROSSING, {"keep": "below"}),
        Fault("crossing token dropped, even where p is met", CROSSING, {"keep": "below", "least": 0}),
        Fault(
            "one too many where p is met",
            "Where the sum is p exactly you still take the next token. The fewest tokens that *reach* p are "
            "wanted: `sum_before < p`, not `<=`.",
            {"keep": "past"},
        ),
        Fault(
            "one too many",
            "One token too many is kept: the one after the crossing. Take a token's own probability off its "
            "cumulative sum, once.",
            {"keep": "one more"},
        ),
        Fault(
            "two at least",
            "You keep two tokens even where one reaches p.",
            {"least": 2},
        ),
        Fault(
            "all of a tie kept",
            "You keep everything as likely as the last token of the nucleus. Of equally likely tokens only "
            "as many stay as are needed, the first ones.",
            {"ties": "all"},
        ),
        Fault(
            "last of a tie kept",
            "Of equally likely tokens you keep the last. A sort upwards that is turned over, or cut from "
            "below, does that: sort with `descending=True, stable=True`.",
            {"ties": "last"},
        ),
        Fault(
            "least likely first",
            "You start from the least likely token: sort with `descending=True`.",
            {"ties": "ascending"},
        ),
        Fault(
            "in sorted order",
            "The answer is in sorted order, so token 0 is whoever was likeliest. Bring it back: `scatter`.",
            {"back": "sorted"},
        ),
        Fault(
            "order undone the wrong way",
            "You bring the mask back with the order itself. `order` says where each sorted entry came "
            "*from*: `kept.scatter(-1, order, kept)`, or sort the order and gather with that.",
            {"back": "gather"},
        ),
        Fault(
            "not divided by the sum",
            "The kept tokens have their old probabilities, which no longer sum to 1.",
            {"output": "as it was"},
        ),
        Fault(
            "a mask", "This says which tokens are kept. Their probabilities are wanted.", {"output": "mask"}
        ),
        Fault(
            "softmax of probabilities",
            "You put a softmax over the probabilities that are left: exp(0) = 1, so that cut tokens come "
            "back. Divide by the sum.",
            {"output": "softmax"},
        ),
        Fault(
            "softmax first",
            "You put a softmax over `probs`, which are probabilities already.",
            {"meaning": "softmax"},
        ),
        Fault(
            "all kept tokens alike",
            "The kept tokens are all equally likely. They keep their proportions: divide by the sum.",
            {"output": "flat"},
        ),
        Fault("divided by the sum of all rows", "Divide each row by its own sum.", {"output": "over all"}),
        Fault(
            "one nucleus for all rows",
            "You sort all rows together. Each row has its own nucleus: `dim=-1`.",
            {"rows": "all one"},
        ),
        Fault("wrong axis", "You sort along axis 0. Tokens are the last axis.", {"rows": "columns"}),
        Fault(
            "the first row decides for all",
            "Every row keeps as many tokens as the first one. How many are needed differs from row to row.",
            {"rows": "like the first"},
        ),
        Fault("each token against p", "You keep tokens whose own probability is p.", {"meaning": "each"}),
        Fault("p of the tokens", "You keep a share p of the *number* of tokens.", {"meaning": "number"}),
        Fault(
            "measured against the likeliest",
            "You keep tokens at least p times as likely as the likeliest. That is min-p, which comes next.",
            {"meaning": "to the likeliest"},
        ),
        Fault("tail kept", "You keep what lies beyond the nucleus.", {"meaning": "tail"}),
    ),
    laws=(
        Law("rows do not sum to 1", "What is left of a row does not sum to 1.", rows_do_not_sum),
        Law(
            "a likelier token cut",
            "A token is cut that is likelier than one that is kept.",
            keeps_the_less_likely,
        ),
        Law("p not reached", "The tokens that you keep do not reach p together.", too_little),
        Law("more than needed", "Fewer tokens reach p too.", too_much),
    ),
    cases=(
        Case("40, 30, 20 and 10 per cent", lambda g: (torch.tensor([[0.4, 0.3, 0.2, 0.1]]), 0.6)),
        Case("one row in any order", lambda g: (_rows(g, 1, 6), _share(g)), times=3),
        Case("a batch", lambda g: (_rows(g, 4, 8), _share(g)), times=2),
        Case("(B, T, V), in single precision", lambda g: (_rows(g, 2, 3, 7, dtype=torch.float32), _share(g))),
        Case("one axis only", lambda g: (_rows(g, 9), _share(g))),
        Case("p that is met exactly", lambda g: (EXACT(g), 0.75), times=2, advice=CROSSING),
        Case("p just above a sum, and just below", _near, times=4),
        Case("ties", lambda g: (TIED(g), 0.5 + 1 / 64), times=4),
        Case("ties, and p that is met exactly", lambda g: (TIED(g), 0.5), times=4),
        Case("one token that is enough", lambda g: (SURE(g), 0.5), times=2),
        Case("a very small p", lambda g: (_rows(g, 3, 6), 1e-4)),
        Case("p = 1 keeps all", lambda g: (_rows(g, 3, 6), 1.0)),
        Case("tokens that are cut already", lambda g: (_mixed(5 / 8, 2 / 8, 1 / 8, 0.0, 0.0)(g), 0.75)),
    ),
    shortcuts=("tinygpt.sampling", "transformers"),
)
