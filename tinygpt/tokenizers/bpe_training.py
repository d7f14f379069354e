"""Learning the merges of byte-pair encoding, fast: only what a merge changes is counted again."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from operator import add

from tinygpt.tokenizers.base import check_specials, to_bytes
from tinygpt.tokenizers.bpe import BPETokenizer
from tinygpt.tokenizers.counting import Text, count_words, progress_bar
from tinygpt.tokenizers.words import PATTERN


def train_bpe(
    texts: Text | Iterable[Text],
    vocab_size: int,
    special_tokens: Iterable[str] = (),
    pattern: str = PATTERN,
    progress: bool = True,
) -> BPETokenizer:
    """A byte-level BPE tokenizer learnt from texts: again and again, the most frequent pair becomes a token.

    Of equally frequent pairs the one with the smaller ids is merged first (the left id decides, then the
    right one), so the result depends on nothing but the words and how often each comes.

    Args:
        texts: One text or many: `str`, `bytes` in UTF-8, or paths of such files. They are taken one at a time
            and then forgotten, so they may come from a generator or be the lines of an open file; what stays
            in memory is each different word, once. No token crosses the border between two texts.
        vocab_size: Tokens in all: 256 bytes, the merges and the special tokens.
        special_tokens: Texts of the special tokens, which get the last ids.
        pattern: Regular expression that cuts a text into words; tokens never cross its borders. Other
            patterns than the default take about twice as long, and hold all words of one text in memory.
        progress: Whether to show progress bars, when reading or learning takes more than a second.

    Raises:
        ValueError: vocab_size is too small for the bytes and special tokens, or larger than the texts allow;
            there is no text, or bytes in it are not UTF-8; a special token is empty, comes twice, or is how
            another one begins.

    Example:
        >>> tok = train_bpe("the cat, the hat, the bat", vocab_size=260, special_tokens=["<|end|>"])
        >>> tok.pieces(tok.encode("the hat"))
        ['the', '·', 'h', 'at']

    Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1. The index of words by pair and the queue
        do not change its result.
    """
    special_tokens = check_specials(special_tokens)
    wanted = vocab_size - 256 - len(special_tokens)
    if wanted < 0:
        raise ValueError(
            f"vocab_size must be at least {vocab_size - wanted}, for 256 bytes and {len(special_tokens)} "
            f"special tokens; got {vocab_size}. Try 512."
        )
    words = count_words(texts, pattern, progress)
    if not words:
        raise ValueError(
            "train_bpe needs text to learn from; got none. A file may be empty, or an iterator used up: "
            "pass a list, or make the iterator again."
        )
    merges = learn_merges(words, wanted, progress)
    if len(merges) < wanted:
        raise ValueError(
            f"vocab_size {vocab_size} needs {wanted} merges, but after {len(merges)} no pair is left in the "
            f"texts. Try vocab_size={vocab_size - wanted + len(merges)} or more text."
        )
    return BPETokenizer(merges=merges, specials=special_tokens, pattern=pattern)


def learn_merges(word_counts: Counter[str], n: int, progress: bool = False) -> list[tuple[int, int]]:
    """The n most useful merges in order, or fewer when no pair is left.

    Args:
        word_counts: Words and how often each comes.
        n: Merges to learn.
        progress: Whether to show a progress bar when this takes more than a second.

    Example:
        >>> learn_merges(Counter({"the": 3, "then": 1}), 2)
        [(104, 101), (116, 256)]
    """
    merges: list[tuple[int, int]] = []
    with _collector_paused(), progress_bar("merges", progress, total=n) as bar:
        pairs = _Pairs(word_counts)
        for new in range(256, 256 + n):
            pair = pairs.most_frequent()
            if pair is None:
                break
            pairs.merge(pair, chr(new))
            merges.append((ord(pair[0]), ord(pair[1])))
            bar.update()
    return merges


class _Pairs:
    """All words, with the count of every pair in them kept true under merging.

    A word is a `str` with one character per token, `chr(id)`, and a pair is two of them: so
    `str.replace` merges, and pairs compare as their ids do.
    """

    def __init__(self, word_counts: Counter[str]) -> None:
        self.words = [to_bytes(word).decode("latin-1") for word in word_counts]
        self.frequencies = list(word_counts.values())
        # Words where a pair is or was, each as often as it had the pair: merging looks at the word itself.
        self.where: dict[str, list[int]] = defaultdict(list)
        for i, word in enumerate(self.words):
            for pair in _pairs_of(word):
                self.where[pair].append(i)
        self.counts = {pair: self._frequency(found) for pair, found in self.where.items()}
        self.queue = _Queue(self.counts)

    def most_frequent(self) -> str | None:
        return self.queue.pop()

    def merge(self, pair: str, new: str) -> None:
        left, right = pair
        words = self.words
        before: dict[str, list[int]] = {}
        after: dict[str, list[int]] = {}
        several: list[tuple[int, str]] = []
        for i in self.where.pop(pair):
            word = words[i]
            if pair not in word:
                continue
            words[i] = merged = word.replace(pair, new)
            if len(word) - len(merged) > 1:
                several.append((i, word))
                continue
            # Plain dicts and `in`, since this is where training spends its time.
            at = word.index(pair)
            if at > 0:
                neighbour = word[at - 1]
                if neighbour in before:
                    before[neighbour].append(i)
                else:
                    before[neighbour] = [i]
            if at + 1 < len(merged):
                neighbour = merged[at + 1]
                if neighbour in after:
                    after[neighbour].append(i)
                else:
                    after[neighbour] = [i]
        del self.counts[pair]
        for neighbour, found in before.items():
            self._lose(neighbour + left, self._gain(neighbour + new, found))
        for neighbour, found in after.items():
            self._lose(right + neighbour, self._gain(new + neighbour, found))
        if several:
            self._recount(several)

    def _recount(self, changed: list[tuple[int, str]]) -> None:
        """Words that held the pair more than once, perhaps side by side: all their pairs, old and new."""
        gained: dict[str, list[int]] = defaultdict(list)
        lost: dict[str, int] = defaultdict(int)
        for i, old in changed:
            for pair in _pairs_of(self.words[i]):
                gained[pair].append(i)
            for pair in _pairs_of(old):
                lost[pair] += self.frequencies[i]
        for pair, found in gained.items():
            self._gain(pair, found)
        for pair, count in lost.items():
            self._lose(pair, count)

    def _gain(self, pair: str, found: list[int]) -> int:
        """Returns by how much the pair's count grew."""
        gained = count = self._frequency(found)
        if pair in self.counts:
            count += self.counts[pair]
            self.where[pair] += found
        else:
            self.where[pair] = found
        self.counts[pair] = count
        self.queue.push(pair, count)
        return gained

    def _lose(self, pair: str, lost: int) -> None:
        count = self.counts.get(pair)
        if count is None:
            return  # the pair being merged, which in "aaaa" is its own neighbour
        if count == lost:
            del self.counts[pair], self.where[pair]
        else:
            self.counts[pair] = count - lost

    def _frequency(self, found: list[int]) -> int:
        return sum(map(self.frequencies.__getitem__, found))


