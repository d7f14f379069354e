"""Byte-level byte-pair encoding: any text, in as few tokens as the merges learnt allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tinygpt.tokenizers.base import Tokenizer, to_bytes, write_whole
from tinygpt.tokenizers.merging import merge_all
from tinygpt.tokenizers.words import PATTERN, chunker, compile_pattern

if TYPE_CHECKING:
    import tiktoken

BYTE_ORDER = tuple(range(256))
CACHED = 1 << 18
LONGEST_CACHED = 64
MANY = 1 << 12  # after so many different words, loading tiktoken (0.1 s) is worth it
HUGE = 1 << 12  # older versions of tiktoken need time n² for a word of n bytes


class _Memory(dict[str, tuple[int, ...]]):
    """What a function returned for a text, kept. As a dict, it looks up a list of texts in one call in C."""

    def __init__(self, function: Callable[[str], tuple[int, ...]]) -> None:
        self.function = function

    def __missing__(self, text: str) -> tuple[int, ...]:
        result = self.function(text)
        if len(text) <= LONGEST_CACHED:
            if len(self) >= CACHED:
                self.clear()
            self[text] = result
        return result


@dataclass(frozen=True, kw_only=True)
class BPETokenizer(Tokenizer):
    """A tokenizer that starts from the 256 bytes and applies its merges in the order they were learnt.

    Id i < 256 is byte i unless `byte_order` says otherwise, id 256 + r is what merge r makes, special tokens
    follow.

    Args:
        merges: Pairs of ids; merge r may use ids below 256 + r.
        specials: Texts of the special tokens.
        pattern: Regular expression (of the `regex` package) whose matches are the words to encode one by one.
        byte_order: The byte that each id below 256 stands for. GPT-2 and its heirs begin with the printable.

    Raises:
        ValueError: A merge uses an id that does not exist yet or makes a token that exists already, the
            pattern is not usable, or byte_order is no order of the 256 bytes.

    Example:
        >>> tok = BPETokenizer(merges=[(104, 105), (32, 256)], specials=["<|end|>"])
        >>> tok.encode("hi hi"), tok.pieces([257, 258])
        ([256, 257], ['·hi', '<|end|>'])

    Source: Sennrich et al. 2016, arXiv:1508.07909, section 3.2; on bytes as in Radford et al. 2019 (GPT-2),
        section 2.2. The pattern is our own.
    """

    merges: Sequence[Sequence[int]]
    pattern: str = PATTERN
    byte_order: Sequence[int] = field(default=BYTE_ORDER, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merges", tuple((int(a), int(b)) for a, b in self.merges))
        object.__setattr__(self, "byte_order", tuple(self.byte_order))
        super().__post_init__()
        compile_pattern(self.pattern)  # a wrong pattern is better found now than at the first text

    def _ordinary_bytes(self) -> Iterable[bytes]:
        if tuple(sorted(self.byte_order)) != BYTE_ORDER:
            raise ValueError(
                f"byte_order must hold each byte from 0 to 255 once; got {len(self.byte_order)} numbers, "
                f"{len(set(self.byte_order))} of them different."
            )
        table = [bytes([byte]) for byte in self.byte_order]
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
    def _ids_of_bytes(self) -> bytes:
        return bytes(map(self.byte_order.index, range(256)))

    @cached_property
    def _findall(self) -> Callable[[str], list[str]]:
        return compile_pattern(self.pattern).findall

    @cached_property
    def _cut(self) -> Callable[[str], list[str]]:
        return chunker(self.pattern) or self._findall

    @cached_property
    def _words(self) -> _Memory:
        return _Memory(self._encode_word)

    @cached_property
    def _chunks(self) -> _Memory:
        return _Memory(self._encode_chunk) if chunker(self.pattern) else self._words

    def _encode_ordinary(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._chunks.__getitem__, self._cut(text))))

    def _encode_chunk(self, chunk: str) -> tuple[int, ...]:
        return tuple(chain.from_iterable(map(self._words.__getitem__, self._findall(chunk))))

    def _encode_word(self, word: str) -> tuple[int, ...]:
        ids = to_bytes(word).translate(self._ids_of_bytes)
        if len(self._words) >= MANY and len(ids) < HUGE and self._tiktoken and _is_utf8(word):
            return tuple(self._tiktoken.encode_ordinary(word))
        return tuple(merge_all(ids, self._ranks))

    @cached_property
    def _tiktoken(self) -> tiktoken.Encoding | None:
        """tiktoken's merging for single words, where it is installed.

        The pattern stays ours: tiktoken's engine knows another version of Unicode, gives up on long runs of
        white space, and replaces what is not UTF-8.
        """
        try:
            return self._to_tiktoken("words", r"[\s\S]+")
        except ModuleNotFoundError:
            return None

    def to_dict(self) -> dict[str, object]:
        fields = {"kind": "bpe", "pattern": self.pattern, "merges": self.merges, "specials": self.specials}
        return fields if self.byte_order == BYTE_ORDER else {**fields, "byte_order": self.byte_order}

    def to_tiktoken(self, name: str = "tinygpt") -> tiktoken.Encoding:
        """The same tokenizer as a `tiktoken.Encoding`, for programs that want one.

        It gives the same ids, but for characters newer than its Unicode tables and for bytes that are no
        UTF-8, which it replaces by `�`.

        Args:
            name: What the encoding calls itself.

        Raises:
            ModuleNotFoundError: tiktoken is not installed: `pip install tiktoken`.
        """
        return self._to_tiktoken(name, compile_pattern(self.pattern).pattern)

    def _to_tiktoken(self, name: str, pattern: str) -> tiktoken.Encoding:
        import tiktoken

        ordinary = self._table[: 256 + len(self.merges)]
        return tiktoken.Encoding(
            name,
            pat_str=pattern,
            mergeable_ranks={token: i for i, token in enumerate(ordinary)},
            special_tokens=self.special_tokens,
        )

    def to_huggingface(self) -> str:
        """The same tokenizer as the text of a Hugging Face `tokenizer.json`.

        `tokenizers.Tokenizer.from_str` of it gives the same ids, with two differences. Hugging Face always
        looks for special tokens, as `allow_special=True` does here; set `encode_special_tokens = True` on
        theirs for what users typed. And its regular expressions are Oniguruma's, so a pattern of your own
        must mean the same there: `(?s:.)`, `^` and `$` do not.
        """
        from tinygpt.tokenizers.exchange import huggingface_fields

        return json.dumps(huggingface_fields(self), ensure_ascii=False)

    def save_huggingface(self, path: str | Path) -> None:
        """Write `to_huggingface` to a file, usually `tokenizer.json`: the old content or the new, whole."""
        write_whole(path, self.to_huggingface())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
