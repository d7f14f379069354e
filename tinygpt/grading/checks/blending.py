"""The repair in chapter 01's bug hunt: prices by counts and by a cache of what came just before."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.checks.honesty import total_attempt
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def blend_oracle(ids: list[int], probability: list[float], weight: float, size: int) -> list[float]:
    """As a packer would do it, with a cache that learns each token after it was priced."""
    cache: deque[int] = deque(maxlen=size)
    prices = []
    for token in ids:
        p = probability[token]
        if cache:
            p = weight * p + (1 - weight) * Counter(cache)[token] / len(cache)
        prices.append(-math.log(p))
        cache.append(token)
    return prices


def blend_attempt(
    ids: list[int],
    probability: list[float],
    weight: float,
    size: int,
    *,
    window: str = "before",
    start: str = "kept in",
    empty: str = "counts",
    over: str = "its length",
    share: str = "count",
    swapped: bool = False,
    log: str = "nats",
) -> list[float]:
    """The blend with a knob for each known way to go wrong."""
    prices = []
    for t, token in enumerate(ids):
        recent = _window(ids, t, size, window, start)
        of = size if over == "size" else len(recent)
        found = recent.count(token) if share == "count" else float(token in recent) * of
        cached = (
            found / of
            if recent
            else {"wasted": 0.0, "alike": 1 / len(probability)}.get(empty, probability[token])
        )
        w = 1 - weight if swapped else weight
        p = w * probability[token] + (1 - w) * cached
        prices.append(LOGS[log](p))
    return prices


LOGS: dict[str, Callable[[float], float]] = {
    "nats": lambda p: -math.log(p),
    "bits": lambda p: -math.log2(p),
    "plus": math.log,
    "none": lambda p: p,
}


def _window(ids: list[int], t: int, size: int, window: str, start: str) -> list[int]:
    if window == "everything":
        return ids[:t]
    own = window in ("with itself", "with itself and more")
    n = size + {"one short": -1, "one long": 1, "with itself and more": 1}.get(window, 0)
    first = t + own - n
    return ids[first if start == "raw" else max(0, first) : t + own]


def knows_the_token(call: Call, args: tuple, got: list[float]) -> bool:
    """At some place all tokens together have a probability above 1."""
    ids, probability, weight, size = args
    sums = total_attempt(lambda row: call(row, probability, weight, size), ids[:6], len(probability))
    return max(sums, default=0.0) > 1 + 1e-6


def wastes(call: Call, args: tuple, got: list[float]) -> bool:
    ids, probability, weight, size = args
    sums = total_attempt(lambda row: call(row, probability, weight, size), ids[:6], len(probability))
    return min(sums, default=1.0) < 1 - 1e-6


def _calls(n: int, size: int) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        parts = [rng.randint(1, 9) for _ in range(5)]
        weight = rng.choice((0.25, 0.4, 0.7))
        return numbers(rng, n, 5), [part / sum(parts) for part in parts], weight, size

    return draw


WASTES = (
    "The sums are right everywhere but at place 0, where they are below 1: the cache is empty, and its "
    "share of the probability goes to nobody. Give the counts all the weight there."
)

blend = Exercise(
    name="blend",
    arguments=("ids", "probability", "weight", "size"),
    returns="a list of prices",
    reference=blend_oracle,
    attempt=blend_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "still counts itself",
            "The token is still in the cache that is asked for it: `ids[a:b]` ends before b, so the tokens "
            "before t are `ids[...:t]`.",
            {"window": "with itself"},
        ),
        Fault(
            "still counts itself, and one more",
            "The token is still in the cache that is asked for it. The tokens before t are `ids[...:t]`.",
            {"window": "with itself and more"},
        ),
        Fault("first price wasteful", WASTES, {"empty": "wasted"}),
        Fault(
            "first price guessed",
            "At place 0 the cache is empty and you let it guess evenly. Give the counts all the weight "
            "there.",
            {"empty": "alike"},
        ),
        Fault(
            "starts before the beginning",
            "For the first places `t - size` is negative, and a negative start counts from the *end* of the "
            "list. Use `max(0, t - size)`.",
            {"start": "raw"},
        ),
        Fault(
            "divided by size",
            "While the cache fills up it holds fewer than `size` tokens: divide by how many it holds.",
            {"over": "size"},
        ),
        Fault(
            "cache one short",
            "The cache holds one token too few: `ids[t - size : t]` are `size` tokens.",
            {"window": "one short"},
        ),
        Fault(
            "cache one long",
            "The cache holds one token too many: `ids[t - size : t]` are `size` tokens.",
            {"window": "one long"},
        ),
        Fault(
            "cache of everything",
            "The cache holds all tokens before t. It holds the last `size` of them only.",
            {"window": "everything"},
        ),
        Fault(
            "yes or no",
            "You ask whether the token is in the cache. Its share is how *often* it is there.",
            {"share": "presence"},
        ),
        Fault(
            "weights swapped", "`weight` belongs to the counts, 1 − `weight` to the cache.", {"swapped": True}
        ),
        Fault("bits", "These are prices in bits. Use `math.log`, which gives nats.", {"log": "bits"}),
        Fault("sign forgotten", "The logarithm of p is negative. A price is −log p.", {"log": "plus"}),
        Fault("no logarithm", "These are probabilities. A price is −log p.", {"log": "none"}),
    ),
    laws=(
        Law(
            "cheats",
            "At some place the probabilities of all tokens sum to more than 1: point your tool at it.",
            knows_the_token,
        ),
        Law(
            "wastes",
            "At some place the probabilities of all tokens sum to less than 1: point your tool at the first "
            "places.",
            wastes,
        ),
    ),
    cases=(
        Case("four tokens, all of them in the cache", _calls(4, 8), times=2),
        Case("more tokens than the cache holds", _calls(14, 4), times=2),
        Case("a cache of two", _calls(9, 2), times=2),
        Case("one token: nothing before it", _calls(1, 3), times=2),
        Case(
            "the first places",
            _calls(6, 5),
            times=2,
            advice="Is the cache empty, or does its slice start below 0?",
        ),
    ),
)
