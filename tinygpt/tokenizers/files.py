"""Tokenizers from JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tinygpt.tokenizers.base import Tokenizer
from tinygpt.tokenizers.bpe import BPETokenizer
from tinygpt.tokenizers.characters import CharacterTokenizer
from tinygpt.tokenizers.exchange import from_huggingface_fields

KINDS = {"bpe": BPETokenizer, "characters": CharacterTokenizer}


def from_json(text: str) -> Tokenizer:
    """The tokenizer that `to_json` described, or a Hugging Face `tokenizer.json`: see `from_huggingface`.

    Raises:
        ValueError: The text describes no tokenizer.

    Example:
        >>> tok = CharacterTokenizer(characters="ab")
        >>> from_json(tok.to_json()) == tok
        True
    """
    try:
        fields = dict(json.loads(text))
        if "kind" not in fields and "model" in fields:
            make, fields = from_huggingface_fields, {"fields": fields}
        else:
            make = KINDS[fields.pop("kind")]
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"A tokenizer file is JSON with a kind out of {', '.join(KINDS)}; got {text[:60]!r}. "
            "Was it written by Tokenizer.save, or is it a tokenizer.json of Hugging Face?"
        ) from None
    try:
        return make(**fields)
    except TypeError as error:
        raise ValueError(f"The tokenizer file does not fit {make.__name__}: {error}.") from None


def load(path: str | Path) -> Tokenizer:
    """The tokenizer saved in a file, of the kind it was; also from a Hugging Face `tokenizer.json`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no tokenizer.
    """
    return from_json(Path(path).read_text(encoding="utf-8"))
