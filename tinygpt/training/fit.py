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

from tinygpt.training.checkpoint import describe, restore, save
from tinygpt.training.distributed import world
from tinygpt.training.loop import LossFn, TrainConfig, TrainState, loss_and_metrics, train_steps, with_changes
from tinygpt.training.losses import next_token_loss
from tinygpt.training.placement import autocast, device_of, to_device
from tinygpt.training.progress import Display, progress_for
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
    progress: bool | Display = True,
    **changes: Any,
) -> Run:
    """Trains the model in place, leaves it in evaluation mode, and returns the `Run`.

    Ctrl-C, a notebook's stop button and `stop` end it after the step in hand: the model keeps what it
    learnt, the checkpoint is written, and `run.interrupted` is True. A second Ctrl-C ends it at once.

    Processes that torchrun started share each step; see `tinygpt.training.joined`. The first one alone
    measures, shows progress and writes.

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
        resume: go on from `checkpoint` if it exists. On a CPU, with the same options, the losses are
            those of a run that was never stopped, bit for bit. Other options, such as more steps, count
            from here on.
        overwrite: replace an existing `checkpoint`.
        tokenizer, info: saved with the checkpoint; `info` is anything that JSON can hold.
        stop: set it from another thread to end the run; Ctrl-C does not set it.
        progress: show a bar (terminal) or a live curve (notebook), or tell a `Display` of your own.
        **changes: fields of `TrainConfig`.

    Raises:
        FileExistsError: when `checkpoint` exists and neither `resume` nor `overwrite` is given.
        NonFiniteLoss: naming the step; the checkpoint then holds the weights before it.
        TypeError: for an unknown option.
        ValueError: before the first step, when the checkpoint could not be written or resumed.

    Example:
        >>> from tinygpt import data, models
        >>> model = models.GPT(models.GPTConfig(vocab_size=32, n_layers=1, d_model=16))
        >>> fit(model, data.worlds.repeats(batch_size=4), steps=5, progress=False).interrupted
        False
    """
    config = with_changes(config or TrainConfig(), changes)
    stop, measure = stop or threading.Event(), measure or {}
    info = {**(info or {}), "train_config": asdict(config)}
    if every < 1:
        raise ValueError(f"every must be at least 1 step; got {every}.")
    if checkpoint is None and (resume or overwrite):
        raise ValueError("resume and overwrite are about a checkpoint; give checkpoint=path as well.")
    if checkpoint is not None:
        describe(model, tokenizer, info)  # what cannot be saved is refused now, not after the training
    state, run = TrainState.start(model, config), Run(total=config.steps, ruler=dict(ruler or {}))
    crew = world()
    # Asked of the first process: it may still be writing what the others would look for.
    if checkpoint is not None and crew.first(Path(checkpoint).exists()):
        run = _continued(checkpoint, state, run, resume, overwrite)
    steps = train_steps(model, _skipped(batches, state.batches), loss_fn, config, state=state)

    def write() -> None:
        if checkpoint is not None and run.steps:  # a first measurement that fails leaves no file behind
            save(checkpoint, model, tokenizer=tokenizer, state=state, info={**info, "run": run.to_dict()})

    if not crew.measures(model):
        measure = {}
    display = progress_for(run, progress if crew.rank == 0 else False)
    with _interrupts() as interrupted:
        try:
            if state.step == 0:
                _take(run, model, measure)
            while state.step < config.steps and not crew.any(stop.is_set() or interrupted.is_set()):
                run.steps.append(next(steps))
                done = state.step == config.steps
                if done or state.step % every == 0:
                    _take(run, model, measure)
                if state.step % every == 0 and not done:
                    write()
                display.update(run)
            run.interrupted = state.step < config.steps
        finally:
            model.eval()
            write()
            display.close(run)
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
        batches: the same `Stream` gives the same batches at every call. Each counts the same, however
            many of its targets count.
        n: how many batches.
        loss_fn: as for `fit`.
        precision: as in `TrainConfig`.

    Raises:
        ValueError: when there are fewer than `n` batches.
    """
    device, training = device_of(model), model.training
    losses = []
    model.eval()
    try:
        with autocast(device, precision):
            for batch in islice(batches, n):
                loss, _ = loss_and_metrics(loss_fn(model, to_device(batch, device)))
                losses.append(loss.item())
    finally:
        model.train(training)
    if not losses or len(losses) < n:
        raise ValueError(f"the mean of n={n} batches was asked for, and {len(losses)} came. Change n.")
    return sum(losses) / n


def _continued(
    path: str | os.PathLike[str], state: TrainState, run: Run, resume: bool, overwrite: bool
) -> Run:
    if resume:
        info = restore(path, state)
        if "run" not in info:
            raise ValueError(f"{path} was not written by fit. Go on with restore() and train_steps().")
        earlier = Run.from_dict(info["run"])
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
    if hasattr(batches, "skip"):
        return iter(batches.skip(n))
    # Replayed batches may draw random numbers; the restored generators must not notice.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()), enabled=n > 0):
        source = iter(batches)
        for _ in islice(source, n):
            pass
    return source


def _take(run: Run, model: nn.Module, measure: Mapping[str, Measurement]) -> None:
    model.eval()
    with torch.no_grad():
        for name, function in measure.items():
            run.measured.setdefault(name, []).append((len(run.steps), float(function(model))))


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event, so that no step is torn apart; the second one is as always."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, first)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
