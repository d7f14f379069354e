"""Prompts that begin alike: what a model computed for the beginning of one serves the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, StaticCache, taps, uncompiled

if TYPE_CHECKING:
    from jaxtyping import Int


class _Kept(NamedTuple):
    ids: Int[Tensor, " T"]
    cache: KVCache


class PromptCache:
    """Keeps the keys and values of prompts, so that of a new one only what is new is read.

    A token's keys and values depend on it and on what stands before it. So where two prompts begin alike,
    as with the same instructions or the same conversation so far, they are the same. Pass it as
    `generate(…, prefixes=cache)` or `serve(…, prefixes=cache)`: the text is the same as without, but for
    rounding, and the first token comes sooner.

    Args:
        model: a GPT; training it on empties the cache.
        max_tokens: how many are kept; what was used longest ago goes first.

    Attributes:
        hits: prompts that began as a kept one.
        tokens_reused, tokens_read: of prompts so far. The last token of each is not counted: its pass is
            the first step.

    Raises:
        ValueError: when the model is none whose prompts can be kept.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> from tinygpt.sampling import generate
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> cache = PromptCache(model)
        >>> for last in (6, 7):
        ...     _ = generate(model, [1, 2, 3, 4, 5, last], max_new_tokens=2, prefixes=cache)
        >>> cache.tokens_read, cache.tokens_reused
        (5, 5)

    Source: Zheng et al. 2023, "SGLang", section 3, with a list of prompts in place of their tree.
    """

    def __init__(self, model: GPT, *, max_tokens: int = 4096) -> None:
        self.model = uncompiled(model)
        if not isinstance(self.model, GPT):
            raise ValueError(f"prompts are kept of a GPT; got a {type(self.model).__name__}.")
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more; got {max_tokens}.")
        self.max_tokens, self.hits, self.tokens_reused, self.tokens_read = max_tokens, 0, 0, 0
        self._kept: list[_Kept] = []  # the one used last is at the end
        self._version = self._weights()

    @property
    def n_tokens(self) -> int:
        """Tokens that are kept."""
        return sum(len(one.ids) for one in self._kept)

    @property
    def nbytes(self) -> int:
        """Memory of what is kept, in bytes."""
        return sum(one.cache.nbytes for one in self._kept)

    def clear(self) -> None:
        """Forgets all prompts."""
        self._kept = []

    @torch.inference_mode()
    def read(self, ids: Int[Tensor, " T"]) -> KVCache:
        """Returns a cache for one row that begins with these tokens; those that are not kept are read now.

        Raises:
            ValueError: while somebody watches or edits activations, who must see all tokens.
        """
        self._check()
        known, found = self._longest(ids)
        self.hits += known > 0
        self.tokens_reused, self.tokens_read = self.tokens_reused + known, self.tokens_read + len(ids) - known
        if found is None or known < len(ids):
            found = _Kept(ids.clone(), row_of(self.model, ids, found and found.cache, known))
        self._keep(found)
        return found.cache

    def _longest(self, ids: Tensor) -> tuple[int, _Kept | None]:
        """How many of the first tokens are kept, and with which prompt."""
        found = max(((_in_common(ids, one.ids), i) for i, one in enumerate(self._kept)), default=(0, 0))
        return (found[0], self._kept[found[1]]) if found[0] else (0, None)

    def _keep(self, used: _Kept) -> None:
        """Puts a prompt last, drops those that it begins with, and the first while there are too many."""
        others = [one for one in self._kept if _in_common(one.ids, used.ids) < len(one.ids)]
        self._kept = [*others, used]
        while self.n_tokens > self.max_tokens:
            self._kept.pop(0)

    def _check(self) -> None:
        if any(tap.watched for tap in taps(self.model).values()):
            raise ValueError(
                "somebody watches or edits activations, and would not see the tokens that are not read. "
                "Leave out prefixes."
            )
        if (version := self._weights()) != self._version:
            self._version = version
            self.clear()

    def _weights(self) -> list[tuple[int, int]]:
        """Changes whenever a weight does."""
        return [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in self.model.parameters()]


def row_of(model: GPT, ids: Int[Tensor, " T"], begun: KVCache | None = None, known: int = 0) -> KVCache:
    """Returns a cache for one row that holds these tokens; the `known` first ones are copied from another."""
    kind = KVCache if model.config.window is None else StaticCache  # which forgets nothing
    cache = kind(model.config, 1, len(ids), device=model.device, dtype=model.embed.weight.dtype)
    if begun is not None and known:
        copy_row(begun, cache, 0, known)
        cache.used += known
    if known < len(ids):
        model(ids[None, known:], cache, unembed=False)
    return cache


def copy_row(source: KVCache, target: KVCache, row: int, n: int) -> None:
    """Copies the first n tokens of a cache for one row to a row of another."""
    for layer in range(len(source.keys)):
        target.keys[layer][row, :, :n] = source.keys[layer][0, :, :n]
        target.values[layer][row, :, :n] = source.values[layer][0, :, :n]


def _in_common(a: Int[Tensor, " T"], b: Int[Tensor, " S"]) -> int:
    n = min(len(a), len(b))
    differ = (a[:n] != b[:n]).nonzero()
    return int(differ[0]) if len(differ) else n
