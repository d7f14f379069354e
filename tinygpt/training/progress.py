"""Progress of a run: a live curve in a notebook, a bar in a terminal, a few lines in a file."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from tqdm import tqdm

from tinygpt.training.run import Run

REDRAW_SECONDS = 0.5


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel; IPython is not imported to find out."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None


class Display(Protocol):
    """What `fit` tells how far it is; called in the thread that trains."""

    def update(self, run: Run) -> None:
        """After every step."""

    def close(self, run: Run) -> None:
        """Once, at the end, however it came."""


class Silent:
    """Shows nothing."""

    def update(self, run: Run) -> None:
        pass

    def close(self, run: Run) -> None:
        pass


class Terminal:
    """A tqdm bar with loss, tokens/s and time left."""

    def __init__(self, run: Run) -> None:
        self.bar = tqdm(total=run.total, initial=len(run.steps), unit="step", dynamic_ncols=True)

    def update(self, run: Run) -> None:
        self.bar.set_postfix(_numbers(run), refresh=False)
        self.bar.update(len(run.steps) - self.bar.n)

    def close(self, run: Run) -> None:
        self.bar.close()


class Lines:
    """A line for each tenth of the run, for a file, in which a bar would be one endless line."""

    def __init__(self, run: Run) -> None:
        self.told = self._tenth(run)

    def update(self, run: Run) -> None:
        if self._tenth(run) > self.told:
            self.told = self._tenth(run)
            numbers = ", ".join(f"{name} {value}" for name, value in _numbers(run).items())
            print(f"{len(run.steps)}/{run.total} steps, {numbers}", file=sys.stderr, flush=True)

    def close(self, run: Run) -> None:
        pass

    def _tenth(self, run: Run) -> int:
        return 10 * len(run.steps) // max(1, run.total)


class Notebook:
    """One picture, replaced twice a second; its last state stays in the saved notebook."""

    def __init__(self, run: Run) -> None:
        from IPython.display import display

        self.started, self.first, self.drawn = time.monotonic(), len(run.steps), 0.0
        self.handle = display(self._bundle(run), raw=True, display_id=True)

    def update(self, run: Run) -> None:
        if time.monotonic() - self.drawn > REDRAW_SECONDS:
            self.drawn = time.monotonic()
            self.handle.update(self._bundle(run, self._title(run)), raw=True)

    def close(self, run: Run) -> None:
        self.handle.update(self._bundle(run), raw=True)

    def _title(self, run: Run) -> str:
        done = len(run.steps)
        spent = time.monotonic() - self.started
        left = spent / max(1, done - self.first) * (run.total - done)
        return f"{run.headline()} · {left:.0f} s left · ■ stops and keeps"

    def _bundle(self, run: Run, title: str | None = None) -> dict[str, Any]:
        text = title or run.headline()
        if not run.steps:
            return {"text/plain": text}
        return {"image/svg+xml": run.svg(title=title, total=run.total), "text/plain": text}


def _numbers(run: Run) -> dict[str, str]:
    recent = run.steps[-20:]
    speed = sum(s.tokens for s in recent) / max(1e-9, sum(s.seconds for s in recent))
    return {"loss": f"{sum(s.loss for s in recent) / max(1, len(recent)):.3f}", "tokens/s": f"{speed:,.0f}"}


def progress_for(run: Run, wanted: bool | Display) -> Display:
    """Returns the display that was given, or fits where this process runs."""
    if not isinstance(wanted, bool):
        return wanted
    if not wanted:
        return Silent()
    if in_notebook():
        return Notebook(run)
    return Terminal(run) if sys.stderr.isatty() else Lines(run)
