"""Filters: pure functions from logits to logits that make some tokens likelier and cut others.

Each takes its parameters, checks them at once, and returns a function of logits (… × V). Cut tokens are
at −inf. `pipeline` composes filters from left to right, and their order matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

PlainFilter = Callable[[Tensor], Tensor]


def named(name: str, function: PlainFilter) -> PlainFilter:
    """The same function under a name to be read, such as `top_k(3)`."""
    function.__name__ = function.__qualname__ = name
    return function


def temperature(t: float) -> PlainFilter:
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
    change = named(f"temperature({t:g})", lambda logits: logits / t)
    change.sharpness = 1 / t  # by which the compiled loops know it
    return change


def greedy() -> PlainFilter:
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


keep_best.__name__ = "greedy()"


def top_k(k: int) -> PlainFilter:
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

    return named(f"top_k({k})", keep)


def top_p(p: float) -> PlainFilter:
    """Keeps the fewest likeliest tokens whose probabilities reach p together (the nucleus).

    Args:
        p: in (0, 1]; the likeliest token always stays, and 1 keeps all. Of equally likely ones the first
            stay.

    Example:
        >>> top_p(0.7)(torch.tensor([0.5, 0.3, 0.2]).log()).exp()
        tensor([0.5000, 0.3000, 0.0000])

    Source: Holtzman et al. 2020, section 3.1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p needs a probability in (0, 1]; got {p}.")
    if p == 1:  # rounding lets the sum reach 1 before the last tokens
        return named("top_p(1)", lambda logits: logits)

    def keep(logits: Tensor) -> Tensor:
        ordered, index = logits.sort(dim=-1, descending=True, stable=True)
        probability = ordered.softmax(dim=-1)
        before = probability.cumsum(dim=-1) - probability
        cut = (before >= p).scatter(-1, index, before >= p)
        return logits.masked_fill(cut, -math.inf)

    return named(f"top_p({p:g})", keep)


def min_p(p: float) -> PlainFilter:
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

    return named(f"min_p({p:g})", keep)


def typical(p: float) -> PlainFilter:
    """Keeps the tokens whose surprise is nearest to the entropy, until their probabilities reach p together.

    distance = |−log p(token) − H|: the likeliest token goes too when it is less surprising than expected.

    Args:
        p: in (0, 1]; the nearest token always stays, those at equal distances stay together, and 1 keeps all.

    Example:
        >>> typical(0.2)(torch.tensor([0.5, 0.3, 0.2]).log()).exp()
        tensor([0.0000, 0.3000, 0.0000])

    Source: Meister et al. 2023, "Locally Typical Sampling", section 4.
    """
    if not 0 < p <= 1:
        raise ValueError(f"typical needs a probability in (0, 1]; got {p}.")
    if p == 1:
        return named("typical(1)", lambda logits: logits)

    def keep(logits: Tensor) -> Tensor:
        log_p = logits.log_softmax(dim=-1)
        entropy = -(log_p.exp() * log_p).nansum(dim=-1, keepdim=True)  # 0 · log 0 is NaN, and counts as 0
        distance = (-log_p - entropy).abs()
        ordered, index = distance.sort(dim=-1)
        short = log_p.exp().gather(-1, index).cumsum(dim=-1) < p
        last = short.sum(dim=-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
        return logits.masked_fill(distance > ordered.gather(-1, last), -math.inf)

    return named(f"typical({p:g})", keep)


def top_n_sigma(n: float) -> PlainFilter:
    """Keeps tokens whose logit is at most n standard deviations of all logits below the highest one.

    logit ≥ max − n σ. Dividing all logits by a temperature changes both sides alike, so what is kept does
    not depend on the temperature, before or after.

    Args:
        n: positive.

    Example:
        >>> top_n_sigma(1.0)(torch.tensor([9.0, 8.0, 1.0, 2.0]))
        tensor([9., 8., -inf, -inf])

    Source: Tang et al. 2024, "Top-nσ: Not All Logits Are You Need", algorithm 1. σ is that of the tokens not
        yet cut, divided by their number and not by one less.
    """
    if not (n > 0 and math.isfinite(n)):
        raise ValueError(f"top_n_sigma needs a positive number of standard deviations; got {n}.")

    def keep(logits: Tensor) -> Tensor:
        left = logits.isfinite()
        count = left.sum(dim=-1, keepdim=True)
        mean = logits.where(left, 0.0).sum(dim=-1, keepdim=True) / count
        sigma = ((logits - mean).square().where(left, 0.0).sum(dim=-1, keepdim=True) / count).sqrt()
        return logits.masked_fill(logits < logits.amax(dim=-1, keepdim=True) - n * sigma, -math.inf)

    return named(f"top_n_sigma({n:g})", keep)


def logit_bias(bias: Mapping[int, float]) -> PlainFilter:
    """Adds to the logits of some tokens: log 2 makes a token twice as likely against each other one.

    Args:
        bias: what to add, by id; −inf cuts the token.

    Example:
        >>> logit_bias({0: 2.0, 2: -math.inf})(torch.tensor([1.0, 2.0, 3.0]))
        tensor([3., 2., -inf])
    """
    ids, values = torch.tensor(list(bias), dtype=torch.long), torch.tensor(list(map(float, bias.values())))
    if (values.isnan() | (values == math.inf)).any():
        raise ValueError(f"a bias must be a finite number, or −inf to cut the token; got {dict(bias)}.")

    def add(logits: Tensor) -> Tensor:
        V = logits.shape[-1]
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < V:
            raise ValueError(f"biased ids must be from 0 to {V - 1}; got {ids.tolist()}. Another tokenizer?")
        return logits.index_add(-1, ids.to(logits.device), values.to(logits).expand(*logits.shape[:-1], -1))

    return named(f"logit_bias({_listed(bias)})", add)


def banned(ids: Iterable[int]) -> PlainFilter:
    """Cuts these tokens, whatever came before.

    Example:
        >>> banned([1])(torch.tensor([1.0, 2.0, 3.0]))
        tensor([1., -inf, 3.])
    """
    ids = sorted({int(i) for i in ids})
    return named(f"banned({_listed(ids)})", logit_bias(dict.fromkeys(ids, -math.inf)))


def _listed(ids: Collection[int]) -> str:
    return ", ".join(map(str, ids)) if len(ids) <= 4 else f"{len(ids)} tokens"
