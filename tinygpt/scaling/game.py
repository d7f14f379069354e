"""The budget game: buy runs with few credits, then bet on the loss of a run ten times larger."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from statistics import fmean

from tinygpt.scaling.laws import ChinchillaFit, fit_chinchilla
from tinygpt.scaling.record import Result

LEVEL = 0.9
"""Share of the runs that an interval should hold."""
DEAREST = 32.0
"""Credits for a run of the largest budget: 100 buy three of these, or many cheap ones."""
_DRAWS = 100

Cell = tuple[int, int]
"""Parameters and tokens of runs that differ only in their seed."""


@dataclass(frozen=True)
class Offer:
    """Runs that can be bought.

    Attributes:
        N, D: their parameters and tokens.
        price: of each, in credits: FLOPs, as a share of the largest budget's.
        left: how many are not bought yet, each with another seed.
    """

    N: int
    D: int
    price: float
    left: int


@dataclass(frozen=True)
class Bet:
    """A predicted loss, and an interval that should hold 90 % of such runs, in nats per token."""

    loss: float
    low: float
    high: float

    def penalty(self, losses: Iterable[float]) -> float:
        """Returns |loss − measured| + `interval_score`, the mean over measured losses, in nats: low is good.

        Both terms are proper: on average, nobody does better than by saying what they believe. It is the
        loss itself, not its excess over the entropy, which is known of no real text. The mean is over single
        runs, so an interval has to leave room for the luck of a seed.
        """
        return fmean(abs(self.loss - x) + interval_score(self.low, self.high, x) for x in losses)


def interval_score(low: float, high: float, x: float, level: float = LEVEL) -> float:
    """Returns high − low + 2 / (1 − level) · (how far x lies outside), in the unit of x: low is good.

    Args:
        low, high: an interval that should hold x with probability `level`.
        x: what came.
        level: below 1.

    Example:
        >>> interval_score(1.0, 1.5, 1.2), round(interval_score(1.0, 1.5, 1.75), 6)
        (0.5, 5.5)

    Source: Gneiting & Raftery 2007, "Strictly Proper Scoring Rules, Prediction, and Estimation", section 6.2.
    """
    return high - low + 2 / (1 - level) * max(low - x, 0.0, x - high)


@dataclass(frozen=True)
class Verdict:
    """How a bet ended.

    Attributes:
        losses: what the runs reached, one for each seed.
        yours: the bet.
        baseline: that of a player who buys one run of each kind, cheapest first, and trusts the fitted law.
    """

    losses: tuple[float, ...]
    yours: Bet
    baseline: Bet

    @property
    def inside(self) -> float:
        """Share of the runs that your interval holds."""
        return fmean(self.yours.low <= x <= self.yours.high for x in self.losses)

    @property
    def penalties(self) -> tuple[float, float]:
        """Yours and the baseline's, in nats per token: the smaller wins."""
        return self.yours.penalty(self.losses), self.baseline.penalty(self.losses)

    def __str__(self) -> str:
        yours, baseline = (1000 * penalty for penalty in self.penalties)
        bet, n = self.yours, len(self.losses)
        return (
            f"you said {bet.loss:.4f}, {bet.low:.4f} to {bet.high:.4f}; it is {fmean(self.losses):.4f}, with "
            f"{self.inside * n:.0f} of {n} runs inside: penalty {yours:.1f} thousandths of a nat, "
            f"the baseline's {baseline:.1f}"
        )


