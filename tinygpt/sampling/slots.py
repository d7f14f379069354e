"""Rows that a model reads each at its own pace: one may begin anew while the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models import GPT, StaticCache
from tinygpt.sampling.passes import last_logits, plain
from tinygpt.sampling.prefixes import PromptCache, copy_row, row_of
from tinygpt.sampling.stepper import Stepper

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class _Shown(StaticCache):
    """A `StaticCache` that shows attention no more places than its longest row has: not fixed, but less."""

    def columns(self, n_new: int) -> int:
        return int(self.used.max()) + n_new


class Slots:
    """A batch whose rows are put in and dropped one by one.

    Args:
        model: a GPT.
        n: number of rows.
        length: longest row, in tokens.
        prefixes: prompts that were read before.

    Raises:
        ValueError: when `prefixes` are another model's.
    """

    def __init__(self, model: GPT, n: int, length: int, prefixes: PromptCache | None = None) -> None:
        if prefixes is not None and prefixes.model is not model:
            raise ValueError("prefixes were read by another model. Make a PromptCache of this one.")
        self.model, self.length, self.prefixes = model, length, prefixes
        self.clear(n)
        self.plain, self.snapshot, self.n_steps = plain(model), None, 0

    def clear(self, n: int) -> None:
        """Makes n rows without tokens the batch."""
        c, dtype = self.model.config, self.model.embed.weight.dtype
        self.cache = _Shown(c, n, self.length, device=self.model.device, dtype=dtype)

    @torch.inference_mode()
    def put(self, row: int, ids: Int[Tensor, " T"], *, prompt: bool = True) -> None:
        """Lets a row begin anew with these tokens, or none; `prompt` says whether to keep them for others."""
        if len(ids):
            keep = prompt and self.prefixes is not None
            copy_row(self.prefixes.read(ids) if keep else row_of(self.model, ids), self.cache, row, len(ids))
        self.cache.used[row] = len(ids)

    @torch.inference_mode()
    def step(self, tokens: Int[Tensor, " B"]) -> Float[Tensor, "B V"]:
        """Appends a token to each row and returns the logits of what follows it."""
        self.n_steps += 1
        if not self.plain or self.n_steps == 1:  # no snapshot yet: the first token is what one waits for
            return last_logits(self.model, tokens[:, None], self.cache)
        if self.snapshot is None:
            self.snapshot = Stepper(self.model, self.length)
        return self.snapshot.read(tokens, self.cache)

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Drops all rows but these."""
        self.cache.select(rows)
