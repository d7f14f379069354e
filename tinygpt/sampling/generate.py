"""Text from a model: read the prompt, pick a token, append it, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.models import (
    GPT,
    MLP,
    Attention,
    AttentionBlock,
    Block,
    GatedMLP,
    KVCache,
    head_is_plain,
    taps,
    uncompiled,
)
from tinygpt.models.norms import RMSNorm
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.filters import keep_best
from tinygpt.sampling.pipeline import Filter, apply

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_KNOWN = {GPT, nn.Embedding, nn.ModuleList, Block, AttentionBlock, Attention, MLP, GatedMLP}
_KNOWN |= {nn.Linear, nn.LayerNorm, RMSNorm}


def stream(
    model: GPT,
    prompt: Sequence[int] | Tensor,
    *,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | None = None,
    stop: Iterable[int] = (),
) -> Iterator[Int[Tensor, " B"]]:
    """Yields the next token of every row, step by step; the arguments are those of `generate`.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16))
        >>> len(list(stream(model, [1, 2], max_new_tokens=3, seed=0)))
        3
    """
    rows, filters, stop = _rows(prompt, model), tuple(filters), tuple(stop)
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be 0 or more; got {max_new_tokens}.")
    return _stream(model, rows, max_new_tokens, filters, seed, stop)


def _stream(
    model: GPT, rows: Tensor, n: int, filters: tuple[Filter, ...], seed: int | None, stop: tuple[int, ...]
) -> Iterator[Tensor]:
    generator = None if seed is None else torch.Generator(rows.device).manual_seed(seed)
    ends = torch.tensor(stop, device=rows.device, dtype=rows.dtype)
    finished = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    read = reader(model, len(rows), min(model.config.context, rows.shape[1] + n))
    logits = read(rows)
    for i in range(n):
        token = _choose(logits, filters, generator, rows, i)
        if stop:
            token = torch.where(finished, ends[0], token)
            finished |= torch.isin(token, ends)
        yield token
        rows = torch.cat([rows, token[:, None]], dim=1)
        if i + 1 == n or (stop and finished.all()):
            return
        logits = read(rows)


def generate(
    model: GPT,
    prompt: Sequence[int] | Tensor,
    *,
    max_new_tokens: int = 100,
    filters: Iterable[Filter] = (),
    seed: int | None = None,
    stop: Iterable[int] = (),
) -> Int[Tensor, "*batch T"]:
    """Returns the prompt with the tokens that the model put after it.

    Args:
        model: in whatever mode; evaluated without gradients.
        prompt: ids of one sequence, or B × T ids of B sequences of equal length.
        max_new_tokens: how many to add at most. A sequence longer than the model's context goes on
            with its older half forgotten.
        filters: applied to the logits (float32) from left to right; none samples from the model's own
            distribution.
        seed: makes the draw repeatable; None draws from PyTorch's global generator.
        stop: ids that end a row. A batch runs until all rows have ended; ended rows repeat the first
            of these ids.

    Returns:
        ids, (T + new) for one sequence, B × (T + new) for a batch.

    Raises:
        ValueError: for an empty prompt, text in place of ids, or ids outside the vocabulary.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> from tinygpt.sampling import greedy
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16))
        >>> generate(model, [1, 2, 3], max_new_tokens=4, filters=[greedy()]).shape
        torch.Size([7])
    """
    rows = _rows(prompt, model)
    options = {"max_new_tokens": max_new_tokens, "filters": filters, "seed": seed, "stop": stop}
    new = list(stream(model, rows, **options))
    out = torch.cat([rows, *(token[:, None] for token in new)], dim=1)
    return out if torch.as_tensor(prompt).ndim == 2 else out[0]


def _choose(
    logits: Tensor, filters: tuple[Filter, ...], generator: torch.Generator | None, rows: Tensor, n_new: int
) -> Tensor:
    if filters and filters[-1] is keep_best:  # one token is left: no softmax and no draw
        return apply(filters[:-1], logits, rows, n_new).argmax(dim=-1)
    return pick(apply(filters, logits, rows, n_new), generator)


def pick(logits: Float[Tensor, "B V"], generator: torch.Generator | None = None) -> Int[Tensor, " B"]:
    """Draws one token per row from softmax(logits).

    Raises:
        ValueError: when filters have cut every token of a row.
    """
    return pick_at(logits, torch.rand(len(logits), 1, generator=generator, device=logits.device))


def pick_at(logits: Float[Tensor, "B V"], points: Float[Tensor, "B 1"]) -> Int[Tensor, " B"]:
    """The token of each row at a point from 0 to 1, of which each token owns as much as its probability.

    Raises:
        ValueError: when filters have cut every token of a row.
    """
    probability = logits.float().softmax(dim=-1)
    if torch.isnan(probability[:, 0]).any():
        raise ValueError(
            "no token is left to draw: the filters cut all of them, or the logits are not numbers."
        )
    # In a vocabulary of 4,096 that takes a tenth of torch.multinomial's time. The point stays below the total
    # in float32 too.
    ends = probability.cumsum(dim=-1)
    return torch.searchsorted(ends, points * ends[:, -1:], right=True)[:, 0]


def _rows(prompt: Sequence[int] | Tensor, model: GPT) -> Int[Tensor, "B T"]:
    if isinstance(prompt, str):
        raise ValueError(
            f"the prompt must be ids; got the text {prompt[:20]!r}. Encode it: tokenizer.encode(text)."
        )
    rows = torch.as_tensor(prompt, dtype=torch.long, device=model.device)
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.numel() == 0:
        raise ValueError(
            f"the prompt must hold at least one token, as T or B × T ids; got shape {tuple(rows.shape)}."
        )
    low, high, V = int(rows.min()), int(rows.max()), model.config.vocab_size
    if low < 0 or high >= V:
        raise ValueError(
            f"the prompt has ids from {low} to {high}; the model knows 0 to {V - 1}. Another tokenizer?"
        )
    return rows


def reader(model: GPT, batch_size: int, length: int) -> Callable[[Tensor], Tensor]:
    """Returns a function of all rows so far that gives the logits (B × V) of what comes next.

    It reads only what it has not read before. When the context is full it forgets the older half and
    reads the rest again.
    """
    model = uncompiled(model)
    fresh = _decoder if plain(model) and batch_size == 1 else _cached
    read, first, seen = fresh(model, batch_size, length), 0, 0

    def next_logits(rows: Tensor) -> Tensor:
        nonlocal read, first, seen
        total = rows.shape[1]
        if total - first > length:
            first = seen = total - (length + 1) // 2
            read = fresh(model, batch_size, length)
        new, seen = rows[:, max(seen, first) :], total
        with torch.inference_mode():
            logits = read(new)
        return logits.to(torch.float32, copy=True)  # out here, so that a filter may write into it

    return next_logits


def plain(model: GPT) -> bool:
    """Whether the snapshot is the model: float32 on a CPU, no layer replaced, nobody watching or editing."""
    if model.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return False
    if any(tap.watched for tap in taps(model).values()):
        return False
    return all(
        type(part) in _KNOWN and not part._forward_hooks and not part._forward_pre_hooks
        for part in model.modules()
    )


def _decoder(model: GPT, batch_size: int, length: int) -> Callable[[Tensor], Tensor]:
    decoder = Decoder(model, length)
    return lambda rows: decoder.read(rows[0])


def _cached(model: GPT, batch_size: int, length: int) -> Callable[[Tensor], Tensor]:
    cache = KVCache(model.config, batch_size, length, device=model.device, dtype=model.embed.weight.dtype)
    if head_is_plain(model):  # a prompt's other logits would be most of the work in a large vocabulary
        return lambda rows: model.head(model(rows, cache, unembed=False)[:, -1])
    return lambda rows: model(rows, cache)[:, -1]
