"""What every tokenizer does."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import SupportsIndex

VISIBLE = str.maketrans({" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍"})


@dataclass(frozen=True, kw_only=True)
class Tokenizer(ABC):
    """An immutable table of tokens with a rule to cut text into them.

    Ordinary tokens have ids from 0; special tokens follow, in the order given. A special token marks
    structure (the end of a document, whose turn it is) and never comes from ordinary text: see `encode`.

    Attributes:
        specials: Texts of the special tokens.
    """

    specials: Sequence[str] = ()
    _table: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A list is natural to pass; a tuple cannot be changed later.
        object.__setattr__(self, "specials", check_specials(self.specials))
        object.__setattr__(self, "_table", (*self._ordinary_bytes(), *map(to_bytes, self.specials)))

    def __getstate__(self) -> dict[str, object]:
        # A copy or a pickle needs no caches, some of which cannot be pickled.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @abstractmethod
    def _ordinary_bytes(self) -> Iterable[bytes]:
        """The bytes of each ordinary token, by id; raises ValueError where the fields are inconsistent."""

    @abstractmethod
    def _encode_ordinary(self, text: str) -> list[int]:
        """Ids of a text in which nothing is special."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """The fields that `from_json` needs to rebuild this tokenizer."""

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included; ids are below it."""
        return len(self._table)

    @property
    def special_tokens(self) -> dict[str, int]:
        """Special token → id."""
        first = len(self._table) - len(self.specials)
        return {text: first + i for i, text in enumerate(self.specials)}

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            text: Any text. Bytes that are no UTF-8 can be given as Python's `surrogateescape` characters:
                `tok.decode_bytes(tok.encode(data.decode("utf-8", "surrogateescape"))) == data`.
            allow_special: Whether `"<|end|>"` in the text, say, becomes that special token. Leave it off for
                whatever a user typed: otherwise the user could end the document or speak for the assistant.

        Raises:
            ValueError: The text holds something the tokenizer has no token for.
        """
        if not (allow_special and self.specials):
            return self._encode_ordinary(text)
        ids: list[int] = []
        for part in self._special_pattern.split(text):
            special = self.special_tokens.get(part)
            ids += self._encode_ordinary(part) if special is None else [special]
        return ids

    def decode_bytes(self, ids: Iterable[SupportsIndex]) -> bytes:
        """The exact bytes that the tokens stand for.

        Raises:
            ValueError: An id is not in the vocabulary.
        """
        return b"".join(map(self._bytes_of, ids))

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text that the tokens stand for.

        Bytes that are no UTF-8, such as half a character at the end of a generated text, show as `�`.

        Args:
            ids: A list, an array or a tensor of one dimension.

        Raises:
            ValueError: An id is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def pieces(self, ids: Iterable[SupportsIndex]) -> list[str]:
        """Something printable for each token, to label a picture: `·` for a space, `↵` for a line break,
        `\\xe4` for a byte that is not a character by itself.

        Raises:
            ValueError: An id is not in the vocabulary.
        """
        return [_printable(self._bytes_of(i)) for i in ids]

    def to_json(self) -> str:
        """This tokenizer as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=True)

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file; after a crash it holds the old content or the new, never half of it."""
        write_whole(path, self.to_json())

    @cached_property
    def _special_pattern(self) -> re.Pattern[str]:
        return re.compile(f"({'|'.join(map(re.escape, self.specials))})")

    def _bytes_of(self, i: SupportsIndex) -> bytes:
        if not 0 <= i < len(self._table):
            raise ValueError(
                f"Token ids must be from 0 to {len(self._table) - 1}; got {int(i)}. "
                "Was the text encoded by another tokenizer?"
            )
        return self._table[i]


def check_specials(specials: Iterable[str]) -> tuple[str, ...]:
    """The special tokens, if a text that holds them can be read in one way only.

    Raises:
        ValueError: One is empty, comes twice, or is how another one begins.
    """
    if isinstance(specials, str):
        raise ValueError(f"Special tokens must be a list of texts; got one text. Write [{specials!r}].")
    specials = tuple(specials)
    if "" in specials or len(set(specials)) < len(specials):
        raise ValueError(f"Special tokens must be different, non-empty texts; got {list(specials)}.")
    # Sorted, a text stands right before the ones that it begins.
    for short, long in pairwise(sorted(specials)):
        if long.startswith(short):
            raise ValueError(
                f"No special token may be how another begins, or a text could be read in two ways; got "
                f"{short!r} and {long!r}. Give both an end of their own, as in '<|user|>'."
            )
    return specials


def write_whole(path: str | Path, text: str) -> None:
    """Write a file that holds the old content or the new after a crash, never half of it."""
    partial = Path(f"{path}.part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def to_bytes(text: str) -> bytes:
    """UTF-8, with `surrogateescape` characters standing for the single bytes that Python makes them of.

    Raises:
        ValueError: The text holds half of a surrogate pair, which is no character.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text holds half a surrogate pair, {text[error.start]!a}, which is no character. "
            'Repair it with text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").'
        ) from None


def _printable(token: bytes) -> str:
    try:
        text = token.decode("utf-8").translate(VISIBLE)
    except UnicodeDecodeError:
        return "".join(chr(b) if 32 < b < 127 else f"\\x{b:02x}" for b in token)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
