"""Exercise 2 of chapter 01: probabilities from counts that lean on shorter counts."""

from __future__ import annotations

from collections import Counter

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Question = tuple[list[int], list[int], int, float]


def counting_oracle(ids: list[int], history: list[int], vocab_size: int, k: float) -> list[float]:
    """By recursion, from a table of all runs of tokens."""
    n = len(history)
    shorter = counting_oracle(ids, history[1:], vocab_size, k) if n else [1 / vocab_size] * vocab_size
    runs = Counter(tuple(ids[i : i + n + 1]) for i in range(len(ids) - n))
    counts = [runs[(*history, w)] for w in range(vocab_size)]
    return [(c + k * p) / (sum(counts) + k) for c, p in zip(counts, shorter, strict=True)]


def counting_attempt(
    ids: list[int],
    history: list[int],
    vocab_size: int,
    k: float,
    *,
    prior: str = "shorter",
    drop: str = "first",
    total: str = "followed",
    target: int = 0,
    overlap: bool = True,
    base: str = "smoothed",
    divided: bool = True,
    longest: int = 1 << 30,
    between: bool = True,
    until: int = 0,
) -> list[float]:
    """Probabilities from counts with a knob for each known way to go wrong."""
    p = [1 / vocab_size] * vocab_size
    for n in range(min(len(history), longest) + 1):
        h = history[len(history) - n :] if drop == "first" else history[:n]
        without = base == "left out" or (base == "[-0:]" and len(history) > 0)
        if (n == 0 and without) or (0 < n < len(history) and not between):
            continue
        places = _places(ids[: len(ids) - until], h, overlap)
        after = [ids[i + n + target] for i in places if 0 <= i + n + target < len(ids)]
        k_here = 0.0 if n == 0 and base == "bare" else k
        of = {"followed": len(after), "all": len(places), "text": len(ids)}[total]
        p = [_share(after.count(w), of, q, k_here, prior, vocab_size, divided) for w, q in enumerate(p)]
    return p


def _places(ids: list[int], h: list[int], overlap: bool) -> list[int]:
    """Where a history stands, at the very end of the text too."""
    last, places = len(ids) - len(h) + (len(h) > 0), []
    for i in range(last):
        if ids[i : i + len(h)] == h and (overlap or not places or i >= places[-1] + len(h)):
            places.append(i)
    return places


def _share(
    count: int, of: int, shorter: float, k: float, prior: str, vocab_size: int, divided: bool
) -> float:
    if prior == "none":
        return count / of if of else 0.0
    if prior == "none, else shorter":
        return count / of if of else shorter
    if prior == "none, else alike":
        return count / of if of else 1 / vocab_size
    if prior == "k each":
        return (count + k) / (of + k * vocab_size)
    if prior == "k each, over k":
        return (count + k) / (of + k)
    if prior == "over k V":
        return (count + k * shorter) / (of + k * vocab_size)
    if prior == "over nothing":
        return (count + k * shorter) / of
    lean = 1 / vocab_size if prior == "alike" else shorter
    return (count + k * lean) / ((of + k) if divided else 1)


def does_not_sum(call: Call, args: tuple, got: list[float]) -> bool:
    return abs(sum(got) - 1) > 1e-6


def is_zero(call: Call, args: tuple, got: list[float]) -> bool:
    return min(got, default=1.0) <= 0


def _text(generator: Generator, n: int, vocab_size: int, length: int) -> Question:
    """A history that stands somewhere in a random text."""
    rng = dice(generator)
    ids = numbers(rng, length, vocab_size)
    start = rng.randrange(length - n)
    return ids, ids[start : start + n], vocab_size, rng.choice((0.5, 2.0, 3.0))


def _unseen(generator: Generator) -> Question:
    ids, history, vocab_size, k = _text(generator, 2, 4, 14)
    return ids, [vocab_size, history[1]], vocab_size + 1, k


def _overlapping(generator: Generator) -> Question:
    rng = dice(generator)
    ids = [3] * rng.randint(4, 6) + numbers(rng, 4, 4) + [3] * rng.randint(3, 5) + [rng.randrange(3)]
    return ids, [3, 3], 5, rng.choice((0.5, 2.0))


def _at_the_end(generator: Generator) -> Question:
    ids, _, vocab_size, k = _text(generator, 0, 3, 12)
    return ids, ids[-2:], vocab_size, k


