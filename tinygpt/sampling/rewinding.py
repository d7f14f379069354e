"""Reading one sequence that grows by several tokens at once, and of which tokens are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, head_is_plain, uncompiled
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.fast import FastModel, Sequence
from tinygpt.sampling.passes import plain

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class Rewindable(Protocol):
    """A `Decoder`, the `Sequence` of a `FastModel`, or a model with its cache."""

    def read(self, tokens: Tensor, last: int = 1) -> Tensor: ...

    def rewind(self, n: int) -> None: ...


class Reading:
    """A sequence as a model sees it: with the older half forgotten when it is full, as in `generate`.

    Args:
        model: a GPT, or what `fast` made of one.
        length: longest sequence to keep, in tokens.
    """

    def __init__(self, model: GPT | FastModel, length: int) -> None:
        self.model, self.length, self.earliest, self.read = uncompiled(model), length, 0, 0
        self.inner = _fresh(self.model, length)

    def begin(self, total: int) -> int:
        """Makes room for `total` tokens, and returns how many more can follow until some are forgotten."""
        if total - self.earliest > self.length:
            self.earliest = self.read = total - (self.length + 1) // 2
            self.inner.rewind(0)
        return self.earliest + self.length - total

    def logits(self, ids: Int[Tensor, " T"], last: int = 1) -> Float[Tensor, "last V"]:
        """Returns the logits of what follows each of the last tokens, all of them so far unread."""
        with torch.inference_mode():
            found = self.inner.read(ids[self.read :], last)
        self.read = len(ids)
        return found.to(torch.float32, copy=True)  # out here, so that a filter may write into it

    def rewind(self, total: int) -> None:
        """Takes back what was read after the first `total` tokens."""
        if total < self.read:
            self.inner.rewind(total - self.earliest)
            self.read = total


def _fresh(model: GPT | FastModel, length: int) -> Rewindable:
    if isinstance(model, FastModel):
        return Sequence(model, length)
    return Decoder(model, length) if plain(model) and model.config.norm_first else _Cached(model, length)


class _Cached:
    """A model of any kind, on any device, with its cache."""

    def __init__(self, model: GPT, length: int) -> None:
        dtype = model.embed.weight.dtype
        self.model = model
        self.cache = KVCache(model.config, 1, length, device=model.device, dtype=dtype)

    def read(self, tokens: Tensor, last: int = 1) -> Tensor:
        if head_is_plain(self.model):
            return self.model.head(self.model(tokens[None], self.cache, unembed=False)[0, -last:])
        return self.model(tokens[None], self.cache)[0, -last:]

    def rewind(self, n: int) -> None:
        self.cache.rewind(n)
