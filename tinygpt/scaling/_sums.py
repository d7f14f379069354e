"""Fits logarithms with a sum of powers: log y ≈ log(E + Σ Aⱼ / xⱼ^αⱼ)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import logsumexp, softmax

if TYPE_CHECKING:
    from jaxtyping import Float64
    from scipy.optimize import OptimizeResult

DELTA = 1e-3
TOLERANCE = 1e-14
_EXPONENTS = np.geomspace(0.05, 2.0, 10)
_REFINED = 8
_TINY = 1e-12


def fit_sum(
    x: Float64[np.ndarray, "n k"],
    y: Float64[np.ndarray, " n"],
    starts: Iterable[Float64[np.ndarray, " p"]] | None = None,
    delta: float = DELTA,
    tolerance: float = TOLERANCE,
) -> Float64[np.ndarray, " p"]:
    """Returns (E, A₁ … A_k, α₁ … α_k) of the smallest mean Huber loss of log y, over several starts.

    Args:
        x: what the powers are of, positive.
        y: what is explained, positive.
        starts: where to begin, in the same form as the result; None finds promising places by itself.
        delta: beyond this residual, in nats of log y, the Huber loss grows linearly, so outliers weigh less.
        tolerance: descent ends when a step lowers the loss by less than this.
    """
    centre = np.log(x).mean(0)
    logs, target = np.log(x) - centre, np.log(y)  # centred, a term's height and its slope hardly interact
    starts = promising(x, y) if starts is None else starts
    ends = [_descend(_inward(start, centre), logs, target, delta, tolerance) for start in starts]
    return _outward(min(ends, key=lambda end: end.fun).x, centre)


def promising(x: Float64[np.ndarray, "n k"], y: Float64[np.ndarray, " n"]) -> list[np.ndarray]:
    """Returns the best sums over a grid of exponents: with these fixed, all else is linear in y."""
    found = []
    for exponents in product(_EXPONENTS, repeat=x.shape[1]):
        terms = np.hstack([np.ones((len(y), 1)), x ** -np.array(exponents)]) / y[:, None]
        weights, residual = nnls(terms, np.ones_like(y))
        found.append((residual, np.concatenate([weights, exponents])))
    return [sum_ for _, sum_ in sorted(found, key=lambda pair: pair[0])[:_REFINED]]


def value(
    sum_: Float64[np.ndarray, " p"], x: Float64[np.ndarray, "*shape k"]
) -> Float64[np.ndarray, "*shape"] | np.float64:
    """Returns E + Σ Aⱼ / xⱼ^αⱼ."""
    k = x.shape[-1]
    return sum_[0] + (sum_[1 : k + 1] * x ** -sum_[k + 1 :]).sum(-1)


def _descend(
    start: np.ndarray, logs: np.ndarray, target: np.ndarray, delta: float, tolerance: float
) -> OptimizeResult:
    n, k = logs.shape

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        terms = np.hstack([np.full((n, 1), point[0]), point[1 : k + 1] - point[k + 1 :] * logs])
        residual = logsumexp(terms, axis=1) - target
        near = np.abs(residual) <= delta
        huber = np.where(near, residual**2 / 2, delta * (np.abs(residual) - delta / 2))
        push = np.clip(residual, -delta, delta)[:, None] * softmax(terms, axis=1) / n
        return huber.mean(), np.concatenate([push.sum(0), -(push[:, 1:] * logs).sum(0)])

    options = {"ftol": tolerance, "gtol": 0.0, "maxiter": 2000, "maxfun": 4000}
    return minimize(loss, start, jac=True, method="L-BFGS-B", options=options)


def _inward(sum_: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(E, A, α) as the logarithms of the terms at the centre of the points, and the exponents."""
    k = len(centre)
    heights = np.log(np.maximum(sum_[: k + 1], _TINY))
    heights[1:] -= sum_[k + 1 :] * centre
    return np.concatenate([heights, sum_[k + 1 :]])


def _outward(point: np.ndarray, centre: np.ndarray) -> np.ndarray:
    k = len(centre)
    heights = point[: k + 1].copy()
    heights[1:] += point[k + 1 :] * centre
    return np.concatenate([np.exp(heights), point[k + 1 :]])