counted = Exercise(
    name="ngram_probabilities",
    arguments=("ids", "history", "vocab_size", "k"),
    returns="a list of V numbers",
    reference=counting_oracle,
    attempt=counting_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "not smoothed",
            "These are bare counts: what never came gets 0, and a history that never came gets nothing at "
            "all. Add k times the probabilities after the shorter history, and divide by the count plus k.",
            {"prior": "none"},
        ),
        Fault(
            "not smoothed, shorter when unseen",
            "You lean on the shorter history only where the long one never came. Always mix: a token that "
            "never followed this history must not get 0.",
            {"prior": "none, else shorter"},
        ),
        Fault(
            "not smoothed, alike when unseen",
            "Where the history came you use bare counts, so that a token that never followed it gets 0. "
            "Always mix.",
            {"prior": "none, else alike"},
        ),
        Fault(
            "k for each token",
            "You add k to every token. Add k times that token's probability after the *shorter* history.",
            {"prior": "k each"},
        ),
        Fault(
            "leans on all alike",
            "Every history leans on 1 / V. Only the empty one does: a longer one leans on the history "
            "without its first token.",
            {"prior": "alike"},
        ),
        Fault(
            "leans on single tokens",
            "Every history leans on the counts without history. It leans on the history *one* token "
            "shorter, which leans on the next, and so on down.",
            {"between": False},
        ),
        Fault(
            "last place left out",
            "The last token of the text is never counted as what follows: the places run up to and including "
            "`len(ids) - n - 1`.",
            {"until": 1},
        ),
        Fault(
            "wrong normaliser",
            "You divide by the count plus k·V. The k counts that you add are shared out by probabilities "
            "that sum to 1, so k is added in all, not k for each token.",
            {"prior": "over k V"},
        ),
        Fault(
            "k for each token, over k",
            "You add k to every token and divide by the count plus k, so the sum is above 1. Add k times the "
            "probability after the shorter history.",
            {"prior": "k each, over k"},
        ),
        Fault(
            "added, not divided by",
            "The k is added above the line but not below it: the sum is above 1. Divide by the count plus k.",
            {"prior": "over nothing"},
        ),
        Fault(
            "last token dropped",
            "The shorter history lost its *last* token, the nearest one. Drop the first, `history[1:]`.",
            {"drop": "last"},
        ),
        Fault(
            "end of the text counted",
            "The probabilities sum to less than 1: you counted a history at the very end of the text, which "
            "is followed by nothing. c(h ·) counts what *was followed*.",
            {"total": "all"},
        ),
        Fault(
            "divided by the whole text",
            "You divide by the number of tokens in the text. Divide by how often the *history* was "
            "followed, plus k.",
            {"total": "text"},
        ),
        Fault(
            "last token of the history counted",
            "Off by one: you count the last token *of* the history. What follows it is at i + n.",
            {"target": -1},
        ),
        Fault(
            "one token too far",
            "Off by one: you count the token *after* the next. What follows the history is at i + n.",
            {"target": 1},
        ),
        Fault(
            "overlaps missed",
            "You step over a whole history after finding one. Occurrences may overlap: try every place i.",
            {"overlap": False},
        ),
        Fault(
            "whole history for none",
            "The counts of single tokens are missing, for `history[-0:]` is the whole history, not an empty "
            "one. `history[len(history) - n :]` is right for every n.",
            {"base": "[-0:]"},
        ),
        Fault(
            "no history forgotten",
            "The counts without any history are missing: between 1 / V and one token of history stand the "
            "counts of single tokens.",
            {"base": "left out"},
        ),
        Fault(
            "single tokens not smoothed",
            "The counts without history are bare. They lean on 1 / V, or a token that never came gets 0 for "
            "good.",
            {"base": "bare"},
        ),
        Fault(
            "not divided",
            "These are counts, not probabilities: divide by the count plus k.",
            {"divided": False},
        ),
        Fault(
            "one token of history only",
            "Only the last token of the history is used. Go on up to the whole of it.",
            {"longest": 1},
        ),
        Fault(
            "two tokens of history only",
            "Only the last two tokens of the history are used. Go on up to the whole of it.",
            {"longest": 2},
        ),
        Fault("history ignored", "The history is not used.", {"longest": 0}),
    ),
    laws=(
        Law(
            "does not sum to 1",
            "The V probabilities do not sum to 1. Which count is below the line?",
            does_not_sum,
        ),
        Law(
            "a probability of 0",
            "A token got 0 or less. Leaning on 1 / V keeps everything possible.",
            is_zero,
        ),
    ),
    cases=(
        Case("no history", lambda g: _text(g, 0, 4, 10), times=2),
        Case("one token of history", lambda g: _text(g, 1, 4, 16), times=3),
        Case("three tokens of history", lambda g: _text(g, 3, 3, 20), times=3),
        Case("a history that never came, with a token that never came", _unseen, times=2),
        Case("occurrences that overlap", _overlapping, times=3),
        Case(
            "a history that stands at the very end of the text",
            _at_the_end,
            times=3,
            advice="What stands at the end is followed by nothing, and does not count.",
        ),
    ),
    shortcuts=("tinygpt.data.NGram",),
)
