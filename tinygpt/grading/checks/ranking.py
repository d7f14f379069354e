"""Exercise 2 of chapter 02: encoding with ranks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.checks.merging import Pair, Word, join
from tinygpt.grading.exercise import Case, Exercise, Fault, Law

Ranks = dict[Pair, int]


def encode_oracle(data: bytes, ranks: Ranks) -> Word:
    """Merge by merge in the order they were learnt, each in the whole word."""
    ids = [*data]
    for pair, rank in sorted(ranks.items(), key=lambda item: item[1]):
        ids = join(ids, pair, 256 + rank)
    return ids


def encode_attempt(
    data: bytes,
    ranks: Ranks,
    *,
    choose: str = "lowest",
    place: str = "leftmost",
    rounds: str = "all",
    first: int = 256,
    shown: int = 256,
) -> Word:
    """Encoding with a knob for each known way to go wrong."""
    ids = [*data]
    if choose in WHOLE:
        return WHOLE[choose](ids, ranks, first)
    for _ in range({"one": 1, "two": 2}.get(rounds, len(ids))):
        found = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
        if not found:
            break
        rank = {"lowest": min(found)[0], "highest": max(found)[0], "left": found[0][0]}[choose]
        places = [i for r, i in found if r == rank]
        i = places[-1 if place == "rightmost" else 0]
        ids = [*ids[:i], first + rank, *ids[i + 2 :]]
    return [i if i < 256 else i - 256 + shown for i in ids]


def _in_order(ids: Word, ranks: Ranks, first: int) -> Word:
    for pair, rank in ranks.items():
        ids = join(ids, pair, first + rank)
    return ids


def _one_sweep(ids: Word, ranks: Ranks, first: int) -> Word:
    """From left to right, once, joining whatever fits the last token."""
    out: Word = []
    for i in ids:
        if out and (out[-1], i) in ranks:
            out[-1] = first + ranks[out[-1], i]
        else:
            out.append(i)
    return out


def _table(ranks: Ranks) -> dict[bytes, int]:
    table = [bytes([i]) for i in range(256)]
    for left, right in sorted(ranks, key=ranks.__getitem__):
        table.append(table[left] + table[right])
    return {token: i for i, token in enumerate(table)}


def _longest(ids: Word, ranks: Ranks, first: int) -> Word:
    table, data, out = _table(ranks), bytes(ids), []
    while data:
        n = max(n for n in range(1, len(data) + 1) if data[:n] in table)
        out.append(table[data[:n]])
        data = data[n:]
    return [i if i < 256 else i - 256 + first for i in out]


def _fewest(ids: Word, ranks: Ranks, first: int) -> Word:
    """The cut with the fewest tokens; of several, the one with the longest last token."""
    table, data = _table(ranks), bytes(ids)
    best: list[Word] = [[]]
    for end in range(1, len(data) + 1):
        ways = (best[start] + [table[data[start:end]]] for start in range(end) if data[start:end] in table)
        best.append(min(ways, key=len))
    return [i if i < 256 else i - 256 + first for i in best[-1]]


def _frequent(ids: Word, ranks: Ranks, first: int) -> Word:
    """Again and again the pair that comes most often in this word."""
    while found := Counter(pair for pair in pairwise(ids) if pair in ranks):
        pair = found.most_common(1)[0][0]
        ids = join(ids, pair, first + ranks[pair])
    return ids


def _once_each(ids: Word, ranks: Ranks, first: int) -> Word:
    """Every merge in order, but only where it comes first."""
    for pair in sorted(ranks, key=ranks.__getitem__):
        if pair in (pairs := [*pairwise(ids)]):
            i = pairs.index(pair)
            ids = [*ids[:i], first + ranks[pair], *ids[i + 2 :]]
    return ids


def _by_first_id(ids: Word, ranks: Ranks, first: int) -> Word:
    """The right pair, looked up by its first id alone, which may stand elsewhere before."""
    while found := [pair for pair in pairwise(ids) if pair in ranks]:
        pair = min(found, key=ranks.__getitem__)
        i = ids.index(pair[0])
        ids = [*ids[:i], first + ranks[pair], *ids[i + 2 :]]
    return ids


WHOLE = {
    "once each": _once_each,
    "first id": _by_first_id,
    "frequent": _frequent,
    "dictionary": _in_order,
    "sweep": _one_sweep,
    "longest": _longest,
    "fewest": _fewest,
}


def _learnt(rng: random.Random, n: int, letters: bytes) -> Ranks:
    """Random merges, in a random order in the dictionary, no two of which make the same bytes."""
    table = {i: bytes([i]) for i in letters}
    pairs: list[Pair] = []
    while len(pairs) < n:
        pair = rng.choice([*table]), rng.choice([*table])
        token = table[pair[0]] + table[pair[1]]
        if len(token) <= 5 and token not in table.values():
            table[256 + len(pairs)] = token
            pairs.append(pair)
    ranks = [(pair, rank) for rank, pair in enumerate(pairs)]
    rng.shuffle(ranks)
    return dict(ranks)


def _spelt(letters: bytes, merges: int, longest: int) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        data = bytes(rng.choices(letters, k=rng.randint(2, longest)))
        return data, _learnt(rng, merges, letters)

    return draw


def _rivals(generator: Generator) -> tuple:
    """Lowest rank, first and most frequent pair are three different ones; def is longer than de or ef."""
    rng = dice(generator)
    a, b, c, x, d, e, f = rng.sample(range(97, 123), 7)
    pairs = [(b, c), (a, b), (x, a), (d, e), (e, f), (d, 260)]
    ranks = [(pair, rank) for rank, pair in enumerate(pairs)]
    rng.shuffle(ranks)
    return bytes([a, b, c, x, a, b, d, e, f]), dict(ranks)


def _without_merges(generator: Generator) -> tuple:
    rng = dice(generator)
    return bytes(rng.choices(b"xyz", k=rng.randint(1, 3))), _learnt(rng, 3, b"abc")


encode_with_ranks = Exercise(
    name="encode_with_ranks",
    arguments=("data", "ranks"),
    returns="a list of ids",
    reference=encode_oracle,
    attempt=encode_attempt,
    faults=(
        Fault(
            "from left to right",
            "You join the first pair from the left that has a rank. The lowest rank comes first, wherever "
            "it stands.",
            {"choose": "left"},
        ),
        Fault(
            "one sweep",
            "You go over the word once, joining whatever fits. The lowest rank of the *whole* word comes "
            "first, then look again at all of it.",
            {"choose": "sweep"},
        ),
        Fault(
            "longest token first",
            "You take the longest token that fits, from the left. That looks efficient and is another "
            "tokenizer: the model never saw such cuts. Join by rank.",
            {"choose": "longest"},
        ),
        Fault(
            "fewest tokens",
            "You look for the fewest tokens. Byte-pair encoding does not: it joins by rank, whatever comes "
            "of it.",
            {"choose": "fewest"},
        ),
        Fault(
            "most frequent pair first",
            "You join the pair that comes most often in this word. That is training; encoding repeats what "
            "was learnt, lowest rank first.",
            {"choose": "frequent"},
        ),
        Fault(
            "one occurrence of each",
            "Each merge is made in one place only. Join a pair wherever it comes before you go on to higher "
            "ranks.",
            {"choose": "once each"},
        ),
        Fault(
            "place of the first id",
            "The right pair in the wrong place: `ids.index(pair[0])` finds its first id, whatever follows. "
            "Look for the pair: `list(pairwise(ids)).index(pair)`.",
            {"choose": "first id"},
        ),
        Fault(
            "highest rank first",
            "You join the *highest* rank first. Low ranks were learnt first, and the high ones are made of "
            "them.",
            {"choose": "highest"},
        ),
        Fault(
            "order of the dictionary",
            "You go through the dictionary in the order in which it is written. The order is in its values.",
            {"choose": "dictionary"},
        ),
        Fault(
            "ranks, not ids",
            "These are ranks. The merge of rank r makes id 256 + r: below 256 are the bytes.",
            {"first": 0},
        ),
        Fault(
            "ranks, not ids",
            "The right cut, but these are ranks. The merge of rank r makes id 256 + r: below 256 are the "
            "bytes.",
            {"shown": 0},
        ),
        Fault("ids start at 257", "Off by one: the merge of rank 0 makes id 256.", {"first": 257}),
        Fault("ids start at 255", "Off by one: the merge of rank 0 makes id 256.", {"first": 255}),
        Fault(
            "rightmost first",
            "Of two places with the same pair you take the right one. In `aaa` that leaves the first `a` "
            "over.",
            {"place": "rightmost"},
        ),
        Fault(
            "one merge only",
            "You stop after one merge. Go on until no neighbours have a rank.",
            {"rounds": "one"},
        ),
        Fault(
            "two merges only", "You stop after two. Go on until no neighbours have a rank.", {"rounds": "two"}
        ),
    ),
    laws=(
        Law(
            "could go on",
            "In your answer there are still neighbours that have a rank: go on until there are none.",
            lambda call, args, got: any(pair in args[1] for pair in pairwise(got)),
        ),
    ),
    cases=(
        Case("two letters, three merges", _spelt(b"ab", 3, 6), times=4),
        Case("merges that want the same letters", _rivals),
        Case("three letters, eight merges", _spelt(b"abc", 8, 12), times=8),
        Case(
            "the same letter again and again",
            lambda g: (b"a" * dice(g).randint(2, 9), {(97, 97): 0}),
            times=3,
        ),
        Case("bytes that are no letters", _spelt(bytes([0, 128, 255]), 6, 10), times=4),
        Case("long words, many merges", _spelt(b"abcd", 24, 40), times=4),
        Case("no bytes at all", lambda g: (b"", {(97, 98): 0}), advice="No bytes, no ids: `[]`."),
        Case(
            "no merge fits, or one byte only",
            _without_merges,
            advice="A word of one byte has no neighbours.",
            times=4,
        ),
    ),
    shortcuts=("tinygpt.tokenizers", "tiktoken", "tokenizers"),
)
