"""Byte-level byte-pair encoding: any text, in as few tokens as the merges learnt allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import regex

from tinygpt.tokenizers.base import Tokenizer, to_bytes

if TYPE_CHECKING:
    import tiktoken

# Tokens never cross the borders of these words, tried in this order at each place.
PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",  # 's, 't, 'll …: English endings, apart from the word they follow
        r" ?[\p{L}\p{M}]+",  # a word with the space before it; vowel signs stay with their letters
        r"\p{N}",  # each digit by itself, so that every number is spelt the same way
        r" ?[^\s\p{L}\p{M}\p{N}]+",  # punctuation
        r"\s+(?!\S)",  # white space, all but the last when a word follows: that one belongs to the word
        r"\s+",
    ]
)
CACHED_WORDS = 1 << 18
LONGEST_CACHED = 64


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """The pattern, with any character it forgets as a word by itself, so that no text is ever lost.

    Raises:
        ValueError: The pattern is no regular expression, or captures groups.
    """
    try:
        compiled = regex.compile(f"{pattern}|(?s:.)")
    except regex.error as error:
        raise ValueError(f"pattern must be a regular expression; got {pattern!r}: {error}.") from None
    if compiled.groups:
        raise ValueError(f"pattern must not capture groups; got {pattern!r}. Write (?:…) instead of (…).")
    return compiled


def merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """The ids with every occurrence of the pair, from left to right, replaced by the new id.

    Example:
        >>> merge([1, 1, 1, 2], (1, 1), 9)
        [9, 1, 2]
    """
    left, right = pair
    merged, i, last = [], 0, len(ids) - 1
    while i <= last:
        if ids[i] == left and i < last and ids[i + 1] == right:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@dataclass(frozen=True, kw_only=True)
class BPETokenizer(Tokenizer):
    """A tokenizer that starts from the 256 bytes and applies its merges in the order they were learnt.

    Id i < 256 is byte i, id 256 + r is what merge r makes, special tokens follow.

    Args:
        merges: Pairs of ids; merge r may use ids below 256 + r.
        specials: Texts of the special tokens.
        pattern: Regular expression (of the `regex` package) whose matches are the words to encode one by one.

    Raises:
        ValueError: A merge uses an id that does not exist yet or makes a token that exists already, or the
            pattern is not usable.

    Example:
        >>> tok = BPETokenizer(merges=[(104, 105), (32, 256)], specials=["<|end|>"])
        >>> tok.encode("hi hi"), tok.pieces([257, 258])
        ([256, 257], ['·hi', '<|end|>'])

    Source: Sennrich et al. 2016, arXiv:1508.07909, section 3.2; on bytes as in Radford et al. 2019 (GPT-2),
        section 2.2. The pattern is our own.
    """

    merges: Sequence[Sequence[int]]
    pattern: str = PATTERN
    _words: dict[str, list[int]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merges", tuple((int(a), int(b)) for a, b in self.merges))
        super().__post_init__()
        _ = self._findall  # a wrong pattern is better found now than at the first text

    def _ordinary_bytes(self) -> Iterable[bytes]:
        table = [bytes([i]) for i in range(256)]
        for a, b in self.merges:
            if not (0 <= a < len(table) and 0 <= b < len(table)):
                raise ValueError(
                    f"Merge {len(table) - 256} must join ids from 0 to {len(table) - 1}; got {(a, b)}. "
                    "Are the merges in the order they were learnt?"
                )
            table.append(table[a] + table[b])
        if len(set(table)) < len(table):
            twice = next(t for i, t in enumerate(table) if t in table[:i])
            raise ValueError(
                f"Every token must be different, but two merges make {twice!r}. Remove one of them."
            )
        return table

    @cached_property
    def _ranks(self) -> dict[tuple[int, int], int]:
        return {pair: 256 + rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def _findall(self) -> Callable[[str], list[str]]:
        return compile_pattern(self.pattern).findall

    def _encode_ordinary(self, text: str) -> list[int]:
        ids: list[int] = []
        words = self._words
        for word in self._findall(text):
            try:
                ids += words[word]
            except KeyError:
                ids += self._encode_word(word)
        return ids

    def _encode_word(self, word: str) -> list[int]:
        ids, ranks = list(to_bytes(word)), self._ranks
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: ranks.get(pair, 1 << 62))
            if pair not in ranks:
                break
            ids = merge(ids, pair, ranks[pair])
        if len(word) <= LONGEST_CACHED:
            if len(self._words) >= CACHED_WORDS:
                self._words.clear()
            self._words[word] = ids
        return ids

    def to_dict(self) -> dict[str, object]:
        return {"kind": "bpe", "pattern": self.pattern, "merges": self.merges, "specials": self.specials}

    def to_tiktoken(self, name: str = "tinygpt") -> tiktoken.Encoding:
        """The same tokenizer as a `tiktoken.Encoding`, which gives the same ids several times faster.

        Args:
            name: What the encoding calls itself.

        Raises:
            ModuleNotFoundError: tiktoken is not installed: `pip install tiktoken`.
        """
        import tiktoken

        return tiktoken.Encoding(
            name,
            pat_str=compile_pattern(self.pattern).pattern,
            mergeable_ranks={token: i for i, token in enumerate(self._table[: 256 + len(self.merges)])},
            special_tokens=self.special_tokens,
        )
