"""Runs on Brambleford: a learning rate at a width, and the steps that a batch of some size needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from tinygpt.data import batches, worlds
from tinygpt.scaling.text import encoded, small_gpt
from tinygpt.training import TrainConfig, fit, mean_loss, next_token_loss, train_steps

if TYPE_CHECKING:
    import numpy as np

    from tinygpt.models import GPT

CONTEXT = 32
STEPS, ROWS = 100, 32
"""Of a run that asks for the best learning rate."""
LOSSES = (3.5, 3.0, 2.5, 2.0, 1.75)
"""Nats per token at which a run that asks for the best batch is timed; it ends at the last one."""
MOST_TOKENS, WARMUP_TOKENS = 1_200_000, 20_000
WIDTH = 32


def width_run(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one model for a hundred steps, to see how well a learning rate suits its width.

    Args:
        setting: "width", "lr", "base_width" (None for one rate everywhere; see `TrainConfig`), "seed".

    Returns:
        "N" parameters, "D" tokens, "loss" in nats per token on unseen documents.
    """
    model = small_gpt(setting["width"], CONTEXT, setting["seed"])
    how = TrainConfig(
        STEPS, setting["lr"], warmup=10, final_lr=0.0, weight_decay=0.0, base_width=setting["base_width"]
    )
    train, _ = village()
    fit(model, batches(train, CONTEXT, ROWS, setting["seed"]), config=how, precision="fp32", progress=False)
    return {"N": model.n_parameters, "D": STEPS * ROWS * CONTEXT, "loss": exam(model)}


def batch_run(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one model at a constant rate until it is good enough, and notes when it came by `LOSSES`.

    Args:
        setting: "rows" of a batch, "lr", "seed".

    Returns:
        "N" parameters, and for each of `LOSSES` the steps "to" it, None if it was never reached.
    """
    model = small_gpt(WIDTH, CONTEXT, setting["seed"])
    curve = list(measured(model, setting["rows"], setting["lr"], setting["seed"]))
    return {"N": model.n_parameters} | {f"to {loss}": steps_to(loss, curve) for loss in LOSSES}


def measured(model: GPT, rows: int, lr: float, seed: int) -> Iterator[tuple[int, float]]:
    """Yields (steps, loss on unseen documents) while it trains, each time after a tenth more steps."""
    tokens = rows * CONTEXT
    warmup = min(100, max(5, WARMUP_TOKENS // tokens))
    options = dict(steps=MOST_TOKENS // tokens, lr=lr, warmup=warmup, weight_decay=0.0, beta2=0.99)
    how = TrainConfig(schedule="constant", precision="fp32", **options)
    train, after = village()[0], 8.0
    for step in train_steps(model, batches(train, CONTEXT, rows, seed), next_token_loss, how):
        if step.step + 1 >= after:
            after *= 1.1
            loss = exam(model)
            yield step.step + 1, loss
            if loss < LOSSES[-1]:
                return


def steps_to(loss: float, curve: list[tuple[int, float]]) -> float | None:
    """Returns when a curve first came down to a loss, between its points on a logarithmic scale."""
    for (before, above), (after, below) in pairwise(curve):
        if below <= loss:
            part = max(0.0, above - loss) / (above - below) if above > below else 0.0
            return round(before * math.exp(part * math.log(after / before)), 2)
    return None


def exam(model: GPT) -> float:
    """Returns a model's loss on documents that nobody trains on, in nats per token."""
    return mean_loss(model, batches(village()[1], CONTEXT, 128), 2)


@lru_cache(maxsize=1)
def village() -> tuple[np.ndarray, np.ndarray]:
    """Returns 1.5 million tokens of Brambleford to train on, and others for the exam."""
    train, unseen = (islice(worlds.brambleford(seed=seed), n) for seed, n in ((0, 30_000), (1, 1_000)))
    return encoded([document.text for document in train], [document.text for document in unseen])
