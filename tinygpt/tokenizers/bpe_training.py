"""Learning the merges of byte-pair encoding, fast: only what a merge changes is counted again."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from tinygpt.tokenizers.base import to_bytes
from tinygpt.tokenizers.bpe import PATTERN, BPETokenizer, compile_pattern

Pair = tuple[int, int]


def train_bpe(
    texts: str | Iterable[str],
    vocab_size: int,
    special_tokens: Iterable[str] = (),
    pattern: str = PATTERN,
    progress: bool = True,
) -> BPETokenizer:
    """A byte-level BPE tokenizer learnt from texts: again and again, the most frequent pair becomes a token.

    Of equally frequent pairs the one with the smaller ids is merged first, so the result depends on nothing
    but the words and how often each comes.

    Args:
        texts: One text or many.
        vocab_size: Tokens in all: 256 bytes, the merges and the special tokens.
        special_tokens: Texts of the special tokens, which get the last ids.
        pattern: Regular expression that cuts a text into words; tokens never cross its borders.
        progress: Whether to show a progress bar when learning takes more than a second.

    Raises:
        ValueError: vocab_size is too small for the bytes and special tokens, or larger than the texts allow.

    Example:
        >>> tok = train_bpe("the cat, the hat, the bat", vocab_size=260, special_tokens=["<|end|>"])
        >>> tok.pieces(tok.encode("the hat"))
        ['the', '·', 'h', 'at']

    Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1. The index of words by pair and the lazy heap
        do not change its result.
    """
    special_tokens = tuple(special_tokens)
    wanted = vocab_size - 256 - len(special_tokens)
    if wanted < 0:
        raise ValueError(
            f"vocab_size must be at least {vocab_size - wanted}, for 256 bytes and {len(special_tokens)} "
            f"special tokens; got {vocab_size}. Try 512."
        )
    merges = learn_merges(count_words(texts, pattern), wanted, progress)
    if len(merges) < wanted:
        raise ValueError(
            f"vocab_size {vocab_size} needs {wanted} merges, but after {len(merges)} no pair is left in the "
            f"texts. Try vocab_size={vocab_size - wanted + len(merges)} or more text."
        )
    return BPETokenizer(merges=merges, specials=special_tokens, pattern=pattern)


def count_words(texts: str | Iterable[str], pattern: str = PATTERN) -> Counter[str]:
    """How often each word comes: all that BPE learns from, and far shorter than the text."""
    findall, counts = compile_pattern(pattern).findall, Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        counts.update(findall(text))
    return counts


def learn_merges(word_counts: Counter[str], n: int, progress: bool = False) -> list[Pair]:
    """The n most useful merges in order, or fewer when no pair is left.

    Args:
        word_counts: Words and how often each comes.
        n: Merges to learn.
        progress: Whether to show a progress bar when this takes more than a second.
    """
    from tqdm.auto import tqdm

    pairs = _Pairs(word_counts)
    merges: list[Pair] = []
    for new in tqdm(range(256, 256 + n), desc="merges", delay=1, leave=False, disable=not progress):
        pair = pairs.most_frequent()
        if pair is None:
            break
        pairs.merge(pair, new)
        merges.append(pair)
    return merges


class _Pairs:
    """All words as lists of ids, with the count of every pair in them kept true under merging."""

    def __init__(self, word_counts: Counter[str]) -> None:
        items = [(list(to_bytes(word)), count) for word, count in word_counts.items()]
        self.words = [ids for ids, _ in items]
        self.frequencies = [count for _, count in items]
        self.counts: dict[Pair, int] = defaultdict(int)
        # Words where a pair is or was: a superset is enough, since merging looks at the word itself.
        self.where: dict[Pair, set[int]] = defaultdict(set)
        for i, (ids, count) in enumerate(items):
            for pair in pairwise(ids):
                self.counts[pair] += count
                self.where[pair].add(i)
        # Largest count first, then smaller pair. Counts in the heap may be out of date, but never too small.
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def most_frequent(self) -> Pair | None:
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            true = self.counts.get(pair, 0)
            if true == -count:
                return pair
            if true:
                heapq.heappush(self.heap, (-true, pair))
        return None

    def merge(self, pair: Pair, new: int) -> None:
        changes: dict[Pair, int] = defaultdict(int)
        for i in self.where.pop(pair):
            self.words[i] = self._merge_word(i, pair, new, changes)
        del self.counts[pair]
        changes.pop(pair, None)  # as in "aaa": its own overlaps are gone with it
        for changed, change in changes.items():
            self._change(changed, change)

    def _merge_word(self, i: int, pair: Pair, new: int, changes: dict[Pair, int]) -> list[int]:
        left, right = pair
        old, frequency, where = self.words[i], self.frequencies[i], self.where
        merged: list[int] = []
        j, last = 0, len(old) - 1
        while j <= last:
            if old[j] != left or j == last or old[j + 1] != right:
                merged.append(old[j])
                j += 1
                continue
            if merged:
                changes[merged[-1], left] -= frequency
                changes[merged[-1], new] += frequency
                where[merged[-1], new].add(i)
            if j + 1 < last:
                changes[right, old[j + 2]] -= frequency
                changes[new, old[j + 2]] += frequency
                where[new, old[j + 2]].add(i)
            merged.append(new)
            j += 2
        return merged

    def _change(self, pair: Pair, change: int) -> None:
        count = self.counts[pair] + change
        if count == 0:
            del self.counts[pair]
            self.where.pop(pair, None)
        else:
            self.counts[pair] = count
            if change > 0:
                heapq.heappush(self.heap, (-count, pair))
