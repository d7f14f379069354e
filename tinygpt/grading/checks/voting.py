"""Exercise 2 of chapter 08: many answers, one vote."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault


def vote_oracle(answers: list[str]) -> str:
    """By a counter, which keeps the order in which results were first seen."""
    results = [answer.rpartition("so ")[2] for answer in answers if "so " in answer]
    return Counter(results).most_common(1)[0][0] if results else ""


def vote_attempt(
    answers: list[str],
    *,
    ballot: str = "result",
    silent: str = "left out",
    tie: str = "first",
    choose: str = "most",
    nothing: str = "",
) -> str:
    """The vote with a knob for each known way to go wrong."""
    ballots = [_ballot(answer, ballot) for answer in answers if silent != "left out" or "so " in answer]
    if not ballots:
        return nothing
    if choose in ("first", "last"):
        return ballots[0 if choose == "first" else -1]
    if choose == "largest":
        return max(ballots)
    counts = Counter(ballots)
    if choose == "majority" and max(counts.values()) * 2 <= len(ballots):
        return ""
    most = (min if choose == "fewest" else max)(counts.values())
    winners = [result for result in counts if counts[result] == most]
    return {"first": winners[0], "last": winners[-1], "largest": max(winners), "smallest": min(winners)}[tie]


def _ballot(answer: str, ballot: str) -> str:
    if ballot == "whole answer":
        return answer
    if ballot == "first so":
        return answer.partition("so ")[2]
    if ballot == "result" and "so " not in answer:
        return ""
    return answer.rpartition("so ")[2]


def _spaced(n: int) -> str:
    return " ".join(f"{n:02d}")


def _answer(rng: random.Random, result: int) -> str:
    """Two steps to a result; what comes between differs from answer to answer."""
    between = rng.randrange(100)
    return f"{_spaced(between)} + 0 1 = {_spaced(result)} . so {_spaced(result)} ."


def _crowd(*votes: int, cut: int = 0) -> Callable[[Generator], tuple]:
    """So many answers with one result, so many with another, and some that were cut off."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        results = rng.sample(range(100), len(votes))
        answers = [_answer(rng, r) for r, n in zip(results, votes, strict=True) for _ in range(n)]
        answers += [f"{_spaced(rng.randrange(100))} + 0 1 =" for _ in range(cut)]
        rng.shuffle(answers)
        return (answers,)

    return draw


def _second_thoughts(generator: Generator) -> tuple:
    """Some answers give a result, and then another one."""
    rng = dice(generator)
    one, other = rng.sample(range(100), 2)
    turned = [f"so {_spaced(one)} . so {_spaced(other)} ." for _ in range(3)]
    return ([*turned, *(_answer(rng, one) for _ in range(2))],)


vote = Exercise(
    name="vote",
    arguments=("answers",),
    returns="a text",
    reference=vote_oracle,
    attempt=vote_attempt,
    faults=(
        Fault(
            "votes on whole answers",
            "You count whole answers, and two chains of thought are hardly ever the same. Votes are cast for "
            "*results*: what stands behind the last `so `.",
            {"ballot": "whole answer"},
        ),
        Fault(
            "the first so",
            "Where an answer says `so ` twice, you read on from the first. The last one is the result: "
            "`rpartition`.",
            {"ballot": "first so"},
        ),
        Fault(
            "silence may win",
            "Answers that were cut off have no result, and still you count them. Leave them out before you "
            "count.",
            {"silent": "counted"},
        ),
        Fault(
            "silence may win",
            "An answer without `so ` has no result. Leave it out before you count.",
            {"silent": "counted", "ballot": "whatever is there"},
        ),
        Fault(
            "last of a tie",
            "Of results with equally many votes the first one said is wanted.",
            {"tie": "last"},
        ),
        Fault(
            "largest of a tie",
            "Of results with equally many votes the first one said is wanted. `max` over pairs of count and "
            "result compares the texts next.",
            {"tie": "largest"},
        ),
        Fault(
            "smallest of a tie",
            "Of results with equally many votes the first one said is wanted; sorting loses that order.",
            {"tie": "smallest"},
        ),
        Fault("no vote taken", "This is the first answer's result. Count them all.", {"choose": "first"}),
        Fault("the last word", "This is the last answer's result. Count them all.", {"choose": "last"}),
        Fault(
            "largest result",
            "This is the largest result. The most frequent is wanted.",
            {"choose": "largest"},
        ),
        Fault(
            "fewest votes", "This is the rarest result. The most frequent is wanted.", {"choose": "fewest"}
        ),
        Fault(
            "more than half wanted",
            "You want more than half of the votes. The most frequent result wins with fewer, too.",
            {"choose": "majority"},
        ),
        Fault(
            "None where nobody voted",
            'Where no answer has a result the vote is `""`.',
            {"nothing": "none"},
        ),
    ),
    cases=(
        Case("five answers, two results", _crowd(3, 2)),
        Case("three results, none with half of the votes", _crowd(4, 3, 3), times=2),
        Case("a tie", _crowd(2, 2, 1), times=8),
        Case("answers that were cut off", _crowd(2, 1, cut=4), times=2),
        Case("second thoughts", _second_thoughts),
        Case("nobody has a result", _crowd(cut=3)),
    ),
)
