"""Filters one after the other, and what each of them changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from tinygpt.sampling.filters import PlainFilter
from tinygpt.sampling.history import HistoryFilter

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Filter = PlainFilter | HistoryFilter


def apply(
    filters: Iterable[Filter],
    logits: Float[Tensor, "*batch V"],
    ids: Int[Tensor, "*batch T"] | None = None,
    n_new: int | None = None,
) -> Float[Tensor, "*batch V"]:
    """Returns the logits after all filters, from left to right.

    Args:
        filters: in order.
        logits: of the next token.
        ids: the tokens so far, −1 where a row has not begun; only filters that look back need them.
        n_new: how many of the last ids are not of the prompt; None means all.

    Raises:
        ValueError: when a filter looks back and there are no ids.
    """
    for one in filters:
        logits = _step(one, logits, ids, n_new)
    return logits


class Stage(NamedTuple):
    """What one filter did.

    Attributes:
        name: of the filter.
        before: logits that it was given.
        after: logits that it returned.
    """

    name: str
    before: Float[Tensor, "*batch V"]
    after: Float[Tensor, "*batch V"]

    @property
    def cut(self) -> Bool[Tensor, "*batch V"]:
        """The tokens that it cut."""
        return self.before.isfinite() & self.after.isneginf()

    @property
    def moved(self) -> Float[Tensor, "*batch V"]:
        """By how much it changed the probability of each token; sums to 0."""
        return self.after.softmax(dim=-1) - self.before.softmax(dim=-1)


def trace(
    filters: Iterable[Filter],
    logits: Float[Tensor, "*batch V"],
    ids: Int[Tensor, "*batch T"] | None = None,
    n_new: int | None = None,
) -> list[Stage]:
    """Returns what each filter did, in order; the arguments are those of `apply`.

    Example:
        >>> import torch
        >>> from tinygpt.sampling import temperature, top_k
        >>> stages = trace([temperature(2.0), top_k(1)], torch.tensor([2.0, 4.0]))
        >>> [(stage.name, stage.after.tolist(), stage.cut.tolist()) for stage in stages]
        [('temperature(2)', [1.0, 2.0], [False, False]), ('top_k(1)', [-inf, 2.0], [True, False])]
    """
    stages = []
    for one in filters:
        after = _step(one, logits.clone(), ids, n_new)  # a filter may write into what it is given
        stages.append(Stage(name_of(one), logits, after))
        logits = after
    return stages


def name_of(one: Filter) -> str:
    """The filter's name, such as `top_p(0.9)`; of a filter of your own, that of its function."""
    return one.name if isinstance(one, HistoryFilter) else getattr(one, "__name__", repr(one))


def _step(one: Filter, logits: Tensor, ids: Tensor | None, n_new: int | None) -> Tensor:
    if not isinstance(one, HistoryFilter):
        return one(logits)
    if ids is None:
        raise ValueError(
            f"{one.name} looks at the tokens so far, and none came. Pass them: apply(filters, logits, ids)."
        )
    return one(logits, ids, n_new)
