"""One token per character."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tinygpt.tokenizers.base import Tokenizer, to_bytes


@dataclass(frozen=True, kw_only=True)
class CharacterTokenizer(Tokenizer):
    """A tokenizer whose tokens are single characters: id i is `characters[i]`.

    Args:
        characters: The characters it knows, each once.
        specials: Texts of the special tokens, whose ids follow those of the characters.

    Raises:
        ValueError: A character comes twice, or is also a special token.

    Example:
        >>> tok = CharacterTokenizer(characters="abc", specials=["<|end|>"])
        >>> tok.encode("cab"), tok.decode([1, 0, 3])
        ([2, 0, 1], 'ba<|end|>')
    """

    characters: str

    def _ordinary_bytes(self) -> Iterable[bytes]:
        known = set(self.characters)
        if len(known) < len(self.characters) or not known.isdisjoint(self.specials):
            raise ValueError(
                f"Each character must come once and be no special token; got {self.characters!r} with "
                f"special tokens {list(self.specials)}. Use train_characters: it sorts a text's characters."
            )
        return map(to_bytes, self.characters)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {character: i for i, character in enumerate(self.characters)}

    def _encode_ordinary(self, text: str) -> list[int]:
        try:
            return list(map(self._ids.__getitem__, text))
        except KeyError:
            at = next(i for i, character in enumerate(text) if character not in self._ids)
            raise ValueError(
                f"No token for {text[at]!r} (U+{ord(text[at]):04X}) at position {at}: it was not in the text "
                "this tokenizer was trained on. Train on text that holds it, or use train_bpe, which encodes "
                "everything."
            ) from None

    def to_dict(self) -> dict[str, object]:
        return {"kind": "characters", "characters": self.characters, "specials": self.specials}


def train_characters(texts: str | Iterable[str], special_tokens: Iterable[str] = ()) -> CharacterTokenizer:
    """A tokenizer with one token for each different character of the texts, in order of code point.

    Args:
        texts: One text or many.
        special_tokens: Texts of the special tokens.

    Raises:
        ValueError: The texts hold no character, or a special token is one of their characters.

    Example:
        >>> train_characters(["banana", "cab"]).characters
        'abcn'
    """
    known: set[str] = set()
    for text in [texts] if isinstance(texts, str) else texts:
        known.update(text)
    if not known:
        raise ValueError("train_characters needs at least one character; got none. Are the texts empty?")
    return CharacterTokenizer(characters="".join(sorted(known)), specials=tuple(special_tokens))
