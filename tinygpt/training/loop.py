"""The one training loop: a generator, so whoever calls it keeps control."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from tinygpt.runtime import bf16_pays
from tinygpt.training.optim import adamw, learning_rate

LossFn = Callable[[nn.Module, Any], "Tensor | tuple[Tensor, dict[str, float]]"]

CHOICES = {"schedule": ("cosine", "wsd", "constant"), "precision": ("auto", "fp32", "bf16")}


@dataclass(frozen=True)
class TrainConfig:
    """How to train; the model and the data are given elsewhere.

    Args:
        steps: optimiser steps in all.
        lr: peak learning rate.
        schedule: "cosine", "wsd" (warmup, stable, decay) or "constant".
        warmup: steps of linear warmup.
        final_lr: last learning rate, as a fraction of the peak.
        decay: with "wsd", the fraction of all steps spent decaying.
        weight_decay: AdamW's, on matrices only.
        beta1, beta2: AdamW's averaging of the gradient and of its square.
        clip: largest gradient norm; larger gradients are scaled down to it.
        accumulate: batches whose gradients are averaged into one step.
        precision: "fp32", "bf16" (weights stay float32), or "auto": bf16 where the hardware has it.
        compile: compile the model with `torch.compile`; needs a C++ compiler on a CPU.

    Raises:
        ValueError: when a number is out of range.
    """

    steps: int = 1000
    lr: float = 1e-3
    schedule: str = "cosine"
    warmup: int = 20
    final_lr: float = 0.1
    decay: float = 0.2
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    accumulate: int = 1
    precision: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}.")
        for name in ("final_lr", "decay", "beta1", "beta2"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1; got {getattr(self, name)}.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}; got {getattr(self, name)!r}.")


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
        metrics: what the loss function reported beside the loss.
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
    """What changes while training: the weights, the optimiser's moments and the number of steps done."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def start(cls, model: nn.Module, config: TrainConfig) -> TrainState:
        """Returns the state before the first step, with a fresh AdamW."""
        return cls(model, adamw(model, config))


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
        batches: tensors, or tuples, lists or dicts of them; moved to the model's device. For a resumed
            run they must start where the earlier run stopped (`Stream.skip`).
        loss_fn: `(model, batch) -> loss` or `(loss, metrics)`.
        config: how to train.
        state: to go on from; None starts anew.

    Raises:
        NonFiniteLoss: with the number of the step, before its update is applied.
        ValueError: when the batches run out.

    Example:
        >>> from tinygpt import data, models, training
        >>> model = models.GPT(models.GPTConfig(vocab_size=32, n_layers=1, d_model=16))
        >>> stream, config = data.worlds.repeats(batch_size=4), TrainConfig(steps=3)
        >>> [s.step for s in train_steps(model, stream, training.next_token_loss, config)]
        [0, 1, 2]
    """
    state = state or TrainState.start(model, config)
    device = next(model.parameters()).device
    runner = torch.compile(model) if config.compile else model
    source = iter(batches)
    while state.step < config.steps:
        started = time.perf_counter()
        lr = learning_rate(state.step, config)
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        model.train()
        losses, metrics, tokens = [], {}, 0
        for _ in range(config.accumulate):
            batch = to_device(_next(source, state.step), device)
            with autocast(device, config.precision):
                loss, metrics = _split(loss_fn(runner, batch))
            (loss / config.accumulate).backward()
            losses.append(loss.detach())
            tokens += _first_tensor(batch).numel()
        loss_value = torch.stack(losses).mean().item()
        norm = _update(state, loss_value, config.clip)
        seconds = time.perf_counter() - started
        yield Step(state.step - 1, loss_value, lr, norm, tokens, seconds, metrics)


def _update(state: TrainState, loss: float, clip: float) -> float:
    """Clips the gradient and applies it; refuses one that is not finite. Returns its norm."""
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), clip).item()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        state.optimizer.zero_grad(set_to_none=True)
        raise NonFiniteLoss(
            f"step {state.step}: the loss is {loss} and the gradient norm {norm}. The weights are those "
            "before this step. Lower lr, lengthen warmup, or look at this batch."
        )
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.step += 1
    return norm


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Returns the context in which matrix products run in bfloat16, or one that changes nothing."""
    if precision == "fp32" or (precision == "auto" and not bf16_pays(device)):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def to_device(batch: Any, device: torch.device) -> Any:
    """Returns the batch with every tensor in it on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(part, device) for part in batch)
    if isinstance(batch, dict):
        return {key: to_device(part, device) for key, part in batch.items()}
    return batch


def _next(source: Iterator[Any], step: int) -> Any:
    try:
        return next(source)
    except StopIteration:
        raise ValueError(
            f"the batches ran out at step {step}. Ask for fewer steps, or give an endless stream "
            "(tinygpt.data.batches never ends)."
        ) from None


def _split(result: Tensor | tuple[Tensor, dict[str, float]]) -> tuple[Tensor, dict[str, float]]:
    return (result, {}) if isinstance(result, Tensor) else result


def _first_tensor(batch: Any) -> Tensor:
    if isinstance(batch, Tensor):
        return batch
    parts = batch.values() if isinstance(batch, dict) else batch
    return next((part for part in parts if isinstance(part, Tensor)), torch.empty(0))


def with_changes(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """Returns the config with some fields changed; an unknown name is an error that lists the known ones."""
    known = {f.name for f in fields(config)}
    if unknown := set(changes) - known:
        raise TypeError(f"unknown training option {sorted(unknown)}; known are {sorted(known)}.")
    return type(config)(**{f.name: getattr(config, f.name) for f in fields(config)} | changes)
