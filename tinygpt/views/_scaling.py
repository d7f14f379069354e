"""The scaling view: drag a budget, and see the best size, the loss it should reach, and the bill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygpt.scaling import CHIPS, Bill, Chinchilla, Profile, Result, bill, isoflop
from tinygpt.scaling.bill import BYTES_PER_PARAMETER, OVERHEAD
from tinygpt.scaling.frontier import by_budget
from tinygpt.scaling.laws import FLOPS, checked
from tinygpt.views._host import View

if TYPE_CHECKING:
    from jaxtyping import Float64
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    Runs = Iterable[Result] | tuple[ArrayLike, ArrayLike, ArrayLike]

LEVEL = 0.9
_DRAWS, _KINDS = 200, 500
_BEYOND = 100.0  # times the largest budget of the runs, to which the slider goes


def scaling(
    runs: Runs,
    fit: Chinchilla,
    *,
    entropy: float | None = None,
    budget: float | None = None,
    chip: str = "H100",
    utilisation: float = 0.4,
    dollars_per_hour: float = 2.0,
) -> Scaling:
    """Shows runs, the law fitted to them, and what the law makes of a budget that the reader drags.

    On the left loss against FLOPs, with the frontier L(N*(C), D*(C)); on the right loss against N, one curve
    for each budget: runs, their parabola (`isoflop`) and the law. Linear axes or logarithmic ones, the loss
    or what it is above the law's E: a power law is a wall on the first and a straight line on the last.

    Args:
        runs: Results with the scores "N", "D" and "loss", or three arrays of these. Runs of the same N and
            D, such as several seeds, become one point, with a bar from the least to the largest loss.
        fit: The law, from `fit_chinchilla`; with `bootstrap=200` or so, there are bands too.
        entropy: Of the text, where it is known, in nats per token: drawn as a line.
        budget: To open on, in FLOPs; None is the largest of the runs.
        chip: To open on, a name in `CHIPS`.
        utilisation, dollars_per_hour: For the bill, as in `bill`.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the budget in FLOPs.

    Raises:
        ValueError: The runs are neither results with those scores nor three arrays of positive numbers, or
            of too many kinds; the chip is unknown, the budget or the entropy not positive.

    Example:
        >>> law = Chinchilla(E=1.6, A=30.0, B=60.0, alpha=0.7, beta=0.5)
        >>> N = np.array([1e3, 4e3, 16e3, 2e3, 8e3, 32e3])
        >>> D = np.array([1e9] * 3 + [4e9] * 3) / 6 / N
        >>> scaling((N, D, law.loss(N, D)), law)
        Scaling view: 6 runs of 6 sizes and 2 budgets; loss = 1.6 + 30 / N^0.7 + 60 / D^0.5

    Source: Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", figures 3 and 4.
    """
    N, D, loss = _columns(runs)
    points, profiles = _points(N, D, loss), _profiles(N, D, loss)
    if len(points) > _KINDS:
        raise ValueError(f"a page shows {_KINDS} kinds of runs; these are {len(points)}. Leave some out.")
    for name, value in {"entropy": entropy, "budget": budget}.items():
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number; got {value}.")
    paid = {"chip": chip, "utilisation": utilisation, "dollars_per_hour": dollars_per_hour}
    bill(1.0, 1.0, **paid)
    budget = float(budget or max(point.C for point in points))
    return Scaling(points, profiles, fit, entropy, budget, paid)


class Point(NamedTuple):
    """Runs of one size and length: mean, least and largest loss, and how many they are.

    Attributes:
        profile: number of its budget, cheapest first.
    """

    N: float
    D: float
    loss: float
    least: float
    most: float
    runs: int
    profile: int

    @property
    def C(self) -> float:
        """FLOPs of each of its runs."""
        return FLOPS * self.N * self.D


class Scaling(View):
    """The view that `scaling` returns."""

    _module = "scaling"
    _colours = 96

    def __init__(
        self,
        points: list[Point],
        profiles: list[Profile],
        fit: Chinchilla,
        entropy: float | None,
        budget: float,
        paid: dict[str, Any],
    ) -> None:
        super().__init__()
        self._points, self._profiles, self._fit = points, profiles, fit
        self._entropy, self._paid = entropy, paid
        self._draws = list(getattr(fit, "draws", ()))[:_DRAWS]
        C = [point.C for point in points]
        self._range = (min(*C, budget) / 2, max(_BEYOND * max(C), budget))
        self._selected = [budget]

    @property
    def selected(self) -> float:
        """The budget in hand, in FLOPs."""
        return float(self._selected[0])

    def _header(self) -> dict[str, Any]:
        return {
            "points": [[_short(value) for value in point] for point in self._points],
            "profiles": [
                [_short(p.C), _short(p.N), _short(p.loss), *p.parabola.tolist()] for p in self._profiles
            ],
            "law": _numbers(self._fit),
            "draws": [[_short(value) for value in _numbers(draw)] for draw in self._draws],
            "entropy": self._entropy,
            "range": self._range,
            "chips": {name: asdict(chip) for name, chip in CHIPS.items()},
            "paid": self._paid,
            "per": {"flops": FLOPS, "bytes": BYTES_PER_PARAMETER, "overhead": OVERHEAD},
            "level": LEVEL,
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b""

    def _text(self) -> str:
        E, A, B, alpha, beta = _numbers(self._fit)
        sizes, budgets = ({getattr(p, name) for p in self._points} for name in ("N", "profile"))
        runs = sum(point.runs for point in self._points)
        lines = [
            f"Scaling view: {runs} runs of {len(sizes)} sizes and {len(budgets)} budgets; "
            f"loss = {E:.4g} + {A:.3g} / N^{alpha:.3g} + {B:.3g} / D^{beta:.3g}",
            self._told(self.selected),
        ]
        if self._entropy is not None:
            lines.append(f"entropy of the text: {self._entropy:.4g} nats per token")
        return "\n".join([*lines, *(_lowest(profile) for profile in self._profiles)])

    def _told(self, C: float) -> str:
        N, D = map(float, self._fit.optimal(C))
        low, high = self.band(C)
        span = f" ({LEVEL:.0%} of the draws: {low:.4g} to {high:.4g})" if self._draws else ""
        cost: Bill = bill(N, D, **self._paid)
        return (
            f"{C:.3g} FLOPs: best N {N:.3g}, D {D:.3g}, loss {float(self._fit.loss(N, D)):.4g}{span}; on "
            f"{cost.chips} {self._paid['chip']} at {self._paid['utilisation']:.0%} of the peak "
            f"{cost.seconds:.3g} s, {cost.joules:.3g} J, {cost.dollars:.3g} dollars"
        )

    def band(self, C: ArrayLike) -> Float64[np.ndarray, "2 ..."]:
        """Returns where the draws' lowest losses of budgets begin and end, leaving 5 % out on either side."""
        laws = self._draws or [self._fit]
        lowest = np.stack([law.loss(*law.optimal(C)) for law in laws])
        return np.quantile(lowest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)

    def _figure(self) -> Figure:
        from tinygpt.views._scaling_figure import figure

        C = np.geomspace(*self._range, 60)
        frontier = np.stack([C, self._fit.loss(*self._fit.optimal(C)), *self.band(C)])
        return figure(self._points, self._profiles, self._fit, frontier, self.selected, self._entropy)


