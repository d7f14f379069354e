"""Reading rows of tokens that grow: each token once, the older half forgotten when the context is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, uncompiled
from tinygpt.sampling.compiled import Compiled
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.fast import FastModel
from tinygpt.sampling.fast import Sequence as Loop
from tinygpt.sampling.passes import last_logits, plain
from tinygpt.sampling.prefixes import PromptCache
from tinygpt.sampling.slots import Slots
from tinygpt.sampling.stepper import Stepper

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class Rows(Protocol):
    """Rows that a model reads; those of `Reader`, from where it last began."""

    def read(self, tokens: Tensor) -> Tensor:
        """Appends tokens to every row, B × T, and returns the next logits, B × V."""

    def select(self, rows: Tensor) -> None:
        """Drops all rows but these."""


class Reader:
    """Gives the logits (B × V) of what comes next, when it is called with all rows so far.

    It reads only what it has not read before. When a row is longer than `length` it forgets its older half,
    and all rows are read again.

    Args:
        model: a GPT, or what `fast` or `compiled` made of one.
        batch_size: number of rows.
        length: longest row to keep, in tokens.
        first: where each row begins, when they stand flush right.
        prefixes: keys and values of prompts that were read before.
    """

    def __init__(
        self,
        model: GPT | FastModel | Compiled,
        batch_size: int,
        length: int,
        first: Sequence[int] | None = None,
        prefixes: PromptCache | None = None,
    ) -> None:
        self.model, self.length, self.prefixes = uncompiled(model), length, prefixes
        self.starts = [0] * batch_size if first is None else list(first)
        self.earliest = self.seen = 0
        self.inner = self._fresh(self.starts)

    @property
    def shrinks(self) -> bool:
        """Whether rows can be dropped; a compiled step is for a batch of one size."""
        return not isinstance(self.model, Compiled)

    def __call__(self, rows: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        total = rows.shape[1]
        if total - self.earliest > self.length:
            half = total - (self.length + 1) // 2
            self.starts = [half if total - start > self.length else start for start in self.starts]
            self.earliest = self.seen = min(self.starts)
            self.inner = self._fresh([start - self.earliest for start in self.starts])
        new, self.seen = rows[:, self.seen :], total
        with torch.inference_mode():
            logits = self.inner.read(new)
        return logits.to(torch.float32, copy=True)  # out here, so that a filter may write into it

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Drops all rows but these."""
        self.starts = [self.starts[row] for row in rows.tolist()]
        self.inner.select(rows)

    def _fresh(self, first: list[int]) -> Rows:
        model, length = self.model, self.length
        if self.prefixes is not None:
            return _Joined(Slots(model, len(first), length, self.prefixes), first)
        if isinstance(model, Compiled):
            return _Fixed(model, first)
        if isinstance(model, FastModel):
            return _Looped(model, length, first)
        return _Alone(model, length) if plain(model) and len(first) == 1 else _Cached(model, length, first)


class _Alone:
    def __init__(self, model: GPT, length: int) -> None:
        self.decoder = Decoder(model, length)

    def read(self, tokens: Tensor) -> Tensor:
        return self.decoder.read(tokens[0])

    def select(self, rows: Tensor) -> None: ...


class _Cached:
    """Rows that end together. The model reads what comes first; a snapshot may take the single steps."""

    def __init__(self, model: GPT, length: int, first: list[int]) -> None:
        begins = torch.tensor(first, device=model.device) if any(first) else None
        dtype = model.embed.weight.dtype
        self.cache = KVCache(model.config, len(first), length, device=model.device, dtype=dtype, first=begins)
        self.model, self.plain, self.snapshot = model, plain(model), None

    def read(self, tokens: Tensor) -> Tensor:
        tokens = tokens.clamp(min=0)
        if not self.plain or not self.cache.used or tokens.shape[1] > 1:
            return last_logits(self.model, tokens, self.cache)
        if self.snapshot is None:
            self.snapshot = Stepper(self.model, self.cache.length)
        return self.snapshot.read(tokens[:, 0], self.cache)

    def select(self, rows: Tensor) -> None:
        self.cache.select(rows)


class _Looped:
    """A sequence for each row, which compiled loops read one after the other."""

    def __init__(self, model: FastModel, length: int, first: list[int]) -> None:
        self.rows, self.first = [Loop(model, length) for _ in first], list(first)

    def read(self, tokens: Tensor) -> Tensor:
        parts = [own.read(row[n:]) for own, row, n in zip(self.rows, tokens, self.first, strict=True)]
        self.first = [0] * len(self.rows)
        return torch.cat(parts)

    def select(self, rows: Tensor) -> None:
        self.rows = [self.rows[row] for row in rows.tolist()]


class _Fixed:
    """Rows of a fixed number in a cache of fixed shape, flush left; they are read once before the steps."""

    def __init__(self, model: Compiled, first: list[int]) -> None:
        self.model, self.first = model.model, first
        self.cache, self.step = model.begin(len(first))

    def read(self, tokens: Tensor) -> Tensor:
        if tokens.shape[1] == 1:
            own = tokens[:, 0].clone(memory_format=torch.contiguous_format)  # a column's strides would grow
            return self.step(own[:, None], self.cache)
        begins, T = torch.tensor(self.first, device=tokens.device), tokens.shape[1]
        at = (torch.arange(T, device=tokens.device) + begins[:, None]).clamp(max=T - 1)
        logits = self.model(tokens.gather(1, at), self.cache)
        self.cache.used.copy_(T - begins)  # what shorter rows were filled up with will be overwritten
        return logits[torch.arange(len(tokens), device=tokens.device), T - begins - 1]

    def select(self, rows: Tensor) -> None:
        raise NotImplementedError("a compiled step is for a batch of one size")


class _Joined:
    """Rows whose beginnings are looked up among prompts that were read before."""

    def __init__(self, slots: Slots, first: list[int]) -> None:
        self.slots, self.first = slots, first

    def read(self, tokens: Tensor) -> Tensor:
        for row, first in enumerate(self.first):
            self.slots.put(row, tokens[row, first:-1])
        self.first = []
        return self.slots.step(tokens[:, -1])

    def select(self, rows: Tensor) -> None:
        self.slots.select(rows)