class _Queue:
    """The most frequent pair first; of equally frequent ones the smaller.

    One list of pairs for each count, sorted no sooner than that count's turn comes: most pairs are rare and
    change before. That works because the largest count never grows: a new pair is no more frequent than the
    pair it was made of. A pair stands wherever it once belonged, and moves when its turn comes too early.
    """

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts  # the true ones, which the owner keeps changing
        self.pairs: dict[int, list[str]] = defaultdict(list)
        for pair, count in counts.items():
            self.pairs[count].append(pair)
        self.later = [-count for count in self.pairs]
        heapify(self.later)
        self.now, self.due = 0, list[str]()

    def push(self, pair: str, count: int) -> None:
        if count == self.now:
            heappush(self.due, pair)
        elif count in self.pairs:
            self.pairs[count].append(pair)
        else:
            self.pairs[count] = [pair]
            heappush(self.later, -count)

    def pop(self) -> str | None:
        while True:
            while self.due:
                pair = heappop(self.due)
                true = self.counts.get(pair, 0)
                if true == self.now:
                    return pair
                if true:
                    self.push(pair, true)
            if not self.later:
                return None
            self.now = -heappop(self.later)
            self.due = self.pairs.pop(self.now)
            heapify(self.due)


def _pairs_of(word: str) -> Iterator[str]:
    return map(add, word, word[1:])


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing here refers to itself, and looking for such things takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