class Game:
    """One game: credits, what they bought, and one bet on a run that is too dear.

    Args:
        runs: what can be bought: results with the scores "N", "D" and "loss", several seeds of each kind.
        reveal: runs to bet on, of one kind or several; the first game is about the kind of least loss.
        credits: to begin with.
        round: 0 for the first game; each further one bets on the next kind of run in `reveal`.

    Attributes:
        target: parameters and tokens of the run to bet on.
        targets: those of each round, least loss first.
        credits: what is left.
        bought: the results, in the order of buying.
        verdict: None until the bet is made.

    Raises:
        ValueError: when there is nothing to buy or to reveal.

    Example:
        >>> from tinygpt.scaling import shipped
        >>> game = Game(shipped("almanac"), shipped("reveal"))
        >>> first = game.offers()[0]
        >>> loss = game.buy(first.N, first.D)
        >>> game.credits == 100 - first.price, len(game.bought)
        (True, 1)
        >>> verdict = game.predict(1.61, low=1.6, high=1.62)
    """

    def __init__(
        self, runs: Iterable[Result], reveal: Iterable[Result], credits: float = 100.0, round: int = 0
    ) -> None:
        self._given = list(runs), list(reveal), float(credits)
        self._cells, self._reveal = cells(self._given[0]), cells(self._given[1])
        if not (self._cells and self._reveal):
            raise ValueError("a game needs runs to buy and runs to reveal; none of those given is finished.")
        self.targets = sorted(self._reveal, key=lambda cell: fmean(self._reached(cell)))
        self._begin(round)

    def _begin(self, round: int) -> None:
        self.round, self.credits = round, self._given[2]
        self.bought: list[Result] = []
        self.verdict: Verdict | None = None
        self.target: Cell = self.targets[round % len(self.targets)]

    def offers(self) -> list[Offer]:
        """Returns every kind of run, smallest first, bought up or not."""
        return [Offer(*cell, self.price(*cell), len(self._left(cell))) for cell in self._cells]

    def price(self, N: int, D: int) -> float:
        """Returns what a run costs: credits in proportion to its FLOPs, never less than a tenth."""
        most = max(n * d for n, d in self._cells)
        return max(0.1, round(DEAREST * N * D / most, 1))

    def buy(self, N: int, D: int) -> float:
        """Buys one run, the next seed of its kind, and returns its loss in nats per token.

        Raises:
            ValueError: when the bet is made, there is no such run, none is left, or the credits are too few.
        """
        self._open()
        cell = self._known(N, D)
        price, left = self.price(*cell), self._left(cell)
        if not left:
            raise ValueError(f"all {len(self._cells[cell])} runs of N={N:,} and D={D:,} are yours already.")
        if price > self.credits:
            raise ValueError(f"this run costs {price:g} credits and you have {self.credits:g}.")
        self.credits = round(self.credits - price, 1)
        self.bought.append(left[0])
        return float(left[0].scores["loss"])

    def predict(self, loss: float, low: float, high: float) -> Verdict:
        """Makes the bet, of which there is one in a game, and returns how it ended.

        Args:
            loss: what you expect of the target, in nats per token.
            low, high: an interval that should hold 90 % of such runs.

        Raises:
            ValueError: when the bet is made already, not low ≤ loss ≤ high, or an end is infinite.
        """
        self._open()
        if not low <= loss <= high:
            raise ValueError(f"low ≤ loss ≤ high is needed; got low={low:g}, loss={loss:g}, high={high:g}.")
        if not isfinite(high - low):
            raise ValueError(f"low and high must be finite; got {low:g} and {high:g}.")
        yours = Bet(float(loss), float(low), float(high))
        self.verdict = Verdict(self._reached(self.target), yours, self.baseline(self.target))
        return self.verdict

    def again(self) -> Game:
        """Returns a new game with all credits, about the next kind of run."""
        game = copy(self)  # with the baseline's law, which is slow to fit
        game._begin(self.round + 1)
        return game

    def baseline(self, target: Cell | None = None) -> Bet:
        """Returns the bet of a player without judgement on a kind of run, by default this game's.

        With all credits, one run of each kind is bought, cheapest first, as long as they last. The bet is
        the Chinchilla law fitted to these, with its bootstrap interval.
        """
        N, D = target or self.target
        return Bet(float(self._law.loss(N, D)), *self._law.interval(lambda law: law.loss(N, D), LEVEL))

    @cached_property
    def _law(self) -> ChinchillaFit:
        other = Game(*self._given)
        for cell in sorted(self._cells, key=lambda cell: self.price(*cell)):
            if self.price(*cell) <= other.credits:
                other.buy(*cell)
        scores = [result.scores for result in other.bought]
        return fit_chinchilla(*([s[name] for s in scores] for name in ("N", "D", "loss")), bootstrap=_DRAWS)

    def __repr__(self) -> str:
        N, D = self.target
        end = self.verdict or f"what will N={N:,} and D={D:,} reach, at {self.price(N, D):g} credits?"
        return f"Game: {self.credits:g} credits left, {len(self.bought)} runs bought; {end}"

    def _reached(self, cell: Cell) -> tuple[float, ...]:
        return tuple(float(result.scores["loss"]) for result in self._reveal[cell])

    def _left(self, cell: Cell) -> list[Result]:
        return [result for result in self._cells[cell] if result not in self.bought]

    def _known(self, N: int, D: int) -> Cell:
        if (N, D) not in self._cells:
            near = ", ".join(f"({n}, {d})" for n, d in self._cells if n == N) or "none of this N"
            raise ValueError(f"no run of N={N} and D={D} is for sale; there are {near}. See offers().")
        return N, D

    def _open(self) -> None:
        if self.verdict is not None:
            raise ValueError("this game is over: its bet is made. Begin a new one with again().")


def cells(runs: Iterable[Result]) -> dict[Cell, list[Result]]:
    """Returns finished runs by parameters and tokens, smallest first, each kind in the order of its seeds."""
    found: dict[Cell, list[Result]] = {}
    for result in sorted((r for r in runs if not r.error), key=lambda r: r.setting.get("seed", 0)):
        found.setdefault((result.scores["N"], result.scores["D"]), []).append(result)
    return dict(sorted(found.items()))
