"""The training view: the loss while a model learns, what the model says by then, a stop that keeps it."""

from __future__ import annotations

import inspect
import math
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tinygpt.training import Run, TrainConfig, fit, next_token_loss
from tinygpt.training.curve import MovingAverage, thinned
from tinygpt.training.loop import with_changes
from tinygpt.views._host import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from tinygpt.training.loop import LossFn

_SECONDS = 0.25  # between two messages to the page
_KEEP = 15.0  # and between two pictures kept in the notebook, which outlive the kernel
_SHARE = 0.005  # of the time goes into messages, and as much into keeping the notebook's copy up to date
_OWN = ("stop", "progress")


def training(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: LossFn = next_token_loss,
    *,
    sample: Callable[[nn.Module], str] | None = None,
    samples: int = 10,
    **options: Any,
) -> Training:
    """Trains the model in the background with `fit`, and shows it: curves, ruler, samples, stop and resume.

    The cell ends at once; `wait()` in the next one returns the `Run`. Until then the model changes under
    whatever else reads it. Stop ends the run after the step in hand: nothing is lost, the model is in
    evaluation mode, and resume goes on from there, with the losses of a run that was never stopped. Without a
    kernel the view shows the curves and samples as last kept.

    Args:
        model: Trained in place.
        batches: As in `fit`.
        loss_fn: As in `fit`.
        sample: What the model says by now, such as an answer to a fixed prompt; called between steps, in
            evaluation mode and without gradients. The global generator is as before afterwards.
        samples: How often in a whole run, besides before the first step.
        **options: Of `fit`, such as `steps`, `lr`, `ruler`, `measure`, `every`. Without a `checkpoint` a
            temporary one is written, every `every` steps too, since resuming needs it. `checkpoint=None`
            writes none, for a model that no checkpoint can hold: a run that was stopped stays so.

    Returns:
        A view that shows itself as the last line of a cell. Whatever `fit` raises, `wait` raises.

    Raises:
        TypeError: For an unknown option.
        ValueError: When `stop` or `progress` is given, which the view has itself.

    Example:
        >>> from tinygpt import data, models
        >>> model = models.GPT(models.GPTConfig(vocab_size=32, n_layers=1, d_model=16), seed=0)
        >>> view = training(model, data.worlds.repeats(batch_size=4), steps=5, sample=lambda model: "hi")
        >>> view.wait().interrupted, view.samples
        (False, [(0, 'hi'), (1, 'hi'), (2, 'hi'), (3, 'hi'), (4, 'hi'), (5, 'hi')])
    """
    if taken := sorted(set(options) & set(_OWN)):
        raise ValueError(f"the view has {' and '.join(taken)} of its own; leave them out. See Training.stop.")
    fields = {name: value for name, value in options.items() if name not in inspect.signature(fit).parameters}
    steps = with_changes(options.get("config") or TrainConfig(), fields).steps
    view = Training(model, batches, loss_fn, options, sample, max(1, steps // max(1, samples)))
    view.run = Run(total=steps, ruler=dict(options.get("ruler") or {}))
    view.resume()
    return view


class Training(View):
    """The view that `training` returns.

    Attributes:
        run: The `Run` so far.
        samples: (step, text), step 0 being before the first.
        status: "running", "stopped", "finished" or "failed".
    """

    _module = "training"
    _colours = 48

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        loss_fn: LossFn,
        options: dict[str, Any],
        sample: Callable[[nn.Module], str] | None,
        every: int,
    ) -> None:
        super().__init__()
        # Its content grows, so that its name cannot be made from it.
        self._id = secrets.token_hex(6)
        self._fitted, self._options = (model, batches, loss_fn), dict(options)
        self._sample, self._every = sample, every
        self.run, self.samples, self.status = Run(), [], "stopped"
        self._tracks: dict[str, _Track] = {}
        self._event, self._thread, self._error = threading.Event(), threading.Thread(), None
        self._told, self._kept = _Budget(_SECONDS), _Budget(_KEEP)
        if "checkpoint" not in options:
            self._folder = tempfile.TemporaryDirectory()
            self._options["checkpoint"] = f"{self._folder.name}/run"

    def stop(self) -> Run:
        """Ends the run after the step in hand, and returns it; `resume` goes on from there."""
        self._event.set()
        return self.wait()

    def resume(self) -> None:
        """Goes on in the background from where the run stopped; a run that is on, or done, stays as it is."""
        if self._thread.is_alive() or self._over:
            return
        self._event.clear()
        self.status, self._error = "running", None
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()

    @property
    def _over(self) -> bool:
        """Whether the run cannot go on: it is done, or began and left no checkpoint."""
        return self.status == "finished" or (bool(self.run.steps) and self._options["checkpoint"] is None)

    def wait(self) -> Run:
        """Returns the run when it has ended. Ctrl-C, and a notebook's stop button, stop it like `stop`.

        Raises:
            Exception: What ended the training, if it failed.
        """
        while self._thread.is_alive():
            try:
                self._thread.join(0.1)
            except KeyboardInterrupt:
                self._event.set()
        if self._error is not None:
            raise self._error
        return self.run

    def _train(self) -> None:
        model, batches, loss_fn = self._fitted
        try:
            if not self.samples:
                self._take(0)
            self.run = fit(model, batches, loss_fn, stop=self._event, progress=_Watch(self), **self._options)
            self.status = "stopped" if self.run.interrupted else "finished"
        except BaseException as error:  # it is the reader's, who sees it in the view and from wait()
            self.status, self._error = "failed", error
        if self.run.steps:  # then the checkpoint is this run's own
            self._options |= {"resume": True, "overwrite": False}
        self._tell()
        self._refresh()

    def _seen(self, run: Run) -> None:
        """Called after every step, by the thread that trains."""
        self.run = run
        if len(run.steps) % self._every == 0 and len(run.steps) > self._sampled:
            self._take(len(run.steps))
        self._told.spend(self._tell)
        self._kept.spend(self._refresh)

    @property
    def _sampled(self) -> int:
        """The step of the last sample; −1 before the first."""
        return self.samples[-1][0] if self.samples else -1

    def _take(self, step: int) -> None:
        import torch

        if self._sample is None:
            return
        model = self._fitted[0]
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            self.samples.append((step, str(self._sample(model))))

    def _tell(self) -> None:
        if self._widget is not None:
            self._widget.send(self._header())

    def _on_message(self, widget: Any, question: dict[str, Any], buffers: list[bytes]) -> None:
        if question.get("press") == "stop":
            self._event.set()
        elif question.get("press") == "resume":
            self.resume()
        widget.send(self._header())

    def _header(self) -> dict[str, Any]:
        run = self.run
        return {
            "status": self.status,
            "over": self._over,
            "headline": run.headline(),
            "error": f"{type(self._error).__name__}: {self._error}" if self._error else "",
            "done": len(run.steps),
            "total": run.total,
            "ruler": run.ruler,
            "curves": self._curves(run),
            "samples": self.samples,
        }

    def _curves(self, run: Run) -> dict[str, list[list[float | None]]]:
        """Name → steps and values, of what every step tells smoothed values too; at most about 300 each."""
        for step in run.steps[len(self._tracks["loss"].values) if self._tracks else 0 :]:
            for name, value in {"loss": step.loss, **step.metrics}.items():
                self._tracks.setdefault(name, _Track()).add(step.step + 1, value)
        curves = {name: track.points() for name, track in self._tracks.items()}
        for name, points in run.measured.items():
            steps, values = zip(*points, strict=True)
            curves[name] = [list(steps), [_short(value) for value in values]]
        return curves

    def _data(self) -> bytes:
        return b""

    def _text(self) -> str:
        run = self.run
        lines = [f"Training view: {run.headline()}"]
        lines += [f"{name}: {value:.2f} nats" for name, value in run.ruler.items()]
        lines += [
            f"{name}: {points[-1][1]:.4g} after step {points[-1][0]}" for name, points in run.measured.items()
        ]
        return "\n".join([*lines, *(f"said after step {step}: {text}" for step, text in self.samples)])

    def _figure(self) -> Figure:
        from tinygpt.views._training_figure import figure

        return figure(self.run, self.samples)


class _Watch:
    """Tells the view how far `fit` is."""

    def __init__(self, view: Training) -> None:
        self.view = view

    def update(self, run: Run) -> None:
        self.view._seen(run)

    def close(self, run: Run) -> None:
        self.view.run = run


class _Budget:
    """Lets something happen now and then, so that it takes no more than a small share of the time."""

    def __init__(self, least: float) -> None:
        self.least = least
        self.next = time.monotonic() + least

    def spend(self, act: Callable[[], None]) -> None:
        started = time.monotonic()
        if started < self.next:
            return
        act()
        now = time.monotonic()
        self.next = now + max(self.least, (now - started) / _SHARE)


class _Track:
    """A number that every step tells, and its moving average."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self.smooth: list[float] = []
        self._average = MovingAverage()

    def add(self, step: int, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)
        self.smooth.append(self._average(value))

    def points(self) -> list[list[float | None]]:
        kept = [place - 1 for place, _ in thinned(self.values)]
        pick = lambda values: [_short(values[i]) for i in kept]  # noqa: E731
        return [[self.steps[i] for i in kept], pick(self.values), pick(self.smooth)]


def _short(value: float) -> float | None:
    """Four significant digits, and None for what JSON has no number for."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
