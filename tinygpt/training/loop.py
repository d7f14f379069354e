"""The one training loop: a generator, so whoever calls it keeps control."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from tinygpt.models import taps
from tinygpt.training.distributed import shard, whole, world
from tinygpt.training.optim import OPTIMIZERS, learning_rate
from tinygpt.training.placement import PRECISIONS, autocast, device_of, elements, to_device

LossFn = Callable[[nn.Module, Any], "Tensor | tuple[Tensor, dict[str, float]]"]

CHOICES = {
    "optimizer": tuple(OPTIMIZERS),
    "schedule": ("cosine", "wsd", "constant"),
    "precision": PRECISIONS,
}


@dataclass(frozen=True)
class TrainConfig:
    """How to train; the model and the data are given elsewhere.

    Args:
        steps: optimiser steps in all.
        lr: peak learning rate.
        optimizer: "adamw", or "muon" for the matrices inside blocks, with AdamW for the rest.
        schedule: "cosine", "wsd" (warmup, stable, decay) or "constant".
        warmup: steps of linear warmup; a run that is shorter never reaches `lr`.
        final_lr: last learning rate, as a fraction of the peak.
        decay: with "wsd", the fraction of all steps spent decaying.
        weight_decay: share of a matrix taken away per step, times the learning rate; vectors keep theirs.
        base_width: `d_model` of the model that `lr` was tuned on; None takes it for this one's. In a wider
            model the matrices get a smaller rate, in proportion: see `tinygpt.training.optim.adamw`.
        beta1, beta2: AdamW's averaging of the gradient and of its square.
        clip: largest gradient norm; larger gradients are scaled down to it.
        accumulate: batches whose gradients are averaged into one step.
        precision: "fp32", "bf16" (weights stay float32), or "auto": bf16 where the hardware has it.
        compile: compile the model with `torch.compile`; needs a C++ compiler on a CPU. A model whose taps
            are captured or edited from the start runs uncompiled.
        shard: spread the weights over the processes that torchrun started (FSDP2); for models too large
            for one GPU.

    Raises:
        ValueError: when a number is out of range.
    """

    steps: int = 1000
    lr: float = 1e-3
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warmup: int = 20
    final_lr: float = 0.1
    decay: float = 0.2
    weight_decay: float = 0.1
    base_width: int | None = None
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    accumulate: int = 1
    precision: str = "auto"
    compile: bool = False
    shard: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}.")
        for name in ("warmup", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more; got {getattr(self, name)}.")
        for name in ("final_lr", "decay", "beta1", "beta2"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1; got {getattr(self, name)}.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}; got {getattr(self, name)!r}.")
        if self.base_width is not None and self.base_width < 1:
            raise ValueError(f"base_width must be at least 1, or None; got {self.base_width}.")
        if self.base_width is not None and self.optimizer != "adamw":
            raise ValueError(f'base_width is a rule for AdamW; got optimizer="{self.optimizer}".')
        if self.shard and self.optimizer != "adamw":
            raise ValueError(f'{self.optimizer} needs whole matrices, which shard=True cuts. Use "adamw".')


@dataclass(frozen=True)
class Step:
    """One optimiser step, as it went.

    Attributes:
        step: counted from 0.
        loss: mean over the step's batches; nats per token for a language model.
        lr: learning rate used.
        grad_norm: before clipping.
        tokens: tokens (elements of each batch's first tensor) in the step.
        seconds: wall time of the step, fetching the batch included.
        metrics: what the loss function reported beside the loss, averaged over the step's batches.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    tokens: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class TrainState:
    """What changes while training: the weights, the optimiser's moments, the steps done, the batches read."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    batches: int = 0

    @classmethod
    def start(cls, model: nn.Module, config: TrainConfig) -> TrainState:
        """Returns the state before the first step, with a fresh optimiser; shards the model where wanted."""
        if config.shard:
            shard(model)
        return cls(model, OPTIMIZERS[config.optimizer](model, config))


class NonFiniteLoss(ArithmeticError):
    """The loss or its gradient became NaN or infinite; the weights are those before that step."""


def train_steps(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: LossFn,
    config: TrainConfig,
    *,
    state: TrainState | None = None,
) -> Iterator[Step]:
    """Yields a `Step` after each optimiser step, so the caller may look, save, or stop at any of them.

    Args:
        model: what to train.
        batches: tensors, or tuples, lists or dicts of them, moved to the model's device; what else is in
            them is passed on as it is. A resumed run wants `stream.skip(state.batches)`.
        loss_fn: `(model, batch) -> loss` or `(loss, metrics)`.
        config: how to train.
        state: to go on from; None starts anew.

    Raises:
        NonFiniteLoss: with the number of the step, before its update is applied.
        ValueError: when the batches run out, or the loss is no tensor.

    Example:
        >>> from tinygpt import data, models, training
        >>> model = models.GPT(models.GPTConfig(vocab_size=32, n_layers=1, d_model=16))
        >>> stream, config = data.worlds.repeats(batch_size=4), TrainConfig(steps=3)
        >>> [s.step for s in train_steps(model, stream, training.next_token_loss, config)]
        [0, 1, 2]
    """
    state = state or TrainState.start(model, config)
    crew, device = world(), device_of(model)
    crew.align(model)
    watched = any(tap.watched for tap in taps(model).values())  # what is compiled would keep these hooks
    runner = torch.compile(model) if config.compile and not watched else model
    source = iter(batches)
    model.zero_grad(set_to_none=True)  # what an earlier backward pass left would be added to the first step
    while state.step < config.steps:
        started = time.perf_counter()
        lr = learning_rate(state.step, config)
        for group in state.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        model.train()
        losses, reports, tokens = [], [], 0
        for _ in range(config.accumulate):
            batch = to_device(crew.rows(_next(source, state.step)), device)
            with autocast(device, config.precision):
                loss, report = loss_and_metrics(loss_fn(runner, batch))
            (loss / config.accumulate).backward()
            losses.append(loss.detach())
            reports.append(report)
            tokens += elements(batch)
        crew.average(model)
        metrics = _means(reports)
        loss_value, *means = crew.mean([torch.stack(losses).mean().item(), *metrics.values()])
        norm = _update(state, loss_value, config)
        seconds = time.perf_counter() - started
        said = dict(zip(metrics, means, strict=True))
        yield Step(state.step - 1, loss_value, lr, norm, tokens * crew.size, seconds, said)


def _update(state: TrainState, loss: float, config: TrainConfig) -> float:
    """Clips the gradient and applies it; refuses one that is not finite. Returns its norm."""
    norm = whole(nn.utils.clip_grad_norm_(state.model.parameters(), config.clip)).item()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        state.optimizer.zero_grad(set_to_none=True)
        raise NonFiniteLoss(
            f"step {state.step}: the loss is {loss} and the gradient norm {norm}. The weights are those "
            "before this step. Lower lr, lengthen warmup, or look at this batch."
        )
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.batches += config.accumulate
    return norm


def _next(source: Iterator[Any], step: int) -> Any:
    try:
        return next(source)
    except StopIteration:
        raise ValueError(
            f"the batches ran out at step {step}. Ask for fewer steps, or give an endless stream "
            "(tinygpt.data.batches never ends)."
        ) from None


def loss_and_metrics(result: Any) -> tuple[Tensor, dict[str, float]]:
    """Returns what a loss function returned as (loss, metrics), the metrics as numbers."""
    loss, metrics = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if not isinstance(loss, Tensor):
        raise ValueError(
            f"the loss must be a tensor, or a pair (tensor, metrics); got {type(loss).__name__}. "
            "A number (loss.item()) has no gradient."
        )
    numbers = {k: v.item() if isinstance(v, Tensor) else float(v) for k, v in metrics.items()}
    return loss, numbers


def _means(reports: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for report in reports for name in report)
    return {name: fmean(report[name] for report in reports if name in report) for name in names}


def with_changes(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """Returns the config with some fields changed; an unknown name is an error that lists the known ones."""
    known = {f.name for f in fields(config)}
    if unknown := set(changes) - known:
        raise TypeError(f"unknown training option {sorted(unknown)}; known are {sorted(known)}.")
    return replace(config, **changes)
