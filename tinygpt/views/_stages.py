"""The filters of the sampling view, as [name, value, on], and what Python makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt import sampling as filters_of

if TYPE_CHECKING:
    from jaxtyping import Float64

    from tinygpt.sampling import Filter

    Value = float | Mapping[int, float] | Iterable[int]

# In the order in which they open, each with the value that it has before it is switched on.
OPENING: dict[str, Any] = {
    "logit_bias": [],
    "banned": [],
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


def stages(given: Mapping[str, Value]) -> list[list[Any]]:
    """[name, value, on] of all filters, those that are on first.

    The value is a number; of `banned` it is a list of ids, of `logit_bias` one of [id, bias].
    """
    if unknown := sorted(set(given) - set(OPENING)):
        raise ValueError(f"no filter is called {unknown[0]!r}; the view has {', '.join(OPENING)}.")
    listed = {name: _listed(name, value) for name, value in given.items()}
    for name, value in listed.items():
        filter_of(name, value)
    off = [[name, value, False] for name, value in OPENING.items() if name not in given]
    return [[name, value, True] for name, value in listed.items()] + off


def _listed(name: str, value: Any) -> Any:
    """The value as JSON can hold it."""
    if name == "banned":
        return [int(i) for i in value]
    if name != "logit_bias":
        return value
    if any(bias == -np.inf for bias in value.values()):
        raise ValueError(f"in the view a bias is a finite number; got {dict(value)}. Cut tokens with banned.")
    return [[int(i), float(bias)] for i, bias in value.items()]


def ids_in(given: Iterable[list[Any]]) -> set[int]:
    """The ids that stages name."""
    found = {int(i) for name, value, _ in given if name == "banned" for i in value}
    return found | {int(i) for name, value, _ in given if name == "logit_bias" for i, _ in value}


def filter_of(name: str, value: Any) -> Filter:
    if name == "logit_bias":
        return filters_of.logit_bias({int(i): float(bias) for i, bias in value})
    if name == "banned":
        return filters_of.banned(value)
    whole = name in _WHOLE and float(value).is_integer()
    return getattr(filters_of, name)(int(value) if whole else value)


def softmax(logits: Float64[np.ndarray, " V"]) -> Float64[np.ndarray, " V"]:
    """Probabilities; all 0 where every token is cut."""
    top = logits.max()
    parts = np.exp(logits - (top if np.isfinite(top) else 0.0))
    return parts / (parts.sum() or 1.0)


def log_softmax(logits: Float64[np.ndarray, " V"]) -> Float64[np.ndarray, " V"]:
    """Log-probabilities, nats."""
    top = logits.max()
    return logits - top - np.log(np.exp(logits - top).sum())


def entropy(p: Float64[np.ndarray, " V"]) -> float:
    return float((p[p > 0] * -np.log(p[p > 0])).sum() + 0.0)  # no −0
