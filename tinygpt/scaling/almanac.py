"""One run of the laboratory: a tiny model that learns the Zipf almanac, whose entropy is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from tinygpt.data.worlds import ALMANAC_VOCAB_SIZE, almanac, almanac_entropy, almanac_nats
from tinygpt.models import GPT, GPTConfig, cost
from tinygpt.scaling.laws import FLOPS
from tinygpt.training import TrainConfig, fit, next_token_loss

ROWS, TOKENS = 150, 3
"""Rows in a batch, and tokens predicted in a row."""
EXAM_ROWS, EXAM_SEED = 20_000, 1_000_003
WIDTHS = (4, 8, 16, 24, 32, 64)
FEWEST, MOST = 30_000, 3_000_000
"""Tokens of a run: with fewer a schedule has no room, with more a sweep takes too long."""


def isoflop_grid(
    budgets: Iterable[float],
    widths: Iterable[int] = WIDTHS,
    seeds: Iterable[int] = range(3),
    most: float = MOST,
) -> list[dict[str, Any]]:
    """Returns the settings that spend each budget on each width, if that is neither too short nor too long.

    Args:
        budgets: FLOPs, counted as 6 · N · D.
        widths: of the models.
        seeds: of each run.
        most: tokens of a run.
    """
    batch, found = ROWS * TOKENS, []
    for budget in budgets:
        for width in widths:
            tokens = batch * round(budget / (FLOPS * cost(shape(width)).n_parameters) / batch)
            if FEWEST <= tokens <= most:
                found += [{"width": width, "tokens": tokens, "seed": seed} for seed in seeds]
    return found


def price(setting: Mapping[str, Any]) -> float:
    """How long a run takes compared with others: each step costs something at any width."""
    return setting["tokens"] * (10 + setting["width"])


def shape(width: int) -> GPTConfig:
    """Returns a one-layer model of a width, in heads of 8, or in one head if it is narrower."""
    return GPTConfig(
        ALMANAC_VOCAB_SIZE,
        n_layers=1,
        n_heads=max(1, width // 8),
        d_model=width,
        context=TOKENS,
        position="learned",
        tied=False,
    )


def almanac_run(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one model on fresh rows of the almanac, each seen once, and measures it.

    Args:
        setting: "width" of the model, "tokens" to train on, "seed" of weights and rows; if wanted, "lr".

    Returns:
        "N" parameters, "D" tokens, "loss" in nats per token, and "excess" over the entropy. The loss of new
        rows minus what a reader who knows the almanac would pay for the same rows, plus the entropy: their
        luck cancels.
    """
    width, seed = setting["width"], setting["seed"]
    steps = max(1, round(setting["tokens"] / (ROWS * TOKENS)))
    lr = setting.get("lr", 0.02 * (16 / width) ** 0.5)
    model = GPT(shape(width), seed=seed)
    how = TrainConfig(steps=steps, lr=lr, warmup=max(10, steps // 20), final_lr=0.02, weight_decay=0.0)
    fit(model, almanac(ROWS, seed=seed), config=how, precision="fp32", progress=False)
    excess = excess_of(model)
    loss = excess + almanac_entropy()
    return {"N": model.n_parameters, "D": steps * ROWS * TOKENS, "loss": loss, "excess": excess}


@torch.no_grad()
def excess_of(model: GPT) -> float:
    """Returns a model's loss on new rows above that of a reader who knows the almanac, in nats a token."""
    inputs, targets = almanac(EXAM_ROWS, seed=EXAM_SEED)[0]
    return next_token_loss(model, (inputs, targets)).item() - almanac_nats(targets).mean().item()
