"""What stands before generated text: rows of ids, of equal lengths or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped


class Prompts(NamedTuple):
    """Prompts as rows that end together.

    Attributes:
        rows: B × T, −1 before a row begins.
        first: where each begins; B.
        alone: whether it is one sequence and no batch.
    """

    rows: Int[Tensor, "B T"]
    first: Int[Tensor, " B"]
    alone: bool

    def shaped(
        self, rows: Shaped[Tensor, "B T"], ends: Int[Tensor, " B"], first: Int[Tensor, " B"], *, cut: bool
    ) -> Tensor | list[Tensor]:
        """What goes back to the caller: a row, a batch, or a list of rows from `first` to `ends`."""
        if self.alone:
            return rows[0]
        if not cut and not self.first.any():
            return rows
        return [row[a:b] for row, a, b in zip(rows, first.tolist(), ends.tolist(), strict=True)]


def read_prompts(prompt: Sequence[int] | Sequence[Sequence[int]] | Tensor, model: GPT) -> Prompts:
    """Returns the ids as rows where the model is.

    Raises:
        ValueError: when there are none, or they are text or not in the vocabulary.
    """
    rows = _rows(prompt)
    low, high = min(int(row.min()) for row in rows), max(int(row.max()) for row in rows)
    if low < 0 or high >= model.config.vocab_size:
        raise ValueError(
            f"the prompt has ids from {low} to {high}; the model knows 0 to {model.config.vocab_size - 1}. "
            "Another tokenizer?"
        )
    width = max(len(row) for row in rows)
    first = torch.tensor([width - len(row) for row in rows], device=model.device)
    if isinstance(rows, Tensor):
        alone = prompt.ndim == 1 if isinstance(prompt, Tensor) else not any(map(_is_row, prompt))
        return Prompts(rows.to(model.device), first, alone)
    flush = torch.full((len(rows), width), -1)
    for line, row in zip(flush, rows, strict=True):
        line[width - len(row) :] = row
    return Prompts(flush.to(model.device), first, False)


def _rows(prompt: Sequence[int] | Sequence[Sequence[int]] | Tensor) -> Tensor | list[Tensor]:
    """B × T where that is possible, otherwise a list of rows."""
    if isinstance(prompt, (str, Tensor)) or not any(map(_is_row, prompt)):
        rows = _ids(prompt)
        rows = rows[None] if rows.ndim == 1 else rows
        shapes = [] if rows.ndim == 2 and rows.numel() else [tuple(rows.shape)]
    else:
        rows = [_ids(one) for one in prompt]
        shapes = [tuple(row.shape) for row in rows if row.ndim != 1 or not row.numel()]
    if shapes:
        raise ValueError(
            f"the prompt must hold at least one token, as T or B × T or rows of ids; got shape {shapes[0]}."
        )
    done = isinstance(rows, Tensor) or len({len(row) for row in rows}) > 1
    return rows if done else torch.stack(rows)


def _is_row(one: object) -> bool:
    return hasattr(one, "__len__") and getattr(one, "ndim", 1) > 0  # a tensor of one number has a __len__ too


def _ids(row: Sequence[int] | Tensor) -> Tensor:
    texts = [one for one in ([row, *row] if isinstance(row, Sequence) else []) if isinstance(one, str)]
    if texts:
        raise ValueError(
            f"the prompt must be ids; got the text {texts[0][:20]!r}. Encode it: tokenizer.encode(text)."
        )
    try:
        return torch.as_tensor(row, dtype=torch.long)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the prompt must be ids, as T or B × T or rows of ids; got {row!r}.") from error
