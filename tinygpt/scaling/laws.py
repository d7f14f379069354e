"""Laws of scaling: how the loss falls with parameters and tokens, fitted to runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinygpt.scaling._sums import DELTA, TOLERANCE, fit_sum, value
from tinygpt.scaling.resampling import resampled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jaxtyping import Float64
    from numpy.typing import ArrayLike

FLOPS = 6.0
"""FLOPs of training per parameter and token, 2 forward and 4 backward: Kaplan et al. 2020, section 2.1."""


@dataclass(frozen=True)
class Chinchilla:
    """The law L(N, D) = E + A / N^α + B / D^β.

    Attributes:
        E: what no model can save, in nats per token: the entropy of the text.
        A, alpha: what a model of N parameters cannot hold.
        B, beta: what D tokens do not tell.

    Source: Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", equation 2.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, N: ArrayLike, D: ArrayLike) -> Float64[np.ndarray, "*shape"] | np.float64:
        """Returns the loss of N parameters trained on D tokens, in nats per token."""
        N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
        return value(self._sum, np.stack([N, D], axis=-1))

    def optimal(self, C: ArrayLike, flops: float = FLOPS) -> tuple[np.ndarray, np.ndarray]:
        """Returns the parameters and tokens of the lowest loss that C FLOPs buy, at `flops` · N · D a run.

        N grows as C^(β / (α + β)) and D as C^(α / (α + β)). Source: Hoffmann et al. 2022, equation 4.
        """
        budget = np.asarray(C, float) / flops
        balance = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        N = balance * budget ** (self.beta / (self.alpha + self.beta))
        return N, budget / N

    def r_squared(self, N: ArrayLike, D: ArrayLike, loss: ArrayLike, floor: float | None = None) -> float:
        """Returns the share of variance of the log excess loss that the law explains, best on new runs.

        Args:
            N, D, loss: of runs, best of some that the law was not fitted to.
            floor: what the excess is counted from, such as a known entropy; None means the law's own E.

        Raises:
            ValueError: when a loss is not above the floor.
        """
        floor = self.E if floor is None else floor
        excess, predicted = np.asarray(loss, float) - floor, self.loss(N, D) - floor
        if min(excess.min(), predicted.min()) <= 0:
            raise ValueError(
                f"log excess loss needs losses above the floor of {floor:.4g}; got {min(loss):.4g}."
            )
        rest = np.log(excess) - np.log(predicted)
        return float(1 - (rest**2).sum() / ((np.log(excess) - np.log(excess).mean()) ** 2).sum())

    @property
    def _sum(self) -> np.ndarray:
        return np.array([self.E, self.A, self.B, self.alpha, self.beta])


