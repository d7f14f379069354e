"""Learning the merges of byte-pair encoding, slowly and in the open: every step counts everything again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tinygpt.tokenizers.base import to_bytes
from tinygpt.tokenizers.merging import merge
from tinygpt.tokenizers.words import PATTERN, compile_pattern

Pair = tuple[int, int]
Words = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class MergeStep:
    """One merge, with what decided it.

    Attributes:
        rank: Which merge this is, from 0.
        pair: The ids of the two tokens that become one.
        new: The id of that one: 256 + rank.
        count: How often the pair came.
        top: The most frequent pairs before the merge with their counts, the winner first.
        tied: How many pairs came as often as the winner, itself included; 1 means there was no tie.
        before: The words of the text in order, each as ids, before the merge.
        after: The same words after it.
    """

    rank: int
    pair: Pair
    new: int
    count: int
    top: tuple[tuple[Pair, int], ...]
    tied: int
    before: Words
    after: Words


def merge_steps(text: str, n: int, pattern: str = PATTERN, top: int = 8) -> Iterator[MergeStep]:
    """The first n merges that byte-pair encoding learns from a text, one by one.

    merge r = argmax_(a, b) count of (a, b) within words; of equal counts, the smaller pair of ids. These are
    the merges of `train_bpe`, which is far faster but shows nothing on its way.

    Args:
        text: A short text: each step reads all of it.
        n: How many merges, from 0.
        pattern: Regular expression that cuts the text into words; pairs never cross their borders.
        top: How many of the most frequent pairs each step keeps, from 1.

    Raises:
        ValueError: n is negative or more than the text has pairs for, or top is below 1.

    Example:
        >>> for step in merge_steps("hug pug hug", 2):
        ...     print(step.rank, step.pair, step.count, step.new)
        0 (117, 103) 3 256
        1 (104, 256) 2 257

    Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1, on bytes. The rule for ties is our own.
    """
    if n < 0 or top < 1:
        raise ValueError(f"n must be at least 0 and top at least 1; got n={n} and top={top}.")
    words: Words = tuple(tuple(to_bytes(word)) for word in compile_pattern(pattern).findall(text))
    return _steps(words, n, top)


def _steps(words: Words, n: int, top: int) -> Iterator[MergeStep]:
    for rank in range(n):
        ranking = rank_pairs(words)
        if not ranking:
            raise ValueError(
                f"n must be at most {rank} for this text: after {rank} merges every word is one token and no "
                f"pair is left; got {n}. Try n={rank} or more text."
            )
        pair, count = ranking[0]
        after = tuple(tuple(merge(list(word), pair, 256 + rank)) for word in words)
        tied = sum(1 for _, other in ranking if other == count)
        yield MergeStep(rank, pair, 256 + rank, count, tuple(ranking[:top]), tied, words, after)
        words = after


def rank_pairs(words: Words) -> list[tuple[Pair, int]]:
    """Every pair of neighbours with its count: the most frequent first, of equals the smaller ids.

    Example:
        >>> rank_pairs(((1, 2, 3), (1, 2)))
        [((1, 2), 2), ((2, 3), 1)]
    """
    counts = Counter(pair for word in words for pair in pairwise(word))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