def _columns(runs: Runs) -> list[np.ndarray]:
    given = list(runs)
    if given and all(isinstance(run, Result) for run in given):
        scores = [run.scores for run in given if not run.error]
        if missing := [name for name in ("N", "D", "loss") if any(name not in one for one in scores)]:
            raise ValueError(f"each run needs the scores N, D and loss; some lack {missing[0]!r}.")
        given = [[one[name] for one in scores] for name in ("N", "D", "loss")]
    if len(given) != 3:
        raise ValueError(
            f"runs must be results of a sweep, or the arrays (N, D, loss); got {len(given)} things."
        )
    return checked(N=given[0], D=given[1], loss=given[2], least=1)


def _points(N: np.ndarray, D: np.ndarray, loss: np.ndarray) -> list[Point]:
    points = []
    for number, rows in enumerate(by_budget(N * D)):
        for n, d in sorted({(N[row], D[row]) for row in rows}):
            same = loss[rows[(N[rows] == n) & (D[rows] == d)]]
            points.append(Point(n, d, same.mean(), same.min(), same.max(), len(same), number))
    return points


def _profiles(N: np.ndarray, D: np.ndarray, loss: np.ndarray) -> list[Profile]:
    """The parabolas of those budgets that have one."""
    found: list[Profile] = []
    for rows in by_budget(N * D):
        try:
            found += isoflop(FLOPS * N[rows] * D[rows], N[rows], loss[rows])
        except ValueError:
            continue
    return found


def _lowest(profile: Profile) -> str:
    where = f"N {profile.N:.3g}, loss {profile.loss:.4g}" + " (beyond its runs)" * (not profile.inside)
    return f"IsoFLOP {profile.C:.3g}: lowest at {where}"


def _numbers(law: Chinchilla) -> Sequence[float]:
    return [law.E, law.A, law.B, law.alpha, law.beta]


def _short(value: float) -> float:
    return float(f"{value:.7g}")
