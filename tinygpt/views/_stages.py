"""The filters of the sampling view, as [name, number, on], and what Python makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt import sampling as filters_of

if TYPE_CHECKING:
    from jaxtyping import Float64

    from tinygpt.sampling import Filter

# In the order in which they open, each with the number that it has before it is switched on.
OPENING = {
    "repetition_penalty": 1.2,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "no_repeat_ngram": 3,
    "temperature": 0.8,
    "top_k": 10,
    "top_p": 0.9,
    "min_p": 0.1,
    "typical": 0.9,
    "top_n_sigma": 1.0,
}
_WHOLE = ("top_k", "no_repeat_ngram")


def stages(given: dict[str, float]) -> list[list[Any]]:
    """[name, number, on] of all filters, those that are on first."""
    if unknown := sorted(set(given) - set(OPENING)):
        raise ValueError(f"no filter is called {unknown[0]!r}; the view has {', '.join(OPENING)}.")
    for name, value in given.items():
        filter_of(name, value)
    off = [[name, value, False] for name, value in OPENING.items() if name not in given]
    return [[name, value, True] for name, value in given.items()] + off


def filter_of(name: str, value: float) -> Filter:
    whole = name in _WHOLE and float(value).is_integer()
    return getattr(filters_of, name)(int(value) if whole else value)


def softmax(logits: Float64[np.ndarray, " V"]) -> Float64[np.ndarray, " V"]:
    """Probabilities; all 0 where every token is cut."""
    top = logits.max()
    parts = np.exp(logits - (top if np.isfinite(top) else 0.0))
    return parts / (parts.sum() or 1.0)


def entropy(p: Float64[np.ndarray, " V"]) -> float:
    return float((p[p > 0] * -np.log(p[p > 0])).sum() + 0.0)  # no −0
