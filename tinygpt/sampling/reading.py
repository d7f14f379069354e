"""Reading rows of tokens that grow: each token once, the older half forgotten when the context is full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, head_is_plain, taps, uncompiled
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.fast import KNOWN, FastModel, reader_of

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def reader(
    model: GPT | FastModel, batch_size: int, length: int, first: Sequence[int] | None = None
) -> Callable[[Tensor], Tensor]:
    """Returns a function of all rows so far that gives the logits (B × V) of what comes next.

    It reads only what it has not read before. When a row is longer than `length` it forgets its older half,
    and all rows are read again. `first` says where each row begins, when they stand flush right.
    """
    model = uncompiled(model)
    if isinstance(model, FastModel):
        fresh = reader_of
    else:
        fresh = _decoder if plain(model) and batch_size == 1 else _cached
    starts = [0] * batch_size if first is None else list(first)
    read, earliest, seen = fresh(model, length, starts), 0, 0

    def next_logits(rows: Tensor) -> Tensor:
        nonlocal read, starts, earliest, seen
        total = rows.shape[1]
        if total - earliest > length:
            half = total - (length + 1) // 2
            starts = [half if total - start > length else start for start in starts]
            earliest = seen = min(starts)
            read = fresh(model, length, [start - earliest for start in starts])
        new, seen = rows[:, seen:], total
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
        type(part) in KNOWN and not part._forward_hooks and not part._forward_pre_hooks
        for part in model.modules()
    )


def _decoder(model: GPT, length: int, first: list[int]) -> Callable[[Tensor], Tensor]:
    decoder = Decoder(model, length)
    return lambda rows: decoder.read(rows[0])


def _cached(model: GPT, length: int, first: list[int]) -> Callable[[Tensor], Tensor]:
    begins = torch.tensor(first, device=model.device) if any(first) else None
    dtype = model.embed.weight.dtype
    cache = KVCache(model.config, len(first), length, device=model.device, dtype=dtype, first=begins)
    return lambda rows: last_logits(model, rows.clamp(min=0), cache)


def last_logits(model: GPT, tokens: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
    """The logits of what follows the last of these tokens, which come after those in the cache."""
    if head_is_plain(model):  # a prompt's other logits would be most of the work in a large vocabulary
        return model.head(model(tokens, cache, unembed=False)[:, -1])
    return model(tokens, cache)[:, -1]
