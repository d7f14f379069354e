"""The bug hunt of chapter 01, "Cheaper than possible": whose prices cannot be probabilities?"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Case, Exercise, Fault

Prices = Callable[[list[int]], list[float]]


@dataclass(frozen=True)
class PriceList:
    """What tokens cost, in nats, under a small fixed model that keeps its books in a known way.

    It is described by plain values, so that a judge can rebuild it in another process.

    Args:
        habit: "honest" (the probabilities at each place sum to 1), "own" (a token counts itself among those
            seen), "generous" (a sum that grows from place to place), "wasteful" (a sum below 1) or "ahead"
            (a token loses part of its probability to the one that follows it, if there is one).
        seed: Chooses the probabilities.
        vocab_size: Ids are below this.
        growth: By how much a generous sum grows from place to place.
        waste: What a wasteful sum lacks of 1.
    """

    habit: str
    seed: int
    vocab_size: int = 7
    growth: float = 0.25
    waste: float = 0.25

    def __call__(self, ids: list[int]) -> list[float]:
        return [-math.log(self._probability(ids, t)) for t in range(len(ids))]

    def _probability(self, ids: list[int], t: int) -> float:
        """By the sum of all tokens before, so that none of them may be left out."""
        weights = random.Random(1000 * self.seed + sum(ids[:t]) + t).choices(range(1, 9), k=self.vocab_size)
        p = weights[ids[t]] / sum(weights)
        if self.habit == "own":
            p = ids[: t + 1].count(ids[t]) / (t + 1)
        if self.habit == "ahead" and t + 1 < len(ids):
            p /= 2 + ids[t + 1]
        return p * {"generous": 1 + self.growth * t, "wasteful": 1 - self.waste}.get(self.habit, 1.0)


def total_oracle(prices: PriceList, ids: list[int], vocab_size: int) -> list[float]:
    """Each place on its own, with the sum left to `fsum`."""
    ends = [[[*ids[:t], w] for w in range(vocab_size)] for t in range(len(ids))]
    return [math.fsum(math.e ** -prices(end).pop() for end in place) for place in ends]


def total_attempt(
    prices: Prices,
    ids: list[int],
    vocab_size: int,
    *,
    ending: str = "cut",
    power: str = "exp(-p)",
    priced: str = "last",
    words: str = "all",
    added: str = "replaced",
    averaged: bool = False,
) -> list[float]:
    """The sums with a knob for each known way to go wrong."""
    kinds = {"all": range(vocab_size), "from 1": range(1, vocab_size), "seen": sorted({*ids})}
    kinds["one too many"] = range(vocab_size - 1)
    totals = []
    for t in range(len(ids)):
        kinds["the one that came"] = ids[t : t + 1]
        before = {
            "replaced": ids[:t],
            "appended": ids[: t + 1],
            "nothing": [],
            "one": ids[max(0, t - 1) : t],
        }[added]
        after = ids[t + 1 :] if ending == "kept" else []
        costs = [prices([*before, w, *after]) for w in kinds[words]]
        at = len(before)
        paid = [row[at] if priced == "last" else sum(row[: at + 1]) for row in costs]
        total = sum(map(POWERS[power], paid))
        totals.append(total / vocab_size if averaged else total)
    return totals


POWERS: dict[str, Callable[[float], float]] = {
    "exp(-p)": lambda price: math.exp(-price),
    "exp(p)": math.exp,
    "2^-p": lambda price: 2**-price,
    "none": lambda price: price,
    "negative": lambda price: -price,
}


def _prices(habit: str) -> Callable[[Generator], tuple]:
    """Prices of five ids, whatever the habit: nothing but the prices tells it."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        vocab_size, seed = rng.randint(4, 7), rng.randrange(1000)
        ids = numbers(rng, 5, vocab_size)
        prices = PriceList(habit, seed, vocab_size, rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.5))
        return prices, ids, vocab_size

    return draw


