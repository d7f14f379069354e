"""Progress as it is seen: a bar in a terminal, lines in a file, a picture in a real kernel, a stop button."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import types
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tinygpt import data
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import Run, Step, fit, progress
from tinygpt.training.progress import in_notebook

ROOT = Path(__file__).resolve().parents[2]


def tiny_run(steps: int = 5, **options):
    model = GPT(GPTConfig(vocab_size=32, n_layers=1, d_model=16))
    return fit(model, data.worlds.repeats(batch_size=4), steps=steps, **options)


def test_a_terminal_shows_loss_speed_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run = tiny_run(30)
    bar = capsys.readouterr().err
    last = bar.split("\r")[-1]
    assert "30/30" in last and re.search(r"\[\d\d:\d\d<\d\d:\d\d,", last)
    shown = float(re.search(r"loss=([\d.]+)", last)[1])
    assert shown == pytest.approx(sum(run.losses[-20:]) / 20, abs=6e-4)
    assert re.search(r"tokens/s=[\d,]+", last)


def test_a_file_gets_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    run = tiny_run(35)
    written = capsys.readouterr().err
    assert "\r" not in written
    lines = written.splitlines()
    assert [int(line.split("/")[0]) for line in lines] == [4, 7, 11, 14, 18, 21, 25, 28, 32, 35]
    said = re.fullmatch(r"35/35 steps, loss ([\d.]+), tokens/s [\d,]+", lines[-1])
    assert float(said[1]) == pytest.approx(sum(run.losses[-20:]) / 20, abs=6e-4)


def test_a_resumed_run_tells_only_of_the_tenths_it_makes(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step(i, 2.0, 1e-3, 1.0, 128, 0.5) for i in range(20)]
    run = Run(steps[:15], total=20)
    lines = progress.Lines(run)
    for step in steps[15:]:
        lines.update(run)
        run.steps.append(step)
    lines.update(run)
    assert [line.split("/")[0] for line in capsys.readouterr().err.splitlines()] == ["16", "18", "20"]


def test_nothing_is_shown_when_nothing_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_with_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert not in_notebook()
    shell.kernel = object()
    assert in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()


def test_the_live_picture_says_what_is_left_and_is_not_redrawn_at_every_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, shown = [100.0], []
    handle = types.SimpleNamespace(update=lambda bundle, raw: shown.append(bundle))
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    steps = [Step(i, 2.0, 1e-3, 1.0, 128, 0.5) for i in range(20)]
    run = Run(steps[:10], total=40)  # a resumed run: the first ten steps took none of this time
    live = progress.Notebook(run)
    run.steps.extend(steps[10:])
    now[0] = 120.0
    live.update(run)
    live.update(run)
    assert len(shown) == 1
    assert "256 tokens/s · 10 s · 40 s left · ■ stops and keeps" in shown[0]["image/svg+xml"]
    live.close(run)
    assert "left" not in shown[1]["image/svg+xml"]


class Told:
    """A display of one's own."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.closed = 0

    def update(self, run: Run) -> None:
        self.steps.append(len(run.steps))

    def close(self, run: Run) -> None:
        self.closed += 1


def test_a_display_of_ones_own_is_told_every_step_and_the_end() -> None:
    told = Told()
    tiny_run(progress=told)
    assert told.steps == [1, 2, 3, 4, 5] and told.closed == 1


SETUP = """
import tinygpt as tg
model = tg.GPT(tg.GPTConfig(vocab_size=32, n_layers=1, d_model=16))
batches, w = tg.data.worlds.repeats(batch_size=4), model.embed.weight.clone()
"""
CELLS = {
    "setup": SETUP,
    "finished": "done = tg.fit(model, batches, steps=5, ruler={'uniform': 3.47})",
    "interrupted": "run = tg.fit(model, batches, steps=1_000_000)",
    "after": "print(run.interrupted, 0 < len(run.steps) < run.total, bool((model.embed.weight != w).any()))",
    "goes on": "print(len(tg.fit(model, batches, steps=3, progress=False).steps))",
}


async def executed(notebook: nbformat.NotebookNode) -> None:
    """Runs all cells, and presses the stop button once the one that would take hours has drawn itself."""
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}})
    async with client.async_setup_kernel():
        for name, (index, cell) in zip(CELLS, enumerate(notebook.cells), strict=True):
            running = asyncio.ensure_future(client.async_execute_cell(cell, index))
            if name == "interrupted":
                while not ("tokens/s" in str(cell.outputs) or running.done()):
                    await asyncio.sleep(0.1)
                await client.km.interrupt_kernel()
            await running


@pytest.fixture(scope="module")
def outputs() -> dict[str, list]:
    """What each cell left in the notebook that would be saved."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    )
    # A thread of its own, because a loop may run in this one.
    thread = threading.Thread(target=lambda: asyncio.run(executed(notebook)))
    thread.start()
    thread.join()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "says"), [("finished", "step 5 of 5 ·"), ("interrupted", "stopped at ")])
def test_the_saved_notebook_holds_one_picture_and_no_widget(outputs, name: str, says: str) -> None:
    (output,) = outputs[name]
    assert output.output_type == "display_data"
    assert set(output.data) == {"image/svg+xml", "text/plain"}
    assert output.data["text/plain"].startswith(says) and says in output.data["image/svg+xml"]
    assert ("uniform 3.47" in output.data["image/svg+xml"]) == (name == "finished")


@pytest.mark.slow
def test_the_stop_button_keeps_what_was_learnt_and_the_kernel(outputs) -> None:
    assert outputs["after"][0].text == "True True True\n"
    assert outputs["goes on"][0].text == "3\n"
