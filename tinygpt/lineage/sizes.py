"""How much of everything a lineage gets: seconds in a test, an hour on a laptop, an hour on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.models import GPTConfig


@dataclass(frozen=True)
class Size:
    """The shape of a lineage's model and how long each of its stages is.

    Attributes:
        name: as in `SIZES`.
        n_layers, n_heads, d_model: of the model.
        lr: peak learning rate of pretraining; later stages take fixed fractions of it.
        documents: texts of the village to pretrain on, each seen several times.
        batch_size: sequences per batch, in pretraining.
        steps: optimiser steps by stage.
    """

    name: str
    n_layers: int
    n_heads: int
    d_model: int
    lr: float
    documents: int
    batch_size: int
    steps: dict[str, int]

    def config(self, vocab_size: int, context: int) -> GPTConfig:
        """Returns the shape of a model with this many tokens and this context."""
        shape = {"n_layers": self.n_layers, "n_heads": self.n_heads, "d_model": self.d_model}
        return GPTConfig(vocab_size=vocab_size, context=context, **shape)


_STAGES = ("pretrain", "instruct", "prefer", "think", "reason", "english", "draft")


def _steps(*steps: int) -> dict[str, int]:
    return dict(zip(_STAGES, steps, strict=True))


SIZES = {
    size.name: size
    for size in (
        Size("ci", 4, 4, 128, 4e-3, 20_000, 32, _steps(150, 200, 20, 200, 12, 20, 150)),
        Size("laptop", 4, 4, 128, 4e-3, 200_000, 32, _steps(3000, 1500, 60, 1000, 200, 1500, 4000)),
        Size("gpu", 8, 8, 384, 1.5e-3, 1_000_000, 128, _steps(4000, 3000, 100, 2000, 300, 1500, 6000)),
    )
}
