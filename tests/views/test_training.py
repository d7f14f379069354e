"""The training view: that it trains as `fit` does, stops, resumes and survives, and what a reader meets."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from views import inside, lab
from views.pages import READY, Page, open_notebook, run_cell

import tinygpt
from tinygpt import data
from tinygpt.alignment import ActorCritic
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import NonFiniteLoss, next_token_loss
from tinygpt.views import Training, training

browser_test = pytest.mark.browser
RULER = {"uniform": math.log(32), "bigram": 2.5}


def learner() -> GPT:
    return GPT(GPTConfig(vocab_size=32, n_layers=1, n_heads=2, d_model=16, context=64), seed=0)


def batches() -> Any:
    return data.worlds.repeats(batch_size=4)


def with_reward(model: torch.nn.Module, batch: Any) -> Any:
    loss = next_token_loss(model, batch)
    return loss, {"reward": 1 - loss.detach()}


def paced(view: Training, steps: int) -> None:
    """Waits until the run has so many steps."""
    lab.wait_for(lambda: len(view.run.steps) >= steps or view.status == "failed", f"{steps} steps")


def trained(**options: Any) -> Training:
    given = {"steps": 30, "every": 10, "ruler": RULER, "measure": {"test loss": lambda model: 3.0}}
    said = lambda model: f"weight {float(model.embed.weight[0, 0].detach()):.3f}"  # noqa: E731
    view = training(learner(), batches(), with_reward, sample=said, samples=3, **given | options)
    view.wait()
    return view


def test_it_trains_as_fit_does_and_keeps_samples() -> None:
    model, other, before = learner(), learner(), torch.get_rng_state()
    drawn: list[tuple[bool, bool]] = []

    def sample(model: GPT) -> str:
        drawn.append((model.training, torch.is_grad_enabled()))
        return f"{torch.rand(1).item():.9f}"

    view = training(model, batches(), steps=8, every=4, sample=sample, samples=4)
    run, same = view.wait(), tinygpt.fit(other, batches(), steps=8, progress=False)
    assert run.losses == same.losses and not run.interrupted
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert [step for step, _ in view.samples] == [0, 2, 4, 6, 8]
    assert drawn == [(False, False)] * 5 and not model.training
    assert torch.equal(torch.get_rng_state(), before), "a sample that draws disturbs nothing"
    assert view.status == "finished" and view.run is run


def test_stop_keeps_all_and_resume_goes_on_as_if_it_had_never_stopped() -> None:
    model = learner()
    view = training(model, batches(), with_reward, steps=60, every=7, sample=lambda model: "hi", samples=6)
    paced(view, 5)
    run = view.stop()
    done = len(run.steps)
    assert run.interrupted and 5 <= done < 60 and view.status == "stopped" and not model.training
    assert not view._thread.is_alive() and threading.active_count() >= 1
    view.resume()
    run = view.wait()
    unbroken = tinygpt.fit(learner(), batches(), with_reward, steps=60, progress=False)
    assert run.losses == unbroken.losses and view.status == "finished"
    assert [step for step, _ in view.samples] == list(range(0, 61, 10))
    xs, ys, _ = view._header()["curves"]["loss"]
    assert xs == list(range(1, 61)) and ys == [float(f"{loss:.4g}") for loss in unbroken.losses]
    view.resume()
    assert view.status == "finished", "a run that is done stays as it is"


def test_an_own_checkpoint_is_written_and_resumed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    view = trained(checkpoint=path, steps=20)
    assert path.exists() and len(view.run.steps) == 20
    longer = trained(checkpoint=path, steps=30, resume=True)
    assert len(longer.run.steps) == 30
    xs, _, _ = longer._header()["curves"]["loss"]
    assert xs == list(range(1, 31)), "what an earlier run did is shown too"


def test_without_a_checkpoint_any_module_trains_and_a_stopped_run_stays_so() -> None:
    actor = ActorCritic(learner())  # no checkpoint can hold it
    loss = lambda model, batch: next_token_loss(model.policy, batch)  # noqa: E731
    view = training(actor, batches(), loss, steps=100_000, checkpoint=None)
    paced(view, 3)
    done = len(view.stop().steps)
    view.resume()
    assert view.status == "stopped" and len(view.wait().steps) == done and view._header()["over"]
    finished = training(actor, batches(), loss, steps=3, checkpoint=None)
    assert len(finished.wait().steps) == 3 and finished.status == "finished"


def test_a_strangers_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained(checkpoint=path, steps=5)
    view = training(learner(), batches(), steps=9, checkpoint=path)
    for _ in range(2):
        with pytest.raises(FileExistsError, match="Pass resume=True"):
            view.wait()
        view.resume()
    assert not view.run.steps


def test_what_ends_the_training_is_shown_and_raised() -> None:
    view = training(
        learner(), batches(), lambda model, batch: next_token_loss(model, batch) * math.nan, steps=3
    )
    with pytest.raises(NonFiniteLoss, match="step 0: the loss is nan"):
        view.wait()
    assert view.status == "failed" and view._header()["error"].startswith("NonFiniteLoss: step 0")
    with pytest.raises(TypeError, match="unknown training option"):
        training(learner(), batches(), stepz=3)
    with pytest.raises(ValueError, match="the view has progress and stop of its own"):
        training(learner(), batches(), stop=threading.Event(), progress=True)


def test_its_text_and_curves() -> None:
    view = trained()
    lines = view._text().splitlines()
    assert lines[0].startswith("Training view: step 30 of 30 · loss ")
    assert lines[1:4] == ["uniform: 3.47 nats", "bigram: 2.50 nats", "test loss: 3 after step 30"]
    assert [line.split(":")[0] for line in lines[4:]] == [f"said after step {n}" for n in (0, 10, 20, 30)]
    curves = view._header()["curves"]
    assert set(curves) == {"loss", "reward", "test loss"}
    assert curves["test loss"] == [[0, 10, 20, 30], [3.0] * 4]
    json.dumps(view._header(), allow_nan=False)


class Listening:
    """A page that hears what a widget would send."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        json.dumps(message, allow_nan=False)
        self.heard.append(message)


