"""Documents whose exact probability is known, because every choice goes through one place."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")
Slots = dict[str, "str | tuple[str, ...]"]
Event = tuple[str, int, Slots]


@dataclass(frozen=True)
class Document:
    """A generated text with its exact probability.

    Attributes:
        kind: What sort of text it is.
        text: The text itself, in one language.
        nats: −log p of the text and its end, so a model is compared with it on the text's tokens and the end
            token. Two documents with the same text have the same nats.
        events: What is told, in no language: (what, in which wording, with which words).
    """

    kind: str
    text: str
    nats: float
    events: tuple[Event, ...]


class Tracer:
    """Draws from a seeded generator and adds up −log p of what it drew.

    Args:
        seed: Equal seeds make equal choices.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.nats = 0.0
        self.events: list[Event] = []

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options: each alike, or in proportion to its weight."""
        i = self.choose(len(options), weights)
        self.nats -= math.log(1 / len(options) if weights is None else weights[i] / sum(weights))
        return options[i]

    def choose(self, n: int, weights: Sequence[float] | None) -> int:
        """The number of an option below n."""
        if weights is None:
            return self._rng.randrange(n)
        return self._rng.choices(range(n), cum_weights=list(accumulate(weights)))[0]

    def sample(self, options: Sequence[T], k: int) -> list[T]:
        """k different options, in an order that is part of the choice."""
        left, taken = list(options), []
        for _ in range(k):
            taken.append(self.pick(left))
            left.remove(taken[-1])
        return taken

    def tell(self, what: str, wordings: int = 1, **slots: str | tuple[str, ...]) -> None:
        """Add an event, in one of so many wordings."""
        self.events.append((what, self.pick(range(wordings)), slots))
