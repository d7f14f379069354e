"""The scaling view: its numbers against Python's, and what a reader meets in a real Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from views import inside, lab
from views.pages import READY, Page, open_notebook, prints, run_cell

from tinygpt.scaling import Chinchilla, ChinchillaFit, Result, bill, isoflop
from tinygpt.views import Scaling, scaling

browser_test = pytest.mark.browser
BUDGETS, SIZES, SEEDS = (1e9, 4e9, 16e9), (1000, 2000, 4000, 8000), 2
LAW = ChinchillaFit(
    E=1.55,
    A=50.0,
    B=50.0,
    alpha=0.7,
    beta=0.47,
    draws=tuple(Chinchilla(1.55 + i / 500, 50.0 + i, 50.0 - 2 * i, 0.7, 0.47) for i in range(-5, 6)),
)


def runs() -> list[Result]:
    """Three budgets of four sizes and two seeds, and one run that failed."""
    rng, made = np.random.default_rng(0), [Result("test:run", {"N": 1}, error="lost")]
    for C in BUDGETS:
        for N in SIZES:
            D = round(C / 6 / N)
            for seed in range(SEEDS):
                loss = float(LAW.loss(N, D)) + 0.01 * rng.normal()
                made.append(Result("test:run", {"seed": seed}, {"N": N, "D": D, "loss": loss}))
    return made


def shown(**options: Any) -> Scaling:
    return scaling(runs(), LAW, **{"entropy": 1.58, **options})


def seen(C: float) -> dict[str, Any]:
    """What the view says of a budget, by Python."""
    N, D = map(float, LAW.optimal(C))
    lows = {
        "N": lambda law: law.optimal(C)[0],
        "D": lambda law: law.optimal(C)[1],
        "loss": lambda law: law.loss(*law.optimal(C)),
    }
    spans = {name: LAW.interval(of) for name, of in lows.items()}
    return {"N": N, "D": D, "loss": float(LAW.loss(N, D)), "spans": spans}


def golden() -> dict[str, Any]:
    view, budgets = shown(), [5e8, 1e10, 1e12]
    cases = [(1e4, 1e6, "T4", 0.4, 2.0), (7e10, 1.4e12, "A100", 0.5, 1.5), (5e9, 1e11, "H100", 1.0, 3.0)]
    bills = [
        {"N": N, "D": D, "chip": chip, "paid": {"utilisation": share, "dollars_per_hour": price}}
        | {"wanted": asdict(bill(N, D, chip=chip, utilisation=share, dollars_per_hour=price))}
        for N, D, chip, share, price in cases
    ]
    good = [run.scores for run in runs()[1:]]
    N, D, loss = (np.array([one[name] for one in good]) for name in ("N", "D", "loss"))
    profiles = [
        {"loss": p.loss, "at2000": float(np.polyval(p.parabola, np.log10(2000)))}
        for p in isoflop(6 * N * D, N, loss)
    ]
    points = [
        {"N": n, "D": round(C / 6 / n), "C": 6 * n * round(C / 6 / n), "runs": SEEDS}
        | {"loss": float(loss[(n == N) & (round(C / 6 / n) == D)].mean())}
        for C in BUDGETS
        for n in SIZES
    ]
    payload = base64.b64encode(view._packed()[1]).decode()
    predicted = [seen(C) for C in budgets]
    return locals() | {"payload": payload}


def test_javascript_agrees_with_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    wanted = ("payload", "budgets", "predicted", "bills", "points", "profiles")
    case = golden()
    (tmp_path / "golden.json").write_text(json.dumps({name: case[name] for name in wanted}))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("scaling.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_its_text_tells_the_law_the_best_and_the_bill() -> None:
    view, best = shown(), seen(6 * 1000 * round(16e9 / 6 / 1000))
    lines = view._text().splitlines()
    assert lines[0] == (
        "Scaling view: 24 runs of 4 sizes and 3 budgets; loss = 1.55 + 50 / N^0.7 + 50 / D^0.47"
    )
    low, high = best["spans"]["loss"]
    assert lines[1].startswith(
        f"1.6e+10 FLOPs: best N {best['N']:.3g}, D {best['D']:.3g}, loss {best['loss']:.4g} "
        f"(90% of the draws: {low:.4g} to {high:.4g}); on 1 H100 at 40% of the peak "
    )
    assert lines[2] == "entropy of the text: 1.58 nats per token"
    assert [line.split(":")[0] for line in lines[3:]] == [f"IsoFLOP {C:.3g}" for C in BUDGETS]
    assert view.selected == pytest.approx(16e9, rel=1e-3)


def test_arrays_and_a_law_without_draws_will_do() -> None:
    N, D = np.array([1e3, 2e3, 5e3]), np.array([1e6, 1e5, 2e6])
    view = scaling((N, D, LAW.loss(N, D)), Chinchilla(1.55, 50.0, 50.0, 0.7, 0.47), budget=1e22, chip="T4")
    lines = view._text().splitlines()
    assert len(lines) == 2, "neither entropy nor parabolas, of which each takes three sizes of one budget"
    assert "draws" not in lines[1] and "T4 at 40%" in lines[1] and view.selected == 1e22
    assert np.ptp(view.band(1e10)) == 0


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([Result("r", {}, {"N": 1, "D": 2})], {}, "some lack 'loss'"),
        ([[1.0], [2.0]], {}, r"the arrays \(N, D, loss\); got 2 things"),
        ([], {}, "got 0 things"),
        ([[1.0], [2.0], [-1.0]], {}, "loss must be positive"),
        (runs(), {"budget": -1.0}, "budget must be a positive number; got -1"),
        (runs(), {"entropy": 0.0}, "entropy must be a positive number"),
        (runs(), {"chip": "abacus"}, "chip must be one of T4"),
        ([np.arange(1, 502.0)] * 3, {}, "a page shows 500 kinds of runs; these are 501"),
    ],
)
def test_misuse_is_refused(given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scaling(given, LAW, **options)


def slider(page: Any) -> Any:
    return page.get_by_role("slider", name="Budget in FLOPs")


@browser_test
def test_keys_drag_the_budget(show: Callable[..., Page]) -> None:
    page = show(shown(budget=1e10))
    assert page.said.startswith("1.00e10 FLOPs: best size N ") and "1 × H100" in page.said
    page.press(slider(page.page), *["ArrowRight"] * 3)
    C = float(page.said.split()[0])
    assert pytest.approx(10**10.03, rel=0.02) == C
    assert slider(page.page).get_attribute("aria-valuetext") == page.said.split(":")[0]
    facts = dict(
        zip(*(page.page.locator(f"dl {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True)
    )
    best = seen(C)
    assert float(facts["loss, nats per token"].split()[0]) == pytest.approx(best["loss"], abs=2e-3)
    assert float(facts["tokens per parameter"]) == pytest.approx(best["D"] / best["N"], rel=0.02)
    page.page.keyboard.press("Escape")
    assert page.said.startswith("1.00e10 FLOPs: ")


@browser_test
def test_the_pointer_drags_the_budget_and_tells_of_runs(show: Callable[..., Page]) -> None:
    page = show(shown(budget=1e10))
    chart = page.page.get_by_label("Loss against FLOPs")
    chart.hover()  # scrolls it into sight
    box = chart.bounding_box()
    told = set()
    for x in range(40, int(box["width"]) - 80, 6):
        for y in range(20, 230, 12):
            page.page.mouse.move(box["x"] + x, box["y"] + y)
            told.add(page.said)
    assert len({text for text in told if text.startswith("2 runs of N ")}) >= 8
    page.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 100)
    page.page.mouse.down()
    first = float(page.said.split()[0])
    page.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 100)
    page.page.mouse.up()
    assert float(page.said.split()[0]) > 10 * first


@browser_test
def test_axes_heights_chips_and_tables(show: Callable[..., Page]) -> None:
    page = show(shown(budget=1e10))
    drawn = """() => { window.drawn = []; const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { window.drawn.push(text);
        return write.call(this, text, ...at); }; }"""
    page.page.evaluate(drawn)

    def after(name: str) -> list[str]:
        page.page.evaluate("window.drawn = []")
        page.page.get_by_role("button", name=name, exact=True).click()
        return page.page.evaluate("window.drawn")

    assert "loss above E (nats per token)" in after("loss above E")
    linear = after("linear axes")
    assert "0" in linear and "frontier" in linear
    assert not page.page.get_by_text("looks like a wall").count()
    assert {"loss (nats per token)", "entropy 1.58"} <= set(after("loss"))
    assert page.page.get_by_text("looks like a wall").is_visible()
    page.page.get_by_role("button", name="T4").click()
    assert page.said.endswith("on 1 × T4")
    page.page.get_by_role("button", name="Table").click()
    tables = page.page.locator("table")
    assert tables.first.locator("tbody tr").count() == 12
    assert tables.last.locator("tbody tr").count() == 3


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    inside.check_budgets(show, shown(), 60, "canvas")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(shown(), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_scaling
view = test_scaling.shown(budget=1e10)
view
---
print("budget", round(view.selected / 1e10, 1))
"""


@browser_test
def test_a_kernel_hears_of_the_budget(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "scaling.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1200, "height": 1200})
    page = open_notebook(context, server.url("scaling.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    slider(live).focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert prints(page, 1, "budget 2.0")
    context.close()
    server.end_kernels()