def test_showing_it_costs_under_two_percent_and_buttons_work(monkeypatch: pytest.MonkeyPatch) -> None:
    spent, seen = [], Training._seen

    def timed(view: Training, run: Any) -> None:
        started = time.thread_time()
        seen(view, run)
        spent.append(time.thread_time() - started)

    monkeypatch.setattr(Training, "_seen", timed)
    monkeypatch.setattr("tinygpt.views._training._KEEP", 0.5)
    started = time.process_time()
    view, page = training(learner(), batches(), with_reward, steps=100_000), Listening()
    view._widget = page
    paced(view, 400)
    view._on_message(page, {"press": "stop"}, [])
    run = view.wait()
    assert sum(spent) < 0.02 * (time.process_time() - started)
    assert 2 <= len(page.heard) < 0.3 * len(run.steps), "at a bounded rate"
    assert page.heard[-1]["status"] == "stopped" and page.heard[-1]["done"] == len(run.steps)
    assert page.heard[-2]["curves"]["loss"][0][-1] <= len(run.steps)
    view._on_message(page, {"press": "resume"}, [])
    assert view.status == "running"
    paced(view, len(run.steps) + 1)
    view.stop()


@browser_test
def test_without_a_kernel_it_shows_curve_ruler_and_samples(show: Callable[..., Page]) -> None:
    view = trained()
    page = show(view)
    chart = page.page.get_by_label("loss by step")
    label = chart.get_attribute("aria-label")
    assert "test loss 3.000, uniform 3.47, bigram 2.50" in label
    assert page.page.get_by_role("button", name="Resume").count() == 0
    samples = page.page.locator(".samples li")
    assert samples.count() == 4 and samples.first.inner_text() == f"step 30{view.samples[-1][1]}"
    smooth = view._header()["curves"]["loss"][2]
    assert page.said.startswith(f"Step 30 of 30: loss {smooth[-1]:.3f} (smoothed), reward ")
    page.press(chart, "Home")
    assert page.said.startswith(f"Step 1: loss {smooth[0]:.3f} (smoothed)")
    assert page.page.locator(".samples li.on").inner_text().startswith("step 0")
    page.press(chart, *["ArrowRight"] * 11)
    assert page.said.startswith(f"Step 12: loss {smooth[11]:.3f} (smoothed)")
    assert page.page.locator(".samples li.on").inner_text().startswith("step 10")
    page.page.keyboard.press("Escape")
    assert page.said.startswith("Step 30 of 30")
    page.page.get_by_role("button", name="reward").click()
    assert page.page.get_by_label("reward by step").count() == 1
    page.page.get_by_role("button", name="Table").click()
    cells = page.page.locator("table").first.locator("tbody tr").all_inner_texts()
    assert cells == ["uniform\t3.466", "bigram\t2.500"]


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    view = trained(steps=600)
    inside.check_budgets(show, view, 60, "canvas[tabindex]")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(trained(), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_training as t
options = dict(steps=1_000_000, ruler=t.RULER, sample=lambda model: "hello", samples=10_000)
view = t.training(t.learner(), t.batches(), **options)
view
---
print("interrupted", view.wait().interrupted, view.status)
---
print(view.stop())
---
"a cell below"
"""


@browser_test
def test_a_reader_stops_and_resumes_in_jupyterlab(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "training.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    page = open_notebook(context, server.url("training.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    steps = lambda: int(live.locator(".say").inner_text().split(" ")[1])  # noqa: E731
    lab.wait_for(lambda: steps() > 150, "a sample")
    newest = live.locator(".samples li").first.inner_text()
    assert newest.startswith("step ") and newest.endswith("00hello")
    page.get_by_text("| Idle").wait_for(timeout=60_000)
    live.get_by_role("button", name="Stop").click()
    live.get_by_role("button", name="Resume").wait_for()
    done = steps()
    assert live.locator(".state").inner_text().startswith(f"stopped at {done} of ")
    run_cell(page, 1)
    page.get_by_text("interrupted True stopped").wait_for()
    live.get_by_role("button", name="Resume").click()
    lab.wait_for(lambda: steps() > done + 20, "the run to go on")
    run_cell(page, 2)
    page.get_by_text("Run(stopped at ").wait_for()
    kept = steps()
    run_cell(page, 3)
    page.keyboard.press("Control+s")
    path = server.folder / "training.ipynb"
    lab.wait_for(
        lambda: f"Training view: stopped at {kept} of" in path.read_text(), "the last picture, saved"
    )
    page.close()
    server.end_kernels()
    page = open_notebook(context, server.url("training.ipynb"))
    still = page.locator(f"[data-tinygpt]{READY}")
    still.wait_for()
    lab.wait_for(lambda: still.locator(".say").inner_text().startswith(f"Step {kept} of "), "the curve")
    assert still.locator(".samples li").count() > 1
    context.close()
    server.end_kernels()
