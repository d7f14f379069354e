"""Documents into one array of tokens, and that array into batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinygpt.data.stream import Stream, next_tokens

if TYPE_CHECKING:
    from tinygpt.data.stream import Batch


def split(documents: Iterable[str], val: float = 0.1) -> tuple[list[str], list[str]]:
    """Documents for training and documents for validation, told apart by a hash of their text.

    The side of a document depends on its text alone: not on its place, on the other documents or on a seed.
    So equal documents never end up on both sides, and adding documents moves none.

    Args:
        documents: Texts, in any order.
        val: Share of the documents that validates, in expectation; between 0 and 1.

    Returns:
        (train, val), each in the order given.

    Raises:
        ValueError: val is not between 0 and 1.

    Example:
        >>> train, val = split([f"document {i}" for i in range(1000)])
        >>> len(train), len(val)
        (887, 113)
    """
    if not 0 <= val <= 1:
        raise ValueError(f"val is a share and must be between 0 and 1; got {val}. Try 0.1.")
    sides: tuple[list[str], list[str]] = ([], [])
    for document in documents:
        digest = hashlib.sha256(document.encode("utf-8", "surrogatepass")).digest()
        sides[int.from_bytes(digest[:8], "big") < val * 2**64].append(document)
    return sides


def pack(
    documents: Iterable[Sequence[int]],
    vocab_size: int,
    *,
    separator: int | None = None,
    path: str | Path | None = None,
) -> np.ndarray:
    """All documents' tokens one after the other, in the smallest unsigned type that holds the vocabulary.

    Args:
        documents: Token ids of each document.
        vocab_size: Ids are below this; up to 65,536 they take 2 bytes each, else 4.
        separator: Id put after every document, so that a model sees where one ends.
        path: Where to keep the tokens as a memory-mapped `.npy` file that may be larger than memory allows;
            open it later with `np.load(path, mmap_mode="r")`. None keeps them in memory.

    Returns:
        One-dimensional array of uint16 or uint32.

    Raises:
        ValueError: An id is not in the vocabulary, or there is no document with a token.

    Example:
        >>> pack([[1, 2], [3]], vocab_size=10, separator=0)
        array([1, 2, 0, 3, 0], dtype=uint16)
    """
    dtype = np.uint16 if vocab_size <= 1 << 16 else np.uint32
    end = [] if separator is None else [separator]
    parts = [_checked([*ids, *end], vocab_size).astype(dtype) for ids in documents]
    total = sum(map(len, parts))
    if total == 0:
        raise ValueError(
            "pack needs at least one token; got none. Are the documents empty, or already used up?"
        )
    tokens = (
        np.empty(total, dtype) if path is None else np.lib.format.open_memmap(path, "w+", dtype, (total,))
    )
    return np.concatenate(parts, out=tokens)


def _checked(ids: list[int], vocab_size: int) -> np.ndarray:
    array = np.asarray(ids, dtype=np.int64)
    if len(array) and not 0 <= array.min() <= array.max() < vocab_size:
        worst = array.max() if array.min() >= 0 else array.min()
        raise ValueError(
            f"Token ids must be from 0 to {vocab_size - 1}; got {worst}. Was another tokenizer used?"
        )
    return array


def batches(tokens: np.ndarray, context: int, batch_size: int, seed: int = 0) -> Stream[Batch]:
    """Shuffled batches of consecutive tokens, without end; every block comes once per epoch.

    The array is cut into blocks of `context` inputs; targets are the same tokens one place on. The order is a
    new permutation each epoch, a function of (seed, epoch). A tail shorter than a block is left out.

    Args:
        tokens: One-dimensional integer array, as `pack` returns; a memory-mapped one stays on disk.
        context: Tokens per row.
        batch_size: Rows per batch.
        seed: Chooses the permutations.

    Returns:
        A stream of (inputs, targets), both B T.

    Raises:
        ValueError: There are fewer than context + 1 tokens, or a size is below 1.

    Example:
        >>> inputs, targets = batches(np.arange(9), context=4, batch_size=2)[0]
        >>> inputs.tolist(), targets.tolist()
        ([[0, 1, 2, 3], [4, 5, 6, 7]], [[1, 2, 3, 4], [5, 6, 7, 8]])
    """
    if min(context, batch_size) < 1:
        raise ValueError(f"context and batch_size must be at least 1; got {context} and {batch_size}.")
    if len(tokens) <= context:
        raise ValueError(
            f"A block needs context + 1 = {context + 1} tokens; got {len(tokens)}. "
            "Take more text or a shorter context."
        )
    # A view, not a copy: row k starts at token k · context and overlaps the next row by the last target.
    blocks = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[::context]
    rows = shuffled(len(blocks), batch_size, seed)
    return Stream(lambda i: next_tokens(torch.from_numpy(blocks[rows[i]].astype(np.int64))))


def shuffled(n: int, batch_size: int, seed: int = 0) -> Stream[np.ndarray]:
    """Numbers of examples in batches, without end; each of the n comes once per epoch.

    Args:
        n: How many examples there are.
        batch_size: Numbers per batch.
        seed: Chooses the order, a new permutation each epoch and a function of (seed, epoch).

    Raises:
        ValueError: n or batch_size is below 1.

    Example:
        >>> stream = shuffled(4, batch_size=2)
        >>> sorted([*stream[0], *stream[1]]) == [0, 1, 2, 3]
        True
    """
    if min(n, batch_size) < 1:
        raise ValueError(f"n and batch_size must be at least 1; got {n} and {batch_size}.")

    @lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(n)

    def make(i: int) -> np.ndarray:
        epochs, slots = np.divmod(i * batch_size + np.arange(batch_size), n)
        return np.concatenate(
            [order(epoch)[slots[epochs == epoch]] for epoch in range(epochs[0], epochs[-1] + 1)]
        )

    return Stream(make)
