"""Run by torchrun for training/test_distributed.py: what each process saw goes into a file of its own."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_models import SHAPE
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tinygpt import data
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import (
    NonFiniteLoss,
    Run,
    TrainConfig,
    TrainState,
    World,
    checkpoint,
    fit,
    joined,
    mean_loss,
    next_token_loss,
)
from tinygpt.training.distributed import whole

STEPS = 6
OPTIONS = {"steps": STEPS, "lr": 1e-2, "warmup": 2, "precision": "fp32"}
CASES: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tied": False},
    "accumulating": {"accumulate": 2},
    "muon": {"optimizer": "muon"},
    "masked": {"masked": True},
}


def run_of(
    case: str, *, shard: bool = False, seed: int = 0, stream: data.Stream | None = None, **options: Any
) -> tuple[GPT, Run]:
    """Trains the model of a case; the same call makes the run of one process and that of several."""
    choice = dict(CASES[case])
    shape, masked = GPTConfig(**SHAPE, tied=choice.pop("tied", True)), choice.pop("masked", False)
    stream = stream or batches()
    if masked:  # equally many targets in each row count
        stream = data.Stream(
            lambda i: (batches()[i][0], batches()[i][1].index_fill(1, torch.arange(9), -100))
        )
    model = GPT(shape, seed=seed)
    return model, fit(model, stream, config=TrainConfig(**OPTIONS, **choice, shard=shard), **options)


def batches() -> data.Stream:
    return data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)


def val(model: nn.Module) -> float:
    return mean_loss(model, batches().skip(100), 2)


def facts(run: Run) -> dict[str, Any]:
    kept = {"losses": run.losses, "norms": [s.grad_norm for s in run.steps], "tokens": run.steps[0].tokens}
    return kept | {"measured": run.measured, "interrupted": run.interrupted}


def weights(model: nn.Module) -> list[float]:
    return [whole(p.detach()).double().sum().item() for p in model.parameters()]


def same_losses(crew: World, folder: Path) -> dict[str, Any]:
    seen = {}
    for case in CASES:
        model, run = run_of(case, measure={"val loss": val}, every=4)
        seen[case] = facts(run) | {"weights": weights(model)}
    return seen


def unequal_beginnings(crew: World, folder: Path) -> dict[str, Any]:
    """Each process brings weights of its own; those of the first count."""
    model, run = run_of("tied", seed=7 * crew.rank)
    return facts(run) | {"weights": weights(model)}


def ordinary_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def as_ddp(crew: World, folder: Path) -> dict[str, Any]:
    ours, config = GPT(GPTConfig(**SHAPE), seed=0), TrainConfig(**OPTIONS, schedule="constant")
    fit(ours, batches(), ordinary_loss, config=config)
    theirs = GPT(GPTConfig(**SHAPE), seed=0)
    wrapped = DistributedDataParallel(theirs)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in theirs.parameters() if p.ndim == 2], "weight_decay": 0.1},
            {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        betas=(0.9, 0.95),
        fused=True,
    )
    for i in range(STEPS):
        inputs, targets = (part[crew.rank :: 2] for part in batches()[i])
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * min(1, (i + 1) / 2)
        ordinary_loss(wrapped, (inputs, targets)).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    return {"furthest": max((a - b).abs().max().item() for a, b in pairs)}


def not_finite(crew: World, folder: Path) -> dict[str, Any]:
    """The loss of the last process breaks in the third step."""
    calls = []

    def loss_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        calls.append(1)
        return next_token_loss(model, batch) * (float("nan") if len(calls) == 3 and crew.rank else 1)

    try:
        run_of("tied", loss_fn=loss_fn, checkpoint=folder / "finite")
    except NonFiniteLoss as error:
        return {"error": str(error)}
    return {"error": None}


def pressed_at(batch: int, wanted: bool) -> data.Stream:
    def make(i: int) -> tuple[Tensor, Tensor]:
        if i == batch and wanted:
            signal.raise_signal(signal.SIGINT)
        return batches()[i]

    return data.Stream(make)


def interrupted_and_resumed(crew: World, folder: Path, shard: bool = False) -> dict[str, Any]:
    """Ctrl-C reaches the last process only, while it fetches the fourth batch."""
    kept = {"checkpoint": folder / f"stopped{shard}", "measure": {"val loss": val}, "every": 3}
    _, run = run_of("tied", shard=shard, stream=pressed_at(3, bool(crew.rank)), **kept)
    model, again = run_of("tied", seed=5, shard=shard, resume=True, **kept)
    return {"stopped": facts(run), "resumed": facts(again) | {"weights": weights(model)}}


def sharded(crew: World, folder: Path) -> dict[str, Any]:
    seen = {}
    try:
        TrainState.start(GPT(GPTConfig(**SHAPE)), TrainConfig(shard=True))
    except ValueError as error:
        return {"refused": str(error)}
    for case in [case for case in CASES if case != "muon"]:
        options = {"measure": {"val loss": val}, "every": 4, "checkpoint": folder / f"sharded-{case}"}
        model, run = run_of(case, shard=True, **options)
        part = sum(getattr(p, "to_local", lambda p=p: p)().numel() for p in model.parameters())
        share = part / sum(p.numel() for p in model.parameters())
        seen[case] = facts(run) | {"weights": weights(model), "share": share}
    return seen | {"interrupted": interrupted_and_resumed(crew, folder, shard=True)}


def refused(crew: World, folder: Path) -> dict[str, Any]:
    stream = data.worlds.repeats(batch_size=7, length=16, vocab_size=31, seed=0)
    try:
        run_of("tied", stream=stream)
    except ValueError as error:
        return {"error": str(error)}
    return {"error": None}


def one_writer(crew: World, folder: Path) -> int:
    written, save_file = [], checkpoint.save_file
    checkpoint.save_file = lambda *args, **options: written.append(save_file(*args, **options))
    run_of("tied", checkpoint=folder / "once", every=3)
    checkpoint.save_file = save_file
    return len(written)


def small_parts(crew: World, folder: Path) -> dict[str, Any]:
    return {
        "any": [crew.any(crew.rank == 1), crew.any(False)],
        "mean": crew.mean([crew.rank, 10.0]),
        "first": crew.first({"rank": crew.rank}),
        "rows": crew.rows({"x": torch.arange(4), "name": "n", "scalar": torch.tensor(3)})["x"].tolist(),
    }


def main(folder: Path, *wanted: str) -> None:
    with joined() as crew:
        seen = {name: globals()[name](crew, folder) for name in wanted}
        (folder / f"seen-{crew.rank}.json").write_text(json.dumps(seen | {"size": crew.size}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
