"""Exercise 1 of chapter 11: probabilities at a temperature, down to zero."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
LARGEST_FIRST = (
    "Subtract the largest logit of each row *before* you divide. Then the largest is 0 at every temperature, "
    "and the others only get smaller."
)


def softmax_oracle(logits: Tensor, t: float) -> Tensor:
    """Row by row in Python's own numbers."""
    rows = [_row(row.tolist(), t) for row in logits.reshape(-1, logits.shape[-1])]
    return torch.tensor(rows, dtype=logits.dtype).reshape(logits.shape)


def _row(row: list[float], t: float) -> list[float]:
    below = [x - max(row) for x in row]
    weights = [math.exp(x / t) if t else float(x == 0) for x in below]
    return [weight / math.fsum(weights) for weight in weights]


def softmax_attempt(
    logits: Tensor,
    t: float,
    *,
    scale: str = "divide",
    largest: str = "first",
    zero: str = "ties",
    cut: str = "stays cut",
    axis: int = -1,
    limit: int | None = None,
    output: str = "probabilities",
) -> Tensor:
    """Probabilities with a knob for each known way to go wrong."""
    if cut != "stays cut":
        logits = logits.masked_fill(logits == -math.inf, {"zero": 0.0, "minus billion": -1e9}[cut])
    if t == 0 and zero in ("ties", "first", "last", "all"):
        share = _limit(logits, zero, limit or axis)
        return share.log() if output == "logarithms" else share
    t = _moved(t, zero)
    best = logits.amax(axis, keepdim=True)
    if largest == "of all rows":
        best = logits.max()
    below = logits - (0 if largest in ("never", "last") else best)
    scaled = {"multiply": below * t, "ignore": below, "root": below / math.sqrt(t) if t else below}.get(
        scale, below / t if scale != "after" else below
    )
    if largest in ("never", "of all rows"):
        probabilities = scaled.exp() / scaled.exp().sum(axis, keepdim=True)
    else:
        probabilities = scaled.log_softmax(axis) if output == "log softmax" else scaled.softmax(axis)
    if scale == "after":
        probabilities = probabilities / t
    if output == "weights":
        return scaled.exp()
    return probabilities.log() if output == "logarithms" else probabilities


def _limit(logits: Tensor, ties: str, axis: int) -> Tensor:
    winners = logits == logits.amax(axis, keepdim=True)
    if ties == "all":
        winners = logits > -math.inf
    if ties == "first":
        winners &= winners.cumsum(axis) == 1
    if ties == "last":
        winners &= winners.flip(axis).cumsum(axis).flip(axis) == 1
    return winners.to(logits) / winners.sum(axis, keepdim=True)


def _moved(t: float, zero: str) -> float:
    if zero == "one":
        return t or 1.0
    if zero == "epsilon":
        return t + 1e-6
    if zero in ("clamped", "tiny"):
        return max(t, {"clamped": 1e-5, "tiny": 1e-12}[zero])
    return t


def rows_do_not_sum(call: Call, args: tuple, got: Tensor) -> bool:
    return not torch.allclose(got.sum(-1), got.new_ones(()), atol=1e-3)


def not_a_number(call: Call, args: tuple, got: Tensor) -> bool:
    return bool(got.isnan().any())


def revives(call: Call, args: tuple, got: Tensor) -> bool:
    return bool((got[args[0] == -math.inf] > 0).any())


def changes_the_order(call: Call, args: tuple, got: Tensor) -> bool:
    """A likelier token before is never the less likely one after."""
    ordered = got.gather(-1, args[0].argsort(-1, descending=True))
    return bool((ordered.diff(dim=-1) > 1e-4).any())


def _cut(logits: Tensor, n: int) -> Tensor:
    """The same logits with n tokens of each row cut: not the first of them, which stays possible."""
    return logits.index_fill(-1, torch.arange(1, n + 1), -math.inf)


def _apart(g: Generator) -> tuple[Tensor, float]:
    """Rows that lie thousands apart."""
    return normal(g, 3, 5) + torch.tensor([[-3000.0], [0.0], [3000.0]]), 0.8


def _ties(g: Generator) -> tuple[Tensor, float]:
    logits = whole(g, 4, 6)
    return logits.index_fill(-1, torch.randperm(6, generator=g)[:2], 5.0), 0.0


def _close(g: Generator, gap: float) -> Tensor:
    """Logits that differ by a few gaps only."""
    return (gap * torch.arange(5, dtype=DOUBLE))[torch.randperm(5, generator=g)][None]


