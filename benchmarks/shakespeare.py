"""Compute to nanoGPT's validation loss on TinyShakespeare, characters, of its recipe for a CPU.

The recipe: 4 layers, 4 heads, width 128, context 64, 12 rows, 2,000 steps; its README gives a validation loss
of 1.88. Here a model a quarter as large, with Muon, reads fewer characters. Compute is counted on paper, with
attention, head and Muon's own products; seconds are measured, the recipe's on its shape in tinygpt. `--text`
names the file; without it the text comes from the cache or the web.
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.core import Options, gate, keep
from tinygpt import data
from tinygpt.models import GPT, GPTConfig, cost, gpt2_shape
from tinygpt.tokenizers import train_characters
from tinygpt.training import TrainConfig, fit, mean_loss, next_token_loss, train_steps
from tinygpt.training.orthogonal import ROUNDS

CHARACTERS, TARGET, SHARE = 65, 1.88, 1 / 5
THEIRS = gpt2_shape(CHARACTERS, n_layers=4, n_heads=4, d_model=128, context=64, bias=False)
OURS = GPTConfig(CHARACTERS, n_layers=4, n_heads=4, d_model=64, context=64, activation="relu2")
BATCH, THEIR_STEPS = 12, 2000
TRAINING = TrainConfig(steps=800, lr=1e-2, optimizer="muon", final_lr=0.0)


def main(options: Options) -> None:
    """The gate on compute, and, unless `quick`, one training per seed with the gate on the loss."""
    theirs, ours = recipe_flops(THEIRS, THEIR_STEPS), recipe_flops(OURS, TRAINING.steps, muon=True)
    print("gates, shakespeare:")
    gate(
        "compute",
        ours <= SHARE * theirs,
        f"{ours:.2e} FLOPs, {ours / theirs:.3f} of the recipe's {theirs:.2e}",
    )
    if options.quick:
        return
    train, val = characters(options.text)
    seconds = THEIR_STEPS * seconds_per_step(train)
    print(f"the recipe's {THEIR_STEPS} steps in float32, from 20 of them: {seconds:.0f} CPU-s")
    losses = []
    for seed in range(options.seeds):
        loss, spent = run(train, val, seed)
        losses.append(loss)
        print(f"seed {seed}  validation loss {loss:.4f}  {spent:.0f} CPU-s, {seconds / spent:.1f} times less")
    gate("loss", max(losses) < TARGET, f"at most {max(losses):.4f} nats per character, wanted {TARGET}")
    keep(options, {"title": "shakespeare", "losses": losses, "share_of_flops": ours / theirs})


def recipe_flops(shape: GPTConfig, steps: int, muon: bool = False) -> float:
    """FLOPs of all steps, of which Muon's polynomial makes its own for every matrix."""
    flops = cost(shape).train_flops_per_token * BATCH * shape.context
    if muon:
        D, F = shape.d_model, shape.ff_width
        sides = 4 * shape.n_layers * [(D, D)] + 2 * shape.n_layers * [(D, F)]
        flops += sum(ROUNDS * (4 * r * r * c + 2 * r**3) for r, c in sides)
    return steps * flops


def characters(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """The first nine tenths of the text and the last, as nanoGPT cuts it, one token per character."""
    text = data.tiny_shakespeare() if path is None else path.read_text(encoding="utf-8")
    ids = data.pack([train_characters(text).encode(text)], CHARACTERS)
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:]


def run(train: np.ndarray, val: np.ndarray, seed: int) -> tuple[float, float]:
    """Returns the loss over all of `val`, in rows of the context, and the CPU seconds of the training."""
    model, started = GPT(OURS, seed=seed), time.process_time()
    fit(model, data.batches(train, OURS.context, BATCH, seed=seed), config=TRAINING, progress=False)
    spent = time.process_time() - started
    rows = (len(val) - 1) // OURS.context
    return mean_loss(model, data.batches(val, OURS.context, rows), 1), spent


def seconds_per_step(train: np.ndarray) -> float:
    """CPU seconds of a step of the recipe's shape, AdamW, float32."""
    model = GPT(THEIRS, seed=0)
    batches = data.batches(train, THEIRS.context, BATCH)
    steps = train_steps(model, batches, next_token_loss, TrainConfig(precision="fp32"))
    next(steps)
    started = time.process_time()
    for _ in islice(steps, 20):
        pass
    return (time.process_time() - started) / 20
