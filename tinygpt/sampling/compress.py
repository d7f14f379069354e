"""Lossless compression by a language model: tokens into about as many bits as they surprise it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from tinygpt.models import GPT
from tinygpt.sampling.coding import ArithmeticDecoder, ArithmeticEncoder
from tinygpt.sampling.reading import Reader

if TYPE_CHECKING:
    from jaxtyping import Float, Int

HEADER = struct.Struct(">IIHI")  # checksum of what follows, tokens, rows, checksum of the tokens
RESOLUTION = 1 << 28  # parts that a distribution is cut into; the coder takes 2³⁰ at most
TOKENS_PER_ROW, MOST_ROWS = 512, 64


class Predictor(Protocol):
    """What can pack text besides a GPT: given the tokens so far of B rows, scores for the next of each.

    The softmax of the scores is the prediction, so logits and log-probabilities both do. Equal tokens must
    give bit for bit equal scores, or what was packed cannot be unpacked.
    """

    vocab_size: int

    def __call__(self, rows: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]: ...


def compress(model: GPT | Predictor, ids: Sequence[int] | Tensor, *, rows: int | None = None) -> bytes:
    """Packs tokens into about as many bits as the model's cross-entropy on them.

    bits ≈ Σ −log₂ p(token | those before it) + 112 for the header

    The text is cut into rows that are read side by side, in one batch. Each row starts from nothing; a GPT
    has no prediction for the first token of a row, which therefore costs log₂ V bits. A row longer than the
    model's context goes on with its older half forgotten, as in `generate`.

    Args:
        model: a GPT or a counting model such as `tinygpt.data.NGram`.
        ids: the tokens, one after the other.
        rows: how many rows, 1 to 65,535. More are faster, fewer pack better, since the model sees more of
            what came before. None takes one for each 512 tokens, 64 at most.

    Returns:
        Bytes for `decompress` with the same model, on the same sort of machine: the probabilities must be the
        same to the last bit, and another processor, thread count or version of PyTorch may round differently.
        That is noticed, not ignored.

    Raises:
        ValueError: ids are text or not in the vocabulary, or the model's scores are not numbers.

    Example:
        >>> from tinygpt.data import NGram
        >>> ids = list(b"to be or not to be, " * 50)
        >>> model = NGram(ids, vocab_size=256)
        >>> data = compress(model, ids)
        >>> len(ids), len(data), decompress(model, data) == ids
        (1000, 154, True)

    Source: Witten, Neal & Cleary 1987 for the coder; Delétang et al. 2024, "Language Modeling Is
        Compression", section 2, for a model before it.
    """
    tokens = _checked(ids, _vocab_size(model))
    n = len(tokens)
    rows = max(1, min(MOST_ROWS, n // TOKENS_PER_ROW)) if rows is None else rows
    if not 1 <= rows <= 0xFFFF:
        raise ValueError(f"rows must be from 1 to 65535; got {rows}. Leave it out for a fitting number.")
    grid = _grid(n, rows)
    grid.view(-1)[:n] = tokens
    encoder = ArithmeticEncoder()
    for (row, t), ends in _predictions(model, grid, n):
        encoder.encode(int(grid[row, t]), ends)
    body = HEADER.pack(0, n, rows, _checksum(tokens))[4:] + encoder.finish()
    return zlib.crc32(body).to_bytes(4, "big") + body


def decompress(model: GPT | Predictor, data: bytes) -> list[int]:
    """The tokens that `compress` packed with the same model.

    Raises:
        ValueError: the data is damaged, or was packed with another model.
    """
    if len(data) < HEADER.size or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        raise ValueError(f"these {len(data)} bytes are damaged, or compress() did not make them.")
    _, n, rows, checksum = HEADER.unpack_from(data)
    grid = _grid(n, rows)
    decoder = ArithmeticDecoder(data[HEADER.size :])
    for (row, t), ends in _predictions(model, grid, n):
        grid[row, t] = decoder.decode(ends)
    tokens = grid.view(-1)[:n]
    if _checksum(tokens) != checksum:
        raise ValueError(
            "what came out is not what went in: the data was packed with another model, or on a machine that "
            "rounds differently. Take the model, PyTorch and number of threads that it was packed with."
        )
    return tokens.tolist()


def _predictions(
    model: GPT | Predictor, grid: Int[Tensor, "B T"], n: int
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """For each token, column by column: its place, and the table to code it with.

    Both sides run exactly this. It looks at a column only after the caller is done with it, so the caller
    that unpacks may fill it in meanwhile.
    """
    B, T = grid.shape
    read = _read(model, B, T)
    for t in range(T):
        ends = running_counts(read(grid[:, :t]))
        for row in range(B):
            if row * T + t < n:
                yield (row, t), ends[row]


def _read(model: GPT | Predictor, B: int, T: int) -> Predictor:
    if not isinstance(model, GPT):
        return model
    read = Reader(model, B, max(1, min(model.config.context, T - 1)))
    unknown = torch.zeros(B, model.config.vocab_size)  # nothing was read yet: all tokens alike
    return lambda rows: read(rows.to(model.device)) if rows.shape[1] else unknown


def running_counts(scores: Float[Tensor, "B V"]) -> np.ndarray:
    """Probabilities as running totals of whole numbers, B × V: none is 0, and all sum to 2²⁸ at most.

    A token of probability p gets ⌊p · (2²⁸ − V)⌋ + 1 parts, so it costs at most V / 2²⁸ / ln 2 bits more than
    −log₂ p: 0.0003 bits in a vocabulary of 50,000.

    Raises:
        ValueError: a score is not a number.

    Example:
        >>> running_counts(torch.zeros(1, 4)).tolist()
        [[67108864, 134217728, 201326592, 268435456]]
    """
    p = scores.detach().to("cpu", torch.float64).softmax(-1)
    if torch.isnan(p).any():
        raise ValueError("the model's scores are not numbers (NaN or infinite). Has its training failed?")
    parts = (p * (RESOLUTION - p.shape[-1])).long() + 1
    return parts.cumsum(-1).numpy()


def _vocab_size(model: GPT | Predictor) -> int:
    return model.config.vocab_size if isinstance(model, GPT) else model.vocab_size


def _grid(n: int, rows: int) -> Int[Tensor, "B T"]:
    """Room for n tokens, row after row; the last rows may be shorter, and are filled up with zeros."""
    return torch.zeros(rows, -(-n // rows), dtype=torch.long)


def _checked(ids: Sequence[int] | Tensor, vocab_size: int) -> Int[Tensor, " T"]:
    if isinstance(ids, (str, bytes)):
        raise ValueError(f"compress needs ids; got the text {ids[:20]!r}. Encode it: tokenizer.encode(text).")
    tokens = torch.as_tensor(ids).cpu()
    if tokens.ndim != 1 or (len(tokens) and (tokens.is_floating_point() or tokens.is_complex())):
        raise ValueError(
            f"ids must be one row of whole numbers; got {tokens.dtype} of {tuple(tokens.shape)}."
        )
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        low, high = int(tokens.min()), int(tokens.max())
        raise ValueError(
            f"the ids go from {low} to {high}; the model knows 0 to {vocab_size - 1}. Another tokenizer?"
        )
    return tokens.long()


def _checksum(tokens: Int[Tensor, " T"]) -> int:
    return zlib.crc32(tokens.numpy().astype("<i8").tobytes())