softmax_with_temperature = Exercise(
    name="softmax_with_temperature",
    arguments=("logits", "t"),
    returns="... V",
    reference=softmax_oracle,
    attempt=softmax_attempt,
    faults=(
        Fault(
            "multiplied by t",
            "The logits are multiplied by t, so a low temperature flattens. Divide by it.",
            {"scale": "multiply"},
        ),
        Fault("temperature ignored", "The temperature changes nothing: divide by it.", {"scale": "ignore"}),
        Fault(
            "divided after the softmax",
            "Probabilities are divided by t, and no longer sum to 1. Divide the logits.",
            {"scale": "after"},
        ),
        Fault("root of t", "You divide by the square root of t. Divide by t.", {"scale": "root"}),
        Fault(
            "overflow",
            f"Right for small logits, not a number for large ones: exp overflows above 88. {LARGEST_FIRST}",
            {"largest": "never"},
        ),
        Fault(
            "overflows before the largest is subtracted",
            "At a very low temperature the quotient itself overflows, and inf − inf is not a number. "
            + LARGEST_FIRST,
            {"largest": "last"},
        ),
        Fault(
            "one largest for all rows",
            "You subtract the largest logit of the whole tensor, so rows far below it have nothing but zeros "
            "left. Each row has its own: `amax(-1, keepdim=True)`.",
            {"largest": "of all rows"},
        ),
        Fault(
            "nothing special at zero",
            "At t = 0 you divide by 0. The limit is wanted: all of the probability for the largest logit.",
            {"zero": "divide"},
        ),
        Fault(
            "first of a tie",
            "At t = 0 the first of several largest logits gets everything. At every t above 0 equal logits "
            "are equally likely, so in the limit they are too.",
            {"zero": "first"},
        ),
        Fault(
            "last of a tie",
            "At t = 0 the last of several largest logits gets everything. Equal logits share.",
            {"zero": "last"},
        ),
        Fault(
            "all alike at zero",
            "At t = 0 every token is equally likely, which is the limit of a *high* temperature.",
            {"zero": "all"},
        ),
        Fault("zero taken for one", "At t = 0 you use t = 1.", {"zero": "one"}),
        Fault(
            "an epsilon added",
            "You add a small number to t. That changes every answer at which t is about as small. Treat "
            "t = 0 as a case of its own.",
            {"zero": "epsilon"},
        ),
        Fault(
            "small temperatures raised",
            "Temperatures below some small number are raised to it, though they are allowed, and differ. "
            "Treat t = 0 as a case of its own.",
            {"zero": "clamped"},
        ),
        Fault(
            "zero replaced by a tiny number",
            "You put a tiny temperature for 0. Logits that lie closer together than that still share the "
            "probability, where the limit gives all of it to the largest.",
            {"zero": "tiny"},
        ),
        Fault(
            "cut tokens at zero",
            "Tokens at −inf are put at logit 0, which is a lot of probability. exp(−inf) is 0 by itself.",
            {"cut": "zero"},
        ),
        Fault(
            "cut tokens come back",
            "You put a large negative number for −inf. A high temperature brings such tokens back: leave "
            "−inf, whose exp is 0 at every temperature.",
            {"cut": "minus billion"},
        ),
        Fault("wrong axis", "The softmax runs over axis 0. Tokens are the last axis.", {"axis": 0}),
        Fault("wrong axis", "The softmax runs over axis 0. Tokens are the last.", {"axis": 0, "limit": -1}),
        Fault(
            "not divided by the sum",
            "These are the exponentials. Divide them by their sum, row by row.",
            {"output": "weights"},
        ),
        Fault("logarithms", "These are log-probabilities.", {"output": "logarithms"}),
        Fault("logarithms", "These are log-probabilities.", {"output": "log softmax"}),
    ),
    laws=(
        Law("not a number", f"There is a nan in the answer. {LARGEST_FIRST}", not_a_number),
        Law("rows do not sum to 1", "The probabilities of a row do not sum to 1.", rows_do_not_sum),
        Law("cut tokens come back", "A token at −inf has a probability above 0.", revives),
        Law(
            "order changed",
            "A token is less likely than one with a lower logit. No temperature does that.",
            changes_the_order,
        ),
    ),
    cases=(
        Case("one row, t = 1", lambda g: (normal(g, 1, 4), 1.0)),
        Case(
            "a cool and a hot batch",
            lambda g: (normal(g, 3, 6), 0.5 + 2 * torch.rand(1, generator=g).item()),
            times=2,
        ),
        Case("(B, T, V), in double precision", lambda g: (normal(g, 2, 3, 5, dtype=DOUBLE), 0.7)),
        Case("one axis only", lambda g: (normal(g, 7), 1.3)),
        Case("logits of several thousand", lambda g: (1000 * normal(g, 3, 6), 1.5), advice=LARGEST_FIRST),
        Case("rows that lie thousands apart", _apart),
        Case("t = 0", lambda g: (normal(g, 3, 6), 0.0)),
        Case("t = 0, where several are the largest", _ties),
        Case("a very low temperature", lambda g: (100 * normal(g, 3, 5), 1e-37), advice=LARGEST_FIRST),
        Case("a low temperature, and logits as close", lambda g: (_close(g, 1e-7), 1e-7)),
        Case("logits closer still, as is the temperature", lambda g: (_close(g, 1e-24), 1e-24)),
        Case("t = 0, and logits very close together", lambda g: (_close(g, 1e-40), 0.0)),
        Case("tokens at −inf", lambda g: (_cut(normal(g, 3, 7), 3), 0.9)),
        Case("tokens at −inf, at high and at no temperature", lambda g: (_cut(normal(g, 3, 7), 3), 1e10)),
        Case("tokens at −inf, and t = 0", lambda g: (_cut(normal(g, 3, 7) - 50, 3), 0.0)),
    ),
    shortcuts=(
        ".softmax",
        ".log_softmax",
        ".softmin",
        ".Softmax",
        ".LogSoftmax",
        ".Softmin",
        "torch.nn.functional.softmax",
        "torch.nn.functional.log_softmax",
        "torch.distributions",
        "scipy.special",
        "tinygpt.sampling",
    ),
)