total_probability = Exercise(
    name="total_probability",
    arguments=("prices", "ids", "vocab_size"),
    returns="a list of numbers, one for each place",
    reference=total_oracle,
    attempt=total_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "prices added",
            "You add up the prices. A price is −log p: add up the probabilities, `math.exp(-price)`.",
            {"power": "none"},
        ),
        Fault(
            "minus forgotten",
            "Exp(price) is 1 / p. The probability is `math.exp(-price)`.",
            {"power": "exp(p)"},
        ),
        Fault(
            "log probabilities added",
            "You add up log p. Add up p, `math.exp(-price)`.",
            {"power": "negative"},
        ),
        Fault(
            "taken for bits", "The prices are in nats: p = exp(−price), not 2^(−price).", {"power": "2^-p"}
        ),
        Fault(
            "what follows kept",
            "You replace token t and keep what follows it. Whoever unpacks does not have that yet: price "
            "`ids[:t] + [w]`, which ends there.",
            {"ending": "kept"},
        ),
        Fault(
            "the token itself kept",
            "You put w *behind* token t, so every sum belongs to the next place. w stands in its place: "
            "`ids[:t] + [w]`.",
            {"added": "appended"},
        ),
        Fault(
            "whole price",
            "You take the price of the whole row of tokens. Wanted is the price of w alone: the last one.",
            {"priced": "whole"},
        ),
        Fault(
            "past left out",
            "You price w by itself. What it costs may depend on everything before it: `ids[:t] + [w]`.",
            {"added": "nothing"},
        ),
        Fault(
            "only one token of the past",
            "You price w after the one token before it. What it costs may depend on all of them: `ids[:t] + "
            "[w]`.",
            {"added": "one"},
        ),
        Fault("token 0 left out", "Ids run from 0: `range(vocab_size)`.", {"words": "from 1"}),
        Fault("last token left out", "Ids run up to V − 1: `range(vocab_size)`.", {"words": "one too many"}),
        Fault(
            "only tokens that were seen",
            "You try only tokens that stand in `ids`. All V of them could come: `range(vocab_size)`.",
            {"words": "seen"},
        ),
        Fault(
            "only the token that came",
            "You turn the price of the token that came into a probability, which may be anything below 1. "
            "Add up all V tokens that could stand there: `ids[:t] + [w]` for each w.",
            {"words": "the one that came", "ending": "kept"},
        ),
        Fault("averaged", "These are averages over the tokens. Wanted are the sums.", {"averaged": True}),
    ),
    cases=(
        Case("honest prices", _prices("honest")),
        Case("prices for which each token is already counted", _prices("own")),
        Case("sums that grow from place to place", _prices("generous")),
        Case("sums below 1", _prices("wasteful")),
        Case("prices that depend on what follows", _prices("ahead")),
    ),
)


def _answer(answer: str = "cache") -> str:
    return answer


guilty = Exercise(
    name="guilty",
    arguments=(),
    returns="a word",
    reference=_answer,
    attempt=_answer,
    faults=(
        Fault(
            "nobody accused", "Put in the word for the part that you found guilty.", {"answer": "nobody yet"}
        ),
        Fault(
            "accused the data",
            "Test and training calls come from seeds of their own, and even a model that had learnt the "
            "test text by heart would have prices that sum to 1 at each place. These do not.",
            {"answer": "data"},
        ),
        Fault(
            "accused the bytes",
            "Every line of the table divides by the same bytes, so they cannot put one below the other. "
            "Compare the sums of the prices: the model's is lower before anything is divided.",
            {"answer": "bytes"},
        ),
        Fault(
            "accused the floor",
            "The floor's prices sum to 1 at each place, and they follow the rule of the market to the "
            "letter.",
            {"answer": "floor"},
        ),
        Fault(
            "accused the counts",
            "The prices by counting sum to 1 at each place: `total_probability(count_prices, sample, V)`.",
            {"answer": "counts"},
        ),
        Fault(
            "accused the halves",
            "Half of one probability and half of another sum to 1 if both do. One of the two does not.",
            {"answer": "halves"},
        ),
    ),
    cases=(Case("the part whose prices are not honest", lambda g: ()),),
)
