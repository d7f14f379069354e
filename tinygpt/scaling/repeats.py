"""Runs that read the same rows several times: what is a repeated token worth?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from tinygpt.data import Stream, shuffled
from tinygpt.data.worlds import almanac, almanac_entropy
from tinygpt.models import GPT
from tinygpt.scaling.almanac import ROWS, TOKENS, excess_of, shape
from tinygpt.training import TrainConfig, fit, next_token_loss

READ = 691_200
"""Tokens that a run of the grid reads: 1,536 batches, which halve many times."""
EPOCHS = (1, 2, 4, 8, 16, 32, 64)


def repeats_grid(
    widths: Iterable[int] = (8, 24, 64), seeds: Iterable[int] = range(3)
) -> list[dict[str, Any]]:
    """Returns settings that all read as many tokens, in 1, 2, 4, … epochs, and for each what one epoch gives.

    Args:
        widths: of the models.
        seeds: of each run.
    """
    again = [(READ // epochs, epochs) for epochs in EPOCHS]
    once = [(READ // epochs, 1) for epochs in EPOCHS[1:]]
    return [
        {"width": width, "unique": unique, "epochs": epochs, "seed": seed}
        for width in widths
        for unique, epochs in again + once
        for seed in seeds
    ]


def repeats_price(setting: Mapping[str, Any]) -> float:
    """How long a run takes compared with others."""
    return setting["unique"] * setting["epochs"] * (10 + setting["width"])


def repeats_run(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one model on some rows of the almanac, several times over, and measures it on new ones.

    The rows are shuffled anew for each epoch. The learning rate falls over the whole run, as if nothing were
    repeated, so runs that read equally many tokens differ in nothing but how many of these are new.

    Args:
        setting: "width" of the model, "unique" tokens that there are, "epochs" over them, "seed" of weights,
            rows and their order.

    Returns:
        "N" parameters, "D" tokens read, "loss" of new rows in nats per token and its "excess" over the
        entropy, and "seen", the loss of the rows that were learnt. Where it is far below "loss", the model
        knows them by heart.
    """
    width, seed = setting["width"], setting["seed"]
    rows = setting["unique"] // TOKENS
    steps = max(1, rows * setting["epochs"] // ROWS)
    inputs, targets = almanac(rows, seed=seed)[0]
    order = shuffled(rows, ROWS, seed)
    batches = Stream(lambda i: (inputs[order[i]], targets[order[i]]))
    model = GPT(shape(width), seed=seed)
    lr = 0.02 * (16 / width) ** 0.5
    how = TrainConfig(steps=steps, lr=lr, warmup=max(10, steps // 20), final_lr=0.02, weight_decay=0.0)
    fit(model, batches, config=how, precision="fp32", progress=False)
    with torch.no_grad():
        seen = next_token_loss(model, (inputs, targets)).item()
    excess = excess_of(model)
    loss = excess + almanac_entropy()
    return {"N": model.n_parameters, "D": steps * ROWS * TOKENS, "loss": loss, "excess": excess, "seen": seen}
