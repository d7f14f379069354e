"""Exercise 1 of chapter 02: one merge of byte-pair encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from torch import Generator

from tinygpt.grading.checks.draws import dice, numbers
from tinygpt.grading.exercise import Case, Exercise, Fault, Law

Word = list[int]
Pair = tuple[int, int]
Step = tuple["Pair | None", list[Word]]


def step_oracle(words: list[Word], counts: list[int], new: int) -> Step:
    """Every word written out as often as it comes, and joined by recursion."""
    text = [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
    found = Counter(pair for word in text for pair in pairwise(word))
    if not found:
        return None, [[*word] for word in words]
    best = min(pair for pair, count in found.items() if count == max(found.values()))
    return best, [join(word, best, new) for word in words]


def join(word: Word, pair: Pair, new: int) -> Word:
    if len(word) < 2:
        return [*word]
    if (word[0], word[1]) == pair:
        return [new, *join(word[2:], pair, new)]
    return [word[0], *join(word[1:], pair, new)]


def step_attempt(
    words: list[Word],
    counts: list[int],
    new: int,
    *,
    count: str = "weighted",
    borders: bool = True,
    tie: str = "smaller",
    join: str = "left to right",
    frequent: bool = True,
    kept: str = "all",
    least: int = 1,
) -> Step:
    """One step of training with a knob for each known way to go wrong."""
    found = _count(
        [[i for word in words for i in word]] if not borders else words, [1] if not borders else counts, count
    )
    if not found or max(found.values()) < least:
        return None, [[*word] for word in words]
    target = max(found.values()) if frequent else min(found.values())
    tied = [pair for pair, n in found.items() if n == target]
    best = {"smaller": min(tied), "larger": max(tied), "first": tied[0], "last": tied[-1]}[tie]
    joined = [JOINS[join](word, best, new) for word in words]
    if kept == "changed":
        joined = [j for j, word in zip(joined, words, strict=True) if j != word]
    return best, words if kept == "old" else joined


def _count(words: list[Word], counts: list[int], how: str) -> Counter[Pair]:
    found: Counter[Pair] = Counter()
    for word, times in zip(words, counts, strict=True):
        pairs = [*pairwise(word)]
        if how == "apart":
            pairs = _apart(pairs)
        for pair in dict.fromkeys(pairs) if how == "words" else pairs:
            found[tuple(sorted(pair)) if how == "unordered" else pair] += 1 if how == "once" else times
    return found


def _apart(pairs: list[Pair]) -> list[Pair]:
    """Pairs of two like tokens counted only where they do not overlap: "aaa" holds one."""
    kept: list[Pair] = []
    for i, pair in enumerate(pairs):
        overlaps = i > 0 and pair == pairs[i - 1] and pair[0] == pair[1] and kept[i - 1] == pair
        kept.append((-1, -1) if overlaps else pair)
    return [pair for pair in kept if pair != (-1, -1)]


def _scan(
    word: Word, pair: Pair, new: int, *, most: int = 1 << 30, used: bool = True, last: bool = True
) -> Word:
    joined, i, hits = [], 0, 0
    while i < len(word):
        hit = hits < most and tuple(word[i : i + 2]) == pair
        if hit or last or i + 1 < len(word):
            joined.append(new if hit else word[i])
        hits += hit
        i += 2 if hit and used else 1
    return joined


def _as_text(word: Word, pair: Pair, new: int) -> Word:
    text = ", ".join(map(str, word)).replace(f"{pair[0]}, {pair[1]}", str(new))
    return [int(i) for i in text.split(", ")]


JOINS: dict[str, Callable[[Word, Pair, int], Word]] = {
    "left to right": _scan,
    "right to left": lambda word, pair, new: _scan(word[::-1], pair[::-1], new)[::-1],
    "first only": lambda word, pair, new: _scan(word, pair, new, most=1),
    "used twice": lambda word, pair, new: _scan(word, pair, new, used=False),
    "last lost": lambda word, pair, new: _scan(word, pair, new, last=False),
    "as text": _as_text,
    "removed": lambda word, pair, new: [i for i in _scan(word, pair, new) if i != new],
}


def _words(n: int, longest: int, kinds: int, most: int = 4, first: int = 97) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        words = [[first + i for i in numbers(rng, rng.randint(1, longest), kinds)] for _ in range(n)]
        words[rng.randrange(n)] = [first, first + 1]
        return words, [rng.randint(1, most) for _ in words], first + 200

    return draw


def _tied(generator: Generator) -> tuple:
    """Four pairs that come equally often, in a random order; the smaller one in neither place by rule."""
    rng = dice(generator)
    words = [[120, 97], [97, 121], [110, 110], [97, 120]]
    rng.shuffle(words)
    return words, [rng.choice((1, 3))] * 4, 256


def _look_alikes(generator: Generator) -> tuple:
    """Ids whose digits stand in one another's."""
    rng = dice(generator)
    words = [rng.choices((1, 11, 111, 12, 21), k=rng.randint(3, 6)) for _ in range(4)]
    return [[1, 1], *words], [20, *(rng.randint(1, 3) for _ in words)], 256


