"""What the logit lens reads at every depth and position, as plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._patterns import halves

if TYPE_CHECKING:
    from torch import Tensor

    Vocabulary = Callable[[int], str] | Sequence[str]

_MOST_LOGITS = 4_000_000  # held at once


@dataclass(frozen=True)
class Readings:
    """Numbers of one text; L is depths (layers + 1), W tokens that are followed everywhere.

    Attributes:
        ranks: of the right token, then of each followed one, (1 + W) L T; 0 is the first choice.
        odds: their probabilities, alike.
        entropy: of the whole distribution, L T, nats.
        divergence: KL from it to the final distribution, Σ p_final log(p_final / p), L T, nats.
        top: the likeliest tokens, L T k.
        top_odds: their probabilities, L T k.
    """

    ranks: np.ndarray
    odds: np.ndarray
    entropy: np.ndarray
    divergence: np.ndarray
    top: np.ndarray
    top_odds: np.ndarray

    def packed(self, number: dict[int, int]) -> bytes:
        """Ranks in `planes`, what is a fraction as halves, then the top tokens by their number in a table."""
        fractions = [self.odds, self.entropy, self.divergence, self.top_odds.transpose(2, 0, 1)]
        top = np.vectorize(number.__getitem__, otypes=[int])(self.top.transpose(2, 0, 1))
        return planes(self.ranks, 4) + halves(np.concatenate([f.ravel() for f in fractions])) + planes(top, 3)


def one_stack(model: Any) -> Any:
    """The model that ran, not compiled, which must have one stack of blocks."""
    from tinygpt.models import uncompiled

    model = uncompiled(model)
    if not hasattr(model, "blocks"):
        raise ValueError(
            f"this view shows models with one stack of blocks, GPT or Encoder; got {type(model).__name__}."
        )
    return model


def one_row(tokens: Any, batch: int, pieces: Sequence[str]) -> Tensor:
    """One row of ids, 1 × T, of a batch or of a bare sequence."""
    import torch

    ids = torch.as_tensor(tokens)
    ids = ids[None] if ids.ndim == 1 else ids
    if ids.ndim != 2 or not -len(ids) <= batch < len(ids):
        raise ValueError(
            f"tokens must be T or B × T ids and batch a row of them; got shape {tuple(ids.shape)}, {batch}."
        )
    ids = ids[batch % len(ids)][None]
    if len(pieces) != ids.shape[1]:
        raise ValueError(
            f"pieces must name every token; got {len(pieces)} for {ids.shape[1]} tokens. "
            "Try tok.pieces(ids) of the ids that the model reads."
        )
    return ids


def read(model: Any, seen: dict[str, Tensor], right: Tensor, followed: Sequence[int], k: int) -> Readings:
    """Reads every depth, some positions at a time: logits of a large vocabulary would not fit at once.

    Args:
        model: what ran on one row.
        seen: its stream, 1 T D at every depth.
        right: the right token of each position, T; −1 means the model's own final choice.
        followed: ids.
        k: how many of the likeliest tokens to keep.
    """
    import torch

    from tinygpt.interp import logit_lens

    length, vocabulary = len(right), model.config.vocab_size
    step = max(1, _MOST_LOGITS // (vocabulary * len(seen)))
    parts = []
    for start in range(0, length, step):
        here = slice(start, start + step)
        logits = logit_lens(model, {name: stream[:, here] for name, stream in seen.items()})[:, 0].float()
        parts.append(_read(logits, right[here].to(logits.device), followed, min(k, vocabulary)))
    along = (-1, -1, -1, -1, -2, -2)
    return Readings(
        *(torch.cat(p, dim=d).numpy() for p, d in zip(zip(*parts, strict=True), along, strict=True))
    )


def _read(logits: Tensor, right: Tensor, followed: Sequence[int], k: int) -> list[Tensor]:
    """The fields of `Readings` for logits, L T V."""
    import torch

    from tinygpt.interp import ranks

    logs = logits.log_softmax(-1)
    right = torch.where(right < 0, logits[-1].argmax(-1), right)
    chosen = torch.stack([right, *(torch.full_like(right, one) for one in followed)])
    each = [
        (ranks(logits, ids), logs.gather(-1, ids.expand(logs.shape[:-1])[..., None])[..., 0])
        for ids in chosen
    ]
    top = logs.topk(k, dim=-1)
    return [
        torch.stack([rank for rank, _ in each]).cpu(),
        torch.stack([log for _, log in each]).exp().cpu(),
        torch.special.entr(logs.exp()).sum(-1).cpu(),
        (logs[-1].exp() * (logs[-1] - logs)).sum(-1).clamp(min=0).cpu(),
        top.indices.cpu(),
        top.values.exp().cpu(),
    ]


def planes(values: np.ndarray, width: int) -> bytes:
    """Whole numbers as `width` bytes each: all lowest bytes, then the next; that deflates well."""
    return values.astype("<u4").reshape(-1, 1).view(np.uint8).reshape(-1, 4).T[:width].tobytes()


def namer(vocabulary: Vocabulary | None) -> Callable[[int], str]:
    """A function from an id to its text."""
    if vocabulary is None:
        return lambda i: f"#{i}"
    return vocabulary if callable(vocabulary) else lambda i: vocabulary[i]
