"""What each part of a model writes to its residual stream, as norms and cosines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


@dataclass(frozen=True)
class Writes:
    """One model's stream, part by part; R parts, T positions.

    Attributes:
        name: the model's.
        parts: "embedding", "L0 attn", "L0 mlp", …
        stream: norm of the stream after the part, R T.
        added: norm of what the part gives, R T.
        along: cosine of what it gives with the stream that it is added to, R T; NaN for the embedding.
        towards: cosine of what it gives with the direction that raises the answer's logit, R T, or None.
    """

    name: str
    parts: list[str]
    stream: np.ndarray
    added: np.ndarray
    along: np.ndarray
    towards: np.ndarray | None

    def packed(self) -> bytes:
        """All fields one after the other, as float32 with 11 bits of fraction: the rest deflates away."""
        fields = [self.stream, self.added, self.along] + ([] if self.towards is None else [self.towards])
        bits = np.stack(fields).astype("<f4").view("<u4")
        finite = np.isfinite(np.stack(fields))
        return np.where(finite, (bits + 0x800) & 0xFFFFF000, bits).astype("<u4").tobytes()


def watch(name: str, model: Any, ids: Tensor, answer: int | None) -> Writes:
    """Runs a model on one row and measures its stream.

    Args:
        name: what to call it.
        model: with one stack of blocks.
        ids: 1 × T.
        answer: the id whose direction is meant.
    """
    import torch

    from tinygpt.interp import capture

    inside = ["blocks.*.middle"] if model.config.ff_width else []
    with torch.no_grad(), capture(model, "embedded", "blocks.*_out", "blocks.*.residual", *inside) as seen:
        model(ids.to(model.device))
    steps = list(
        _steps({tap: value[0].float() for tap, value in seen.items()}, len(model.blocks), bool(inside))
    )
    direction = None if answer is None else _direction(model, answer)
    cosine = torch.nn.functional.cosine_similarity
    along = [torch.full(steps[0][2].shape[:1], torch.nan)]
    along += [
        cosine(write, before, dim=-1).cpu()
        for (_, write, _), (_, _, before) in zip(steps[1:], steps, strict=False)
    ]
    towards = None if direction is None else [cosine(write, direction, dim=-1).cpu() for _, write, _ in steps]
    return Writes(
        name,
        [part for part, _, _ in steps],
        torch.stack([stream.norm(dim=-1) for _, _, stream in steps]).cpu().numpy(),
        torch.stack([write.norm(dim=-1) for _, write, _ in steps]).cpu().numpy(),
        torch.stack(along).numpy(),
        None if towards is None else torch.stack(towards).numpy(),
    )


def _steps(seen: dict[str, Tensor], layers: int, feeds: bool) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(part, what it gives, the stream after it), both T D, in order."""
    yield "embedding", seen["embedded"], seen["embedded"]
    for i in range(layers):
        after = seen[f"blocks.{i}.middle" if feeds else f"blocks.{i}.residual"]
        yield f"L{i} attn", seen[f"blocks.{i}.attn_out"], after
        if feeds:
            yield f"L{i} mlp", seen[f"blocks.{i}.mlp_out"], seen[f"blocks.{i}.residual"]


def _direction(model: Any, answer: int) -> Tensor:
    """What the stream must gain for the answer's logit to rise: its row of the head through the last gain."""
    import torch

    direction = (model.head.weight[answer] * model.norm.weight).detach().float()
    return direction - direction.mean() if isinstance(model.norm, torch.nn.LayerNorm) else direction
