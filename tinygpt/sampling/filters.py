"""Filters: pure functions from logits to logits that make some tokens likelier and cut others.

Each takes its parameters, checks them at once, and returns a function of logits (… × V). Cut tokens are
at −inf. Filters compose from left to right, and their order matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

Filter = Callable[[Tensor], Tensor]


def temperature(t: float) -> Filter:
    """Returns logits / t: below 1 sharpens the distribution, above 1 flattens it.

    Args:
        t: positive. For the limit t → 0 use `greedy()`.

    Example:
        >>> temperature(0.5)(torch.tensor([1.0, 2.0]))
        tensor([2., 4.])

    Source: Ackley, Hinton & Sejnowski 1985, equation 5.
    """
    if not (t > 0 and math.isfinite(t)):
        raise ValueError(
            f"temperature must be positive and finite; got {t}. For always the likeliest token use greedy()."
        )
    return lambda logits: logits / t


def greedy() -> Filter:
    """Keeps the likeliest token alone; of equal ones the first. `generate` then has nothing to draw.

    Example:
        >>> greedy()(torch.tensor([1.0, 3.0, 3.0]))
        tensor([-inf, 3., -inf])
    """
    return keep_best


def keep_best(logits: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch V"]:
    """What `greedy()` returns: it takes no parameters, so there is only one."""
    best = logits.argmax(dim=-1, keepdim=True)
    return torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))


def top_k(k: int) -> Filter:
    """Keeps the k likeliest tokens, and those equal to the k-th.

    Args:
        k: at least 1; more than V keeps all.

    Example:
        >>> top_k(2)(torch.tensor([1.0, 3.0, 2.0]))
        tensor([-inf, 3., 2.])

    Source: Fan, Lewis & Dauphin 2018, section 5.4.
    """
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"top_k needs a whole number of tokens, at least 1; got {k!r}.")

    def keep(logits: Tensor) -> Tensor:
        kth = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
        return logits.masked_fill(logits < kth, -math.inf)

    return keep


def top_p(p: float) -> Filter:
    """Keeps the fewest likeliest tokens whose probabilities reach p together (the nucleus).

    Args:
        p: in (0, 1]; the likeliest token always stays, and 1 keeps all.

    Example:
        >>> top_p(0.7)(torch.tensor([0.5, 0.3, 0.2]).log()).exp()
        tensor([0.5000, 0.3000, 0.0000])

    Source: Holtzman et al. 2020, section 3.1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p needs a probability in (0, 1]; got {p}.")
    if p == 1:  # rounding lets the sum reach 1 before the last tokens
        return lambda logits: logits

    def keep(logits: Tensor) -> Tensor:
        ordered, index = logits.sort(dim=-1, descending=True)
        probability = ordered.softmax(dim=-1)
        before = probability.cumsum(dim=-1) - probability
        cut = (before >= p).scatter(-1, index, before >= p)
        return logits.masked_fill(cut, -math.inf)

    return keep


def min_p(p: float) -> Filter:
    """Keeps tokens at least p times as likely as the likeliest one.

    Args:
        p: in [0, 1].

    Example:
        >>> min_p(0.5)(torch.tensor([0.6, 0.3, 0.1]).log()).exp()
        tensor([0.6000, 0.3000, 0.0000])

    Source: Nguyen et al. 2024, "Turning Up the Heat", section 3.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"min_p needs a ratio in [0, 1]; got {p}.")
    floor = math.log(p) if p > 0 else -math.inf

    def keep(logits: Tensor) -> Tensor:
        return logits.masked_fill(logits < logits.amax(dim=-1, keepdim=True) + floor, -math.inf)

    return keep


def apply(filters: Iterable[Filter], logits: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch V"]:
    """Returns the logits after all filters, from left to right."""
    for one in filters:
        logits = one(logits)
    return logits
