"""Filters that look back: what they do to a token depends on the tokens so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True)
class HistoryFilter:
    """A filter of logits and of the tokens so far; it stands in a pipeline wherever another filter may.

    Args:
        name: for a reader, such as `no_repeat_ngram(3)`.
        change: a function of the logits (… × V), the tokens so far (… × T, −1 where a row has not begun) and
            how many of the last tokens are new, that is not of the prompt.

    Example:
        >>> def no_echo(logits, ids, n_new):
        ...     return logits.scatter(-1, ids[..., -1:], -math.inf)
        >>> HistoryFilter("no_echo", no_echo)(torch.zeros(3), torch.tensor([0, 2]))
        tensor([0., 0., -inf])
    """

    name: str
    change: Callable[[Tensor, Tensor, int], Tensor] = field(repr=False)

    def __call__(
        self, logits: Float[Tensor, "*batch V"], ids: Int[Tensor, "*batch T"], n_new: int | None = None
    ) -> Float[Tensor, "*batch V"]:
        """Returns the changed logits; without `n_new`, all ids are new."""
        return self.change(logits, ids, ids.shape[-1] if n_new is None else n_new)


def repetition_penalty(penalty: float) -> HistoryFilter:
    """Makes each token that has come, in the prompt too, less likely: logit / penalty, or · penalty below 0.

    Adding a number to all logits changes no probability, but it does change what this filter does.

    Args:
        penalty: positive; 1 changes nothing, below 1 favours what has come.

    Example:
        >>> repetition_penalty(2.0)(torch.tensor([4.0, -4.0, 4.0]), torch.tensor([0, 1, 1]))
        tensor([ 2., -8.,  4.])

    Source: Keskar et al. 2019, "CTRL", section 4.1; products below 0, which the paper's division would make
        likelier, as in Hugging Face `transformers`.
    """
    if not (penalty > 0 and math.isfinite(penalty)):
        raise ValueError(f"repetition_penalty must be positive and finite; got {penalty}. 1 changes nothing.")

    def change(logits: Tensor, ids: Tensor, n_new: int) -> Tensor:
        lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
        return torch.where(occurrences(ids, logits) > 0, lowered, logits)

    return HistoryFilter(f"repetition_penalty({penalty:g})", change)


def presence_penalty(penalty: float) -> HistoryFilter:
    """Takes the penalty from the logit of each token that has come, in the prompt too, however often.

    Args:
        penalty: in nats; below 0 favours what has come.

    Example:
        >>> presence_penalty(0.5)(torch.zeros(3), torch.tensor([1, 1, 0]))
        tensor([-0.5000, -0.5000,  0.0000])

    Source: OpenAI's API reference, "Frequency and presence penalties".
    """
    _check_finite("presence_penalty", penalty)
    return HistoryFilter(
        f"presence_penalty({penalty:g})",
        lambda logits, ids, n_new: logits - penalty * (occurrences(ids, logits) > 0),
    )


def frequency_penalty(penalty: float) -> HistoryFilter:
    """Takes the penalty from a token's logit once for each time that it has come, in the prompt too.

    Args:
        penalty: in nats; below 0 favours what has come.

    Example:
        >>> frequency_penalty(0.5)(torch.zeros(3), torch.tensor([1, 1, 0]))
        tensor([-0.5000, -1.0000,  0.0000])

    Source: OpenAI's API reference, "Frequency and presence penalties".
    """
    _check_finite("frequency_penalty", penalty)
    return HistoryFilter(
        f"frequency_penalty({penalty:g})",
        lambda logits, ids, n_new: logits - penalty * occurrences(ids, logits),
    )


def no_repeat_ngram(n: int) -> HistoryFilter:
    """Cuts each token that would complete n tokens in a row that have come before, in the prompt too.

    Args:
        n: at least 1; 1 lets no token come twice.

    Example:
        >>> no_repeat_ngram(2)(torch.zeros(4), torch.tensor([1, 2, 3, 1]))  # 1, 2 has come
        tensor([0., 0., -inf, 0.])

    Source: Paulus, Xiong & Socher 2018, section 2.5, for three.
    """
    if not isinstance(n, Integral) or n < 1:
        raise ValueError(f"no_repeat_ngram needs a whole number of tokens, at least 1; got {n!r}.")

    def change(logits: Tensor, ids: Tensor, n_new: int) -> Tensor:
        if ids.shape[-1] < n:
            return logits
        grams = ids.unfold(-1, n, 1)  # … × (T − n + 1) × n
        last = ids[..., ids.shape[-1] + 1 - n :]
        again = (grams[..., :-1] == last[..., None, :]).all(dim=-1) & (grams >= 0).all(dim=-1)
        cut = torch.zeros_like(logits).scatter_add(-1, grams[..., -1].clamp(min=0), again.to(logits.dtype))
        return logits.masked_fill(cut > 0, -math.inf)

    return HistoryFilter(f"no_repeat_ngram({n})", change)


def occurrences(ids: Int[Tensor, "*batch T"], like: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch V"]:
    """How often each of V tokens has come; −1 is no token."""
    return torch.zeros_like(like).scatter_add(-1, ids.clamp(min=0), (ids >= 0).to(like.dtype))


def _check_finite(name: str, penalty: float) -> None:
    if not math.isfinite(penalty):
        raise ValueError(f"{name} must be a finite number; got {penalty}. 0 changes nothing.")
