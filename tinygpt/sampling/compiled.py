"""A GPT whose steps are one graph, compiled once: a GPU else waits for a small model's many small ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from tinygpt.models import GPT, StaticCache, uncompiled

Step = Callable[[Tensor, StaticCache], Tensor]
_NUMBER = count()


def compiled(model: GPT, **options: Any) -> Compiled:
    """Returns a model for `generate` whose steps `torch.compile` has made into one graph of fixed shape.

    The prompt is read by the model itself. From then on each step, one token for every row, runs the same
    graph over the whole of a `StaticCache` as long as the context. It is compiled for each batch size when
    that is first used. The weights are not copied: train on, and the steps follow.

    Args:
        model: any whose layers `torch.compile` can trace as a whole.
        **options: of `torch.compile`. On a GPU `mode="reduce-overhead"` is the default: CUDA graphs, which
            start a whole step at once. What that gains is not measured here. On a CPU `fast` is faster, and
            the usual backend needs a C++ compiler; `backend="eager"` none, but it gains nothing.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> steps = compiled(model, backend="eager")  # generate(steps, [1, 2, 3], …)
        >>> steps.config.context
        128
    """
    return Compiled(model, **options)


class Compiled:
    """What `compiled` returns.

    Attributes:
        model: whose steps they are.
        config, device: as of a GPT.
    """

    def __init__(self, model: GPT, **options: Any) -> None:
        self.model = uncompiled(model)
        self.config = self.model.config
        if self.device.type == "cuda" and not options:
            options = {"mode": "reduce-overhead"}
        self._options, self._made = options, {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def begin(self, batch_size: int) -> tuple[StaticCache, Step]:
        """Returns an empty cache and the step for that many rows, which takes the cache and no other."""
        if batch_size not in self._made:
            self._made[batch_size] = self._cache(batch_size), self._step()
        cache, step = self._made[batch_size]
        cache.reset()
        return cache, partial(step, self.model)

    def _cache(self, batch_size: int) -> StaticCache:
        dtype = self.model.embed.weight.dtype
        made = StaticCache(self.config, batch_size, self.config.context, device=self.device, dtype=dtype)
        for part in (*made.keys, *made.values, made.used):
            torch._dynamo.mark_static_address(part)  # else a CUDA graph would copy it in and out
        return made

    def _step(self) -> Callable[..., Tensor]:
        # PyTorch compiles the same code, told by its name and place, for no more than eight situations.
        step = FunctionType(_step.__code__.replace(co_name=f"step_{next(_NUMBER)}"), globals())
        return torch.compile(step, fullgraph=True, dynamic=False, **self._options)


def _step(model: GPT, tokens: Tensor, cache: StaticCache) -> Tensor:
    return model(tokens, cache)[:, -1]
