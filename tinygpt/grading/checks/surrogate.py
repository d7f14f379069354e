"""Exercise 4 of chapter 08: the clipped objective, and what it takes from the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.alignment import policy
from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Case, Exercise, Fault

DOUBLE = torch.float64


def surrogate_oracle(
    log_probs: Tensor, before: Tensor, advantages: Tensor, low: float, high: float
) -> Tensor:
    """The package's."""
    return policy.clipped_objective(log_probs, before, advantages[:, None], low, high)[0]


def surrogate_attempt(
    log_probs: Tensor,
    before: Tensor,
    advantages: Tensor,
    low: float,
    high: float,
    *,
    ratio: str = "exp",
    keep: str = "min",
    bounds: str = "around one",
    turned: bool = False,
    negative: bool = False,
    shape: str = "rows",
) -> Tensor:
    """The objective with a knob for each known way to go wrong."""
    log_ratio = before - log_probs if turned else log_probs - before
    rho = {"exp": log_ratio.exp(), "log": log_ratio, "quotient": log_probs / before, "p": log_probs.exp()}[
        ratio
    ]
    least, most = {
        "around one": (1 - low, 1 + high),
        "swapped": (1 - high, 1 + low),
        "low only": (1 - low, 1 + low),
        "raw": (low, high),
        "around zero": (-low, high),
    }[bounds]
    share = advantages[:, None] if shape == "rows" else advantages[None]
    free, held = rho * share, rho.clamp(least, most) * share
    objective = {
        "min": torch.min(free, held),
        "max": torch.max(free, held),
        "clipped": held,
        "free": free,
        "no advantage": rho.clamp(least, most),
        "clamped product": free.clamp(least, most),
    }[keep]
    return -objective if negative else objective


def _tokens(
    B: int, T: int, spread: float, dtype: torch.dtype = torch.float32, low: float = 0.2, high: float = 0.3
) -> Callable[[Generator], tuple]:
    """Rows of tokens whose probabilities have moved by a factor of about e^spread."""

    def draw(generator: Generator) -> tuple:
        before = -normal(generator, B, T, dtype=dtype).abs() - 0.5
        advantages = normal(generator, B, dtype=dtype)
        advantages[:2] = torch.tensor([1.5, -0.7])[:B]
        return before + spread * normal(generator, B, T, dtype=dtype), before, advantages, low, high

    return draw


clipped_surrogate = Exercise(
    name="clipped_surrogate",
    arguments=("log_probs", "before", "advantages", "low", "high"),
    returns="B T",
    reference=surrogate_oracle,
    attempt=surrogate_attempt,
    tolerance=1e-5,
    faults=(
        Fault(
            "clipped on both sides",
            "You take the clipped ratio everywhere. Then a token that has gone too far the *wrong* way gets "
            "no gradient, and can never come back: take the smaller of the clipped and the free product.",
            {"keep": "clipped"},
        ),
        Fault("not clipped", "Nothing is clipped: the ratio may run away.", {"keep": "free"}),
        Fault(
            "larger of the two",
            "You take the larger product. The smaller is wanted, a lower bound: clipping may take a gain "
            "away, never a loss.",
            {"keep": "max"},
        ),
        Fault(
            "product clipped",
            "You clip the ratio times the advantage. Clip the ratio, then multiply.",
            {"keep": "clamped product"},
        ),
        Fault("advantages left out", "The advantages have no effect.", {"keep": "no advantage"}),
        Fault(
            "ratio upside down",
            "Your ratio is before over now. It is now over before: `(log_probs - before).exp()`.",
            {"turned": True},
        ),
        Fault(
            "logarithm of the ratio",
            "The difference of logarithms is the *logarithm* of the ratio: `exp` makes it the ratio.",
            {"ratio": "log"},
        ),
        Fault(
            "quotient of logarithms",
            "You divide two log-probabilities. The quotient of two probabilities is "
            "`(log_probs - before).exp()`.",
            {"ratio": "quotient"},
        ),
        Fault(
            "probability in place of ratio",
            "You use the probability now, and forget what it was when the token was drawn.",
            {"ratio": "p"},
        ),
        Fault("bounds swapped", "The ratio may fall by `low` and rise by `high`.", {"bounds": "swapped"}),
        Fault(
            "one bound for both",
            "The ratio may rise by `high`, which need not be `low`.",
            {"bounds": "low only"},
        ),
        Fault(
            "bounds not around one",
            "An unchanged token has the ratio 1: the bounds are `1 - low` and `1 + high`.",
            {"bounds": "raw"},
        ),
        Fault(
            "bounds around zero",
            "An unchanged token has the ratio 1: the bounds are `1 - low` and `1 + high`.",
            {"bounds": "around zero"},
        ),
        Fault(
            "a loss",
            "This is the objective with its sign turned. A loss is what you minimise; the objective is to be "
            "made large.",
            {"negative": True},
        ),
        Fault(
            "advantages along the tokens",
            "Each *row* has one advantage, for all of its tokens: `advantages[:, None]`. A square batch "
            "hides the difference.",
            {"shape": "columns"},
        ),
    ),
    cases=(
        Case("one praised and one blamed answer", _tokens(2, 6, 0.5)),
        Case("as many rows as tokens", _tokens(5, 5, 0.4)),
        Case("tokens that have hardly moved", _tokens(3, 4, 0.05)),
        Case("tokens that have run away", _tokens(4, 6, 1.5, DOUBLE)),
        Case("a wide bound for rising", _tokens(3, 7, 0.6, low=0.1, high=0.9)),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
