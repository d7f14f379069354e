"""Words with numbers, for worlds that are small enough to give each word its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Words:
    """The words of a world; the id of a word is its place. Texts have one space between words.

    It encodes and decodes like a tokenizer, so `answer_batch` and `lessons` take it for one.

    Args:
        words: Each once.

    Raises:
        ValueError: A word comes twice, or holds a space.

    Example:
        >>> words = Words(("<pad>", "the", "cat"))
        >>> words.encode("the cat"), words.decode([2, 1])
        ([1, 2], 'cat the')
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self._ids) < len(self.words) or any(len(word.split()) != 1 for word in self.words):
            raise ValueError(f"each word must come once, without spaces; got {self.words}.")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's words.

        Raises:
            ValueError: There is no such word.
        """
        if unknown := [word for word in text.split() if word not in self._ids]:
            raise ValueError(f"no such word: {unknown[0]!r}. The words are {' '.join(self.words)}.")
        return [self._ids[word] for word in text.split()]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; a tensor may be given."""
        return " ".join(self.words[int(i)] for i in ids)
