"""`fit`: drain the training loop with progress, measurements, checkpoints and a working stop button."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tinygpt.training.checkpoint import restore, save
from tinygpt.training.loop import (
    LossFn,
    TrainConfig,
    TrainState,
    autocast,
    to_device,
    train_steps,
    with_changes,
)
from tinygpt.training.losses import next_token_loss
from tinygpt.training.progress import progress_for
from tinygpt.training.run import Run

if TYPE_CHECKING:
    from tinygpt.tokenizers import Tokenizer

Measurement = Callable[[nn.Module], float]


def fit(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: LossFn = next_token_loss,
    *,
    config: TrainConfig | None = None,
    measure: Mapping[str, Measurement] | None = None,
    every: int = 100,
    ruler: Mapping[str, float] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tokenizer: Tokenizer | None = None,
    info: Mapping[str, Any] | None = None,
    stop: threading.Event | None = None,
    progress: bool = True,
    **changes: Any,
) -> Run:
    """Trains the model in place and returns the `Run`.

    Ctrl-C, a notebook's stop button and `stop` end it after the step in hand: the model keeps what it
    learnt, the checkpoint is written, and `run.interrupted` is True. A second Ctrl-C ends it at once.

    Args:
        model: trained in place, on the device it is on.
        batches: an endless iterable, best a `tinygpt.data.Stream`, which resumes without replaying.
        loss_fn: `(model, batch) -> loss` or `(loss, metrics)`.
        config: how to train; single fields can be given as keywords instead, such as `steps=300, lr=3e-3`.
        measure: functions of the model, called before the first step, every `every` steps and at the end.
            Names that contain "loss" are drawn with the loss.
        every: steps between measurements, and between checkpoints.
        ruler: losses to compare with, name → nats; see `tinygpt.data.rulers`.
        checkpoint: file to write to; see `tinygpt.training.load`.
        resume: go on from `checkpoint` if it exists. On a CPU the losses are those of a run that was
            never stopped, bit for bit.
        overwrite: replace an existing `checkpoint`.
        tokenizer, info: saved with the checkpoint; `info` is anything that JSON can hold.
        stop: set it from another thread to end the run.
        progress: show a bar (terminal) or a live curve (notebook).
        **changes: fields of `TrainConfig`.

    Raises:
        FileExistsError: when `checkpoint` exists and neither `resume` nor `overwrite` is given.
        NonFiniteLoss: naming the step; the checkpoint then holds the weights before it.
        TypeError: for an unknown option.

    Example:
        >>> from tinygpt import data, models
        >>> model = models.GPT(models.GPTConfig(vocab_size=32, n_layers=1, d_model=16))
        >>> fit(model, data.worlds.repeats(batch_size=4), steps=5, progress=False).interrupted
        False
    """
    config = with_changes(config or TrainConfig(), changes)
    state, run = TrainState.start(model, config), Run(total=config.steps, ruler=dict(ruler or {}))
    if checkpoint is not None and Path(checkpoint).exists():
        run = _continued(checkpoint, state, run, resume, overwrite)
    source = _skipped(batches, state.step * config.accumulate)
    stop, measure = stop or threading.Event(), measure or {}
    info = {**(info or {}), "train_config": asdict(config)}

    def write() -> None:
        if checkpoint is not None and run.steps:  # a first measurement that fails leaves no file behind
            save(checkpoint, model, tokenizer=tokenizer, state=state, info={**info, "run": run.to_dict()})

    display = progress_for(run, progress)
    try:
        with _interrupts(stop):
            if state.step == 0:
                _take(run, model, measure)
            for step in train_steps(model, source, loss_fn, config, state=state):
                run.steps.append(step)
                done = state.step == config.steps
                if measure and (done or state.step % every == 0):
                    _take(run, model, measure)
                if state.step % every == 0 and not done:
                    write()
                display.update(run)
                if stop.is_set() and not done:
                    run.interrupted = True
                    break
    finally:
        display.close(run)
        write()
    model.eval()
    return run


@torch.no_grad()
def mean_loss(
    model: nn.Module,
    batches: Iterable[Any],
    n: int,
    loss_fn: LossFn = next_token_loss,
    *,
    precision: str = "fp32",
) -> float:
    """Returns the mean loss over the first `n` batches, in nats per token for a language model.

    Args:
        model: left in the mode it was in.
        batches: the same `Stream` gives the same batches at every call.
        n: how many batches.
        loss_fn: as for `fit`.
        precision: as in `TrainConfig`.
    """
    device, training = next(model.parameters()).device, model.training
    model.eval()
    total = 0.0
    try:
        with autocast(device, precision):
            for batch in islice(batches, n):
                loss = loss_fn(model, to_device(batch, device))
                total += float(loss if isinstance(loss, torch.Tensor) else loss[0])
    finally:
        model.train(training)
    return total / n


def _continued(
    path: str | os.PathLike[str], state: TrainState, run: Run, resume: bool, overwrite: bool
) -> Run:
    if resume:
        earlier = Run.from_dict(restore(path, state)["run"])
        earlier.total, earlier.interrupted = run.total, False
        earlier.ruler = run.ruler or earlier.ruler
        return earlier
    if not overwrite:
        raise FileExistsError(
            f"{path} exists. Pass resume=True to go on from it, overwrite=True to replace it, "
            "or another path."
        )
    return run


def _skipped(batches: Iterable[Any], n: int) -> Iterator[Any]:
    if n == 0:
        return iter(batches)
    return iter(batches.skip(n)) if hasattr(batches, "skip") else islice(batches, n, None)


def _take(run: Run, model: nn.Module, measure: Mapping[str, Measurement]) -> None:
    model.eval()
    with torch.no_grad():
        for name, function in measure.items():
            run.measured.setdefault(name, []).append((len(run.steps), float(function(model))))


@contextmanager
def _interrupts(stop: threading.Event) -> Iterator[None]:
    """Turns the first Ctrl-C into `stop`, so that no step is torn apart; the second one is as always."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
