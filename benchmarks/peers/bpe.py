"""Trainers of byte-level BPE in Rust, with our pattern: Hugging Face `tokenizers` and `rustbpe`.

Of equally frequent pairs rustbpe takes the one with the smaller ids, as we do. Hugging Face does so too, but
numbers the bytes by the letters it writes for them, so that its ties fall otherwise.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

from tinygpt.tokenizers import PATTERN

NAMES = {"tokenizers": "Hugging Face tokenizers", "rustbpe": "rustbpe"}


def threads(n: int) -> None:
    """Sets how many threads both use; to be called before their first use."""
    os.environ["RAYON_NUM_THREADS"] = str(n)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if n > 1 else "false"


def why_not(package: str) -> str | None:
    """Returns why this peer is absent, or None."""
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed: pip install 'tinygpt[bench]'"
    return None


def train(package: str, texts: Sequence[str], vocab_size: int) -> Any:
    """Returns the tokenizer that the package learns."""
    return {"tokenizers": _hugging_face, "rustbpe": _rustbpe}[package](texts, vocab_size)


def _hugging_face(texts: Sequence[str], vocab_size: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    to_letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs.pre_tokenizer = pre_tokenizers.Sequence([split, to_letters])
    theirs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=alphabet)
    theirs.train_from_iterator(texts, trainer)
    return theirs


def _rustbpe(texts: Sequence[str], vocab_size: int) -> Any:
    import rustbpe

    theirs = rustbpe.Tokenizer()
    theirs.train_from_iterator(texts, vocab_size, pattern=PATTERN)
    return theirs


def encode(package: str, tokenizer: Any, text: str) -> list[int]:
    """Returns the ids the package's tokenizer gives."""
    ids = tokenizer.encode(text)
    return ids.ids if package == "tokenizers" else ids