@dataclass(frozen=True)
class ChinchillaFit(Chinchilla):
    """A law that was fitted, and those fitted to runs drawn again from the same ones.

    Attributes:
        draws: one law per draw; none without a bootstrap.
    """

    draws: tuple[Chinchilla, ...] = ()

    def interval(self, of: str | Callable[[Chinchilla], float], level: float = 0.9) -> tuple[float, float]:
        """Returns the bootstrap interval of a number, from the (1 − level) / 2 quantile to its opposite.

        Args:
            of: the name of an attribute, or a function of a law such as `lambda law: law.optimal(1e20)[0]`.
            level: share of the draws inside.

        Raises:
            ValueError: when the fit was made without a bootstrap.
        """
        if not self.draws:
            raise ValueError("an interval needs draws; fit with bootstrap=200 or so.")
        found = [getattr(law, of) if isinstance(of, str) else of(law) for law in self.draws]
        low, high = np.quantile(np.asarray(found, float), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def fit_chinchilla(
    N: ArrayLike,
    D: ArrayLike,
    loss: ArrayLike,
    *,
    bootstrap: int = 0,
    groups: Sequence[object] | None = None,
    seed: int = 0,
    delta: float = DELTA,
    tolerance: float = TOLERANCE,
    starts: Iterable[Chinchilla] | None = None,
) -> ChinchillaFit:
    """Fits L(N, D) = E + A / N^α + B / D^β to runs, by the Huber loss of log L, from many starts.

    Args:
        N, D, loss: parameters, tokens and final loss of each run.
        bootstrap: how many times to draw the runs again and refit, for intervals; 200 takes seconds.
        groups: what is drawn together, such as a run's shape when it was repeated with several seeds.
        seed: of the drawing.
        delta: residual in nats of log L beyond which a run counts as an outlier.
        tolerance: each descent ends when a step lowers the mean Huber loss by less. It must be tiny: that
            loss is about delta² itself, and 1e-8 ends far from the best law (Besiroglu et al. 2024).
        starts: laws to start from; None finds promising ones.

    Raises:
        ValueError: for fewer than six runs, unequal lengths, numbers that are not positive, or one N or D.

    Example:
        >>> law = Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> N, D = np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(1e9, 1e11, 5))
        >>> fit = fit_chinchilla(N.ravel(), D.ravel(), law.loss(N, D).ravel())
        >>> round(fit.E, 3), round(fit.alpha, 3), round(fit.beta, 3)
        (1.69, 0.34, 0.28)

    Source: Hoffmann et al. 2022, section 3.3; Besiroglu et al. 2024, "Chinchilla Scaling: A Replication
        Attempt".
    """
    N, D, loss = checked(N=N, D=D, loss=loss, least=6)
    if min(len(np.unique(N)), len(np.unique(D))) < 2:
        raise ValueError("N and D must each take several values, or their powers cannot be told from E.")
    x = np.stack([N, D], axis=1)
    begin = None if starts is None else [law._sum for law in starts]
    best = fit_sum(x, loss, begin, delta, tolerance)
    draws = (
        Chinchilla(*map(float, fit_sum(x[rows], loss[rows], [best], delta, tolerance)))
        for rows in resampled(len(loss), bootstrap, groups, seed)
    )
    return ChinchillaFit(*map(float, best), draws=tuple(draws))


@dataclass(frozen=True)
class Power:
    """The law y = floor + scale · x^−exponent.

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", equations 1.1 to 1.3, with floor 0.
    """

    scale: float
    exponent: float
    floor: float = 0.0

    def __call__(self, x: ArrayLike) -> Float64[np.ndarray, "*shape"] | np.float64:
        """Returns y at x."""
        return self.floor + self.scale * np.asarray(x, float) ** -self.exponent


def fit_power(x: ArrayLike, y: ArrayLike, *, floor: float | None = 0.0) -> Power:
    """Fits y = floor + scale · x^−exponent.

    Args:
        x, y: positive.
        floor: what y falls to, if that is known: then this is a straight line in logarithms, by least
            squares. None fits the floor too, by the Huber loss of log y.

    Raises:
        ValueError: for too few points, numbers that are not positive, or a y that is not above the floor.

    Example:
        >>> x = np.array([1.0, 10.0, 100.0, 1000.0])
        >>> law = fit_power(x, 0.5 + 2 / np.sqrt(x), floor=None)
        >>> round(law.scale, 3), round(law.exponent, 3), round(law.floor, 3)
        (2.0, 0.5, 0.5)
    """
    x, y = checked(x=x, y=y, least=4 if floor is None else 2)
    if floor is None:
        floor, scale, exponent = map(float, fit_sum(x[:, None], y))
        return Power(scale, exponent, floor)
    if y.min() <= floor:
        raise ValueError(f"y must be above floor={floor:g} everywhere; its smallest is {y.min():g}.")
    slope, height = np.polyfit(np.log(x), np.log(y - floor), 1)
    return Power(float(np.exp(height)), float(-slope), floor)


def checked(*, least: int, **columns: ArrayLike) -> list[np.ndarray]:
    """Returns columns of numbers as arrays, once they are of one length, positive, and at least so many."""
    arrays = {name: np.asarray(column, float) for name, column in columns.items()}
    sizes = {name: array.shape for name, array in arrays.items()}
    if len(set(sizes.values())) > 1 or any(array.ndim != 1 for array in arrays.values()):
        raise ValueError(f"{', '.join(columns)} must be lists of one length; got the shapes {sizes}.")
    for name, array in arrays.items():
        if len(array) < least:
            raise ValueError(f"{least} points are needed at least; got {len(array)}.")
        if not (np.isfinite(array).all() and (array > 0).all()):
            raise ValueError(f"{name} must be positive numbers; got {array.min():g} among them.")
    return list(arrays.values())
