"""The budget game: buy runs with few credits, then bet on the loss of a run ten times larger."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from statistics import fmean

from tinygpt.scaling.bets import LEVEL, Bet, Verdict
from tinygpt.scaling.laws import ChinchillaFit, fit_chinchilla
from tinygpt.scaling.record import Result

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
        credits: what is left of `start`.
        bought: the results, in the order of buying.
        verdict: None until the bet is made.

    Raises:
        ValueError: when there is nothing to buy or to reveal, or the credits are too few for a law.

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
        self.start, self._cells, self._reveal = float(credits), cells(runs), cells(reveal)
        if not (self._cells and self._reveal):
            raise ValueError("a game needs runs to buy and runs to reveal; none of those given is finished.")
        if (kinds := len(self._spread())) < 6:
            raise ValueError(f"a law needs six kinds of runs; {credits:g} credits buy the baseline {kinds}.")
        self.targets = sorted(self._reveal, key=lambda cell: fmean(_losses(self._reveal[cell])))
        self._begin(round)

    def _begin(self, round: int) -> None:
        self.round, self.credits = round, self.start
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
        self.verdict = Verdict(tuple(_losses(self._reveal[self.target])), yours, self.baseline())
        return self.verdict

    def sheet(self) -> tuple[dict[Cell, list[float]], dict[Cell, list[float]]]:
        """Returns all losses for sale and all to reveal, for a page without a kernel. To peep is to cheat."""
        return tuple({cell: _losses(of[cell]) for cell in of} for of in (self._cells, self._reveal))

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
        scores = [result.scores for result in self._spread()]
        return fit_chinchilla(*([s[name] for s in scores] for name in ("N", "D", "loss")), bootstrap=_DRAWS)

    def _spread(self) -> list[Result]:
        left, bought = self.start, []
        for cell in sorted(self._cells, key=lambda cell: self.price(*cell)):
            if self.price(*cell) <= left:
                left = round(left - self.price(*cell), 1)
                bought.append(self._cells[cell][0])
        return bought

    def __repr__(self) -> str:
        N, D = self.target
        end = self.verdict or f"what will N={N:,} and D={D:,} reach, at {self.price(N, D):g} credits?"
        return f"Game: {self.credits:g} credits left, {len(self.bought)} runs bought; {end}"

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


def _losses(runs: Iterable[Result]) -> list[float]:
    return [float(result.scores["loss"]) for result in runs]