def _alike(generator: Generator) -> tuple:
    """A run of one token against a pair that is just rarer, if every overlap counts; one word comes twice."""
    rng = dice(generator)
    n, times = rng.randint(3, 7), rng.randint(2, 4)
    words = [[97] * n, [98, 99], [97] * n, [100, 97, 97, 97]]
    return words, [times, 2 * times * (n - 1) - 1, times, 1], 256


def _twice(generator: Generator) -> tuple:
    """A pair that stands twice in a word against one that is just rarer."""
    times = dice(generator).randint(2, 5)
    return [[104, 105], [97, 98, 99, 97, 98]], [2 * times - 1, times], 256


def _weighed(generator: Generator) -> tuple:
    """A pair in many rare words against one in a single frequent word."""
    rng = dice(generator)
    words = [[100, 101, 102 + i] for i in range(3)] + [[104, 105]]
    return words, [1, 1, 1, rng.randint(5, 9)], 256


def _spent(generator: Generator) -> tuple:
    rng = dice(generator)
    return [[i] for i in numbers(rng, 3, 256)], numbers(rng, 3, 9), 300


bpe_step = Exercise(
    name="bpe_step",
    arguments=("words", "counts", "new"),
    returns="(pair, words)",
    reference=step_oracle,
    attempt=step_attempt,
    faults=(
        Fault(
            "counts ignored",
            "Each word counts once. A word that comes `counts[i]` times brings each of its pairs that often.",
            {"count": "once"},
        ),
        Fault(
            "tie: first seen",
            "Of pairs that come equally often you take the one seen first, as `max` and `most_common` do. "
            "Wanted is the smaller pair, so that the order of the words does not matter.",
            {"tie": "first"},
        ),
        Fault(
            "tie: larger pair",
            "Of pairs that come equally often you take the larger one. `max` with the key (count, pair) "
            "does that: use `min` with (−count, pair).",
            {"tie": "larger"},
        ),
        Fault(
            "tie: last seen",
            "Of pairs that come equally often you take the last. Wanted is the smaller.",
            {"tie": "last"},
        ),
        Fault(
            "pairs across words",
            "You count pairs that reach from one word into the next. They can never become a token.",
            {"borders": False},
        ),
        Fault(
            "overlaps not counted",
            "In `[7, 7, 7]` you count (7, 7) once. Every two neighbours count here, overlapping ones too: "
            "twice.",
            {"count": "apart"},
        ),
        Fault(
            "once per word",
            "A pair that stands twice in a word counts once with you. Count every occurrence.",
            {"count": "words"},
        ),
        Fault(
            "order within the pair lost",
            "You count (a, b) and (b, a) as one pair. They are two.",
            {"count": "unordered"},
        ),
        Fault(
            "rarest pair", "This is the *rarest* pair. Wanted is the most frequent one.", {"frequent": False}
        ),
        Fault(
            "joined from the right",
            "You join from right to left, so that `[7, 7, 7]` becomes `[7, new]`. Go from left to right.",
            {"join": "right to left"},
        ),
        Fault(
            "joined once per word",
            "You join the first occurrence in each word only. Join all of them.",
            {"join": "first only"},
        ),
        Fault(
            "tokens used twice",
            "After joining two tokens you go on with the second of them, which is used up: step over both.",
            {"join": "used twice"},
        ),
        Fault(
            "last token lost",
            "The last token of a word gets lost when it is not joined: the walk ends one too early.",
            {"join": "last lost"},
        ),
        Fault(
            "joined as text",
            "You join in the *text* of the ids, where `1, 2` is also found in `11, 25`. Compare ids, not "
            "digits.",
            {"join": "as text"},
        ),
        Fault(
            "pairs that come once left alone",
            "You stop where the best pair comes only once. Here the step is taken as long as there is any "
            "pair.",
            {"least": 2},
        ),
        Fault(
            "pair removed",
            "The pair is removed, and nothing put in its place: `new` goes there.",
            {"join": "removed"},
        ),
        Fault("nothing joined", "The pair is right, but the words are the old ones.", {"kept": "old"}),
        Fault(
            "unchanged words lost",
            "Words without the pair are missing. They stay as they are.",
            {"kept": "changed"},
        ),
    ),
    laws=(
        Law(
            "words lost",
            "There are not as many words as before: each gives one, in the same order, changed or not.",
            lambda call, args, got: len(got[1]) != len(args[0]),
        ),
        Law(
            "tokens lost",
            "A word lost tokens or gained some: each `new` stands for two of them, everything else for "
            "itself.",
            lambda call, args, got: any(
                len(old) != len(word) + word.count(args[2]) for old, word in zip(args[0], got[1], strict=True)
            ),
        ),
    ),
    cases=(
        Case("four words", _words(4, 5, 3), times=3),
        Case("a pair in many rare words, another in a frequent one", _weighed, times=2),
        Case("pairs that come equally often", _tied, times=6),
        Case("the same token again and again", _alike, times=4),
        Case("a pair twice in one word", _twice, times=2),
        Case("ids beyond the bytes", _words(7, 6, 4, first=255), times=4),
        Case("ids 1, 11 and 111", _look_alikes, times=3),
        Case("nothing left to join", _spent, advice="Where there is no pair, return `None` and the words."),
    ),
    shortcuts=("tinygpt.tokenizers", "tokenizers", "rustbpe"),
)
