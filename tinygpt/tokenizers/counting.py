"""Texts of any kind and number, one at a time, into how often each word comes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tinygpt.tokenizers.words import PATTERN, blocks, chunker, compile_pattern

Text = str | bytes | os.PathLike[str]
MOST_CHUNKS = 1 << 18


def count_words(texts: Text | Iterable[Text], pattern: str = PATTERN, progress: bool = False) -> Counter[str]:
    """How often each word comes: all that BPE learns from, and far shorter than the text.

    Args:
        texts, pattern: As for `train_bpe`.
        progress: Whether to show how many characters were read when this takes more than a second.

    Raises:
        ValueError: Something in texts is no text, or not UTF-8.

    Example:
        >>> count_words(["to be or", "not to be"]).most_common(2)
        [(' be', 2), ('to', 1)]
    """
    findall, cut = compile_pattern(pattern).findall, chunker(pattern)
    words: Counter[str] = Counter()
    chunks: Counter[str] = Counter()
    with progress_bar("characters", progress, unit_scale=True) as bar:
        for text in _decoded(texts):
            for block in blocks(text, pattern):
                if cut is None:
                    words.update(findall(block))
                else:
                    chunks.update(cut(block))
                if len(chunks) > MOST_CHUNKS:
                    _add_words(words, chunks, findall)
                bar.update(len(block))
    _add_words(words, chunks, findall)
    return words


def _add_words(words: Counter[str], chunks: Counter[str], findall: Callable[[str], list[str]]) -> None:
    known = words.get  # twice as fast as +=, for which a Counter asks its __missing__
    for chunk, count in chunks.items():
        for word in findall(chunk):
            words[word] = known(word, 0) + count
    chunks.clear()


def _decoded(texts: Text | Iterable[Text]) -> Iterator[str]:
    if isinstance(texts, (str, bytes, os.PathLike)):
        texts = [texts]
    for i, text in enumerate(texts):
        name = f"Text {i}"
        if isinstance(text, os.PathLike):
            name, text = str(text), Path(text).read_bytes()
        if isinstance(text, bytes):
            text = _from_utf8(text, name)
        if not isinstance(text, str):
            raise ValueError(f"{name} must be str, bytes or a path; got {type(text).__name__}.")
        yield text


def _from_utf8(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8 at byte {error.start} (0x{data[error.start]:02x}). Decode it with "
            'data.decode("utf-8", "surrogateescape") to learn from the bytes as they are, or name its '
            'true encoding, such as "latin-1".'
        ) from None


def progress_bar(what: str, progress: bool, **options: Any) -> Any:
    """A bar that shows itself after a second and leaves nothing behind; use it in a `with`."""
    from tqdm.auto import tqdm

    return tqdm(desc=what, delay=1, leave=False, disable=not progress, **options)
