"""Bets on the loss of a run, and a rule that rewards honest ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

LEVEL = 0.9
"""Share of the runs that an interval should hold."""


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
