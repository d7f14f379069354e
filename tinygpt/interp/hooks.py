"""Reading and replacing activations at a model's taps."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial

import torch
from torch import Tensor, nn

from tinygpt.models import taps
from tinygpt.models.tap import Watcher

Edit = Callable[[Tensor], Tensor]


@contextmanager
def capture(model: nn.Module, *patterns: str) -> Iterator[dict[str, Tensor]]:
    """Gives a dict that fills with activations while the model runs inside the `with` block.

    Args:
        model: compiled or not; inside the block every model runs uncompiled, or its taps would be silent.
        *patterns: tap names, with `*` and `?` as wildcards; none means all taps. A later forward pass
            overwrites an earlier one. Inside `edit`, what is seen is the edited activation.

    Raises:
        KeyError: when a pattern matches no tap; the message lists the taps.
        RuntimeError: when the block ends without the model having run.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, n_heads=4, d_model=16))
        >>> with capture(model, "blocks.*.attn.pattern") as seen:
        ...     _ = model(torch.tensor([[1, 2, 3]]))
        >>> seen["blocks.0.attn.pattern"].shape
        torch.Size([1, 4, 3, 3])
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Watcher:
        return lambda activation: seen.__setitem__(name, activation.detach())

    with _watched(model, {pattern: keep for pattern in patterns or ("*",)}):
        yield seen
    if not seen:
        raise RuntimeError(
            "captured nothing: run the model inside the with block, model(tokens) or generate()."
        )


@contextmanager
def edit(model: nn.Module, edits: Mapping[str, Edit]) -> Iterator[None]:
    """Replaces activations by functions of themselves while the block lasts.

    Args:
        model: as for `capture`.
        edits: tap name or pattern → function of the activation that returns one of the same shape.

    Raises:
        KeyError: when a name matches no tap.
        ValueError: when an edit changes the shape.

    Example:
        >>> from tinygpt.interp import zero_head
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=8, n_layers=1)), torch.tensor([[1, 2, 3]])
        >>> with edit(model, {"blocks.0.attn.heads": zero_head(3)}):
        ...     changed = model(x)
        >>> torch.equal(changed, model(x))
        False
    """

    def replace(function: Edit, name: str) -> Watcher:
        def watcher(activation: Tensor) -> Tensor:
            new = function(activation)
            if not isinstance(new, Tensor) or new.shape != activation.shape:
                got = tuple(new.shape) if isinstance(new, Tensor) else type(new).__name__
                raise ValueError(
                    f"the edit of {name} must return shape {tuple(activation.shape)}; it returned {got}."
                )
            return new

        return watcher

    with _watched(model, {pattern: partial(replace, function) for pattern, function in edits.items()}):
        yield


def zero_head(*heads: int) -> Edit:
    """Returns an edit of `blocks.*.attn.heads` that silences heads: their output (B H T K) becomes 0.

    Raises:
        ValueError: when it is used and there is no such head, or the activation has no heads.
    """

    def silence(outputs: Tensor) -> Tensor:
        _check_heads(heads, outputs)
        outputs = outputs.clone()
        outputs[:, list(heads)] = 0
        return outputs

    return silence


def mean_head(*heads: int) -> Edit:
    """Returns an edit that replaces heads' outputs by their mean over batch and positions.

    Zero is an output that later layers may never have seen; the mean is one that says nothing about
    this token, so it separates what a head says here from what it always says.

    Source: Wang et al. 2022, "Interpretability in the Wild", section 2.1.
    """

    def average(outputs: Tensor) -> Tensor:
        _check_heads(heads, outputs)
        outputs = outputs.clone()
        outputs[:, list(heads)] = outputs[:, list(heads)].mean(dim=(0, 2), keepdim=True)
        return outputs

    return average


def _check_heads(heads: tuple[int, ...], outputs: Tensor) -> None:
    if outputs.ndim != 4:
        raise ValueError(f"heads are in B × H × T × K activations; this one is {tuple(outputs.shape)}.")
    if bad := [h for h in heads if not 0 <= h < outputs.shape[1]]:
        raise ValueError(f"heads are numbered 0 to {outputs.shape[1] - 1}; got {bad}.")


@cache  # few models' names, few patterns, and looking them up again would be 1 % of a small model's pass
def _matching(names: tuple[str, ...], pattern: str) -> tuple[str, ...]:
    found = fnmatch.filter(names, pattern)
    if not found:
        raise KeyError(f"no tap matches {pattern!r}. The taps are {', '.join(names)}.")
    return tuple(found)


def _as_written() -> AbstractContextManager[object]:
    """Makes compiled models run their Python code, since what was compiled knows no later hook."""
    # Where the compiler is not even loaded nothing is compiled, and loading it takes a second.
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


@contextmanager
def _watched(model: nn.Module, makers: Mapping[str, Callable[[str], Watcher]]) -> Iterator[None]:
    """Lets `maker(name)` watch every tap whose name matches; of two patterns that match, the later counts."""
    named = taps(model)
    names = tuple(named)
    watchers = {name: maker(name) for pattern, maker in makers.items() for name in _matching(names, pattern)}
    for name, watcher in watchers.items():
        named[name].watchers.append(watcher)
    try:
        with _as_written():
            yield
    finally:
        for name, watcher in watchers.items():
            named[name].watchers.remove(watcher)
