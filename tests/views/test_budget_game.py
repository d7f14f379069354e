"""The view of the budget game: it plays by Python's rules, Python follows it, and its page can be played."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from views import inside, lab
from views.pages import READY, Page, keeps, open_notebook, prints, run_cell

from tinygpt.scaling import Chinchilla, Game, Result
from tinygpt.views import budget_game

browser_test = pytest.mark.browser
LAW = Chinchilla(E=1.5, A=20.0, B=60.0, alpha=0.6, beta=0.5)


def game() -> Game:
    """Three budgets of three sizes, 2, 8 and 32 credits, two seeds each, and two runs to bet on."""
    rng = np.random.default_rng(0)

    def run(N: int, C: float, seed: int) -> Result:
        D = round(C / N)
        loss = float(LAW.loss(N, D)) + 0.004 * rng.normal()
        return Result("test:run", {"N": N, "D": D, "seed": seed}, {"N": N, "D": D, "loss": loss})

    sold = [run(N, C, seed) for C in (1e8, 4e8, 16e8) for N in (1000, 4000, 16000) for seed in (0, 1)]
    return Game(sold, [run(N, 16e9, seed) for N in (4000, 16000) for seed in range(3)])


def played(play: Game, order: list[int], bet: list[float]) -> dict[str, Any]:
    """What Python says of a game: each try with its loss, or null where the rules refuse it."""
    offers, tries, target = play.offers(), [], play.target
    for cell in order:
        try:
            loss = play.buy(offers[cell].N, offers[cell].D)
        except ValueError:
            loss = None
        tries.append({"cell": cell, "loss": loss, "credits": play.credits})
    verdict = play.predict(*bet)
    wanted = {"loss": float(np.mean(verdict.losses)), "inside": verdict.inside * len(verdict.losses)}
    wanted |= dict(zip(("penalty", "baseline"), verdict.penalties, strict=True))
    return {"round": play.round, "tries": tries, "bet": bet, "target": target, "verdict": wanted}


def test_javascript_plays_by_the_same_rules(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        lab.not_run("No node, which runs the views' JavaScript. Install Node.js 18 or newer.")
    rng, play, games = np.random.default_rng(1), game(), []
    payload = base64.b64encode(budget_game(play)._packed()[1]).decode()
    for _ in range(4):
        low, loss, high = sorted(rng.uniform(1.6, 1.75, size=3).tolist())
        games.append(played(play, rng.integers(9, size=25).tolist(), [loss, low, high]))
        play = play.again()
    refused = [one["loss"] is None for each in games for one in each["tries"]]
    assert 10 < sum(refused) < 90, "the games buy, and meet the rules"
    (tmp_path / "golden.json").write_text(json.dumps({"payload": payload, "games": games}))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("game.test.mjs"))],
        env=os.environ | {"GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_game_follows_the_page() -> None:
    first = game()
    view = budget_game(first)
    heard: list[Any] = []
    view.on_select(heard.append)
    assert repr(view).startswith("Budget game: 100 credits left, 0 runs bought; what will N=16,000 and")
    view.widget.selected = [0, [0], []]
    view.widget.selected = [0, [0, 0, 4], []]
    assert view.game is first and first.credits == 100 - 2 - 2 - 8
    lines = view._text().splitlines()
    assert lines[0].startswith("Budget game: 88 credits left, 3 runs bought")
    offer = first.offers()[0]
    losses = ", ".join(f"{run.scores['loss']:.4f}" for run in first.bought[:2])
    assert lines[1] == f"bought N {offer.N:,}, D {offer.D:,}: {losses}"
    view.widget.selected = [0, [0, 0, 4], [1.6, 1.55, 1.65]]
    assert first.verdict is not None and "you said 1.6000, 1.5500 to 1.6500; it is " in repr(view)
    assert heard[-1] == (0, [0, 0, 4], [1.6, 1.55, 1.65])
    view.widget.selected = [1, [], []]
    assert view.game is not first and view.game.credits == 100 and view.game.target != first.target
    assert first.verdict is not None


def test_the_page_follows_the_rules() -> None:
    view = budget_game(game())
    dear = [i for i, offer in enumerate(view.game.offers()) if offer.price == 32]
    view.widget.selected = [0, dear + dear[:1], []]
    assert view.widget.selected == [0, dear, []] and view.game.credits == 4
    view.widget.selected = [0, dear, [1.6, 1.7, 1.8]]
    assert view.widget.selected == [0, dear, []] and view.game.verdict is None
    view.widget.selected = [0, dear, [1.6, 1.5, 1.8]]
    view.widget.selected = [0, dear, [1.62, 1.61, 1.63]]
    assert view.game.verdict.yours.low == 1.5, "one bet in a game"


def test_a_game_that_was_begun_in_code_is_shown_as_it_is() -> None:
    play = game()
    offer = play.offers()[4]
    play.buy(offer.N, offer.D)
    play.predict(1.6, 1.5, 1.7)
    view = budget_game(play)
    assert view._header()["selected"] == [0, [4], [1.6, 1.5, 1.7]]
    assert len(view.png()) > 5000


def market(page: Page, name: str) -> Any:
    return page.page.get_by_role("button", name=name)


def bet(page: Any, loss: str, low: str, high: str) -> None:
    for name, text in {"loss": loss, "low": low, "high": high}.items():
        page.get_by_label(f"Bet: {name}").fill(text)
    page.get_by_role("button", name="Bet and reveal").click()


@browser_test
def test_a_reader_buys_bets_and_sees_the_end(show: Callable[..., Page]) -> None:
    play = game()
    page = show(budget_game(play))
    assert page.said == "100 of 100 credits left, 0 runs bought"
    losses = [play.buy(4000, 100_000) for _ in range(2)]
    button = market(page, "N 4.00k, D 100k: 8 credits")
    button.click()
    assert page.said == f"N 4.00k, D 100k: loss {losses[0]:.4f}; 92 credits left"
    button.click()
    button.click(force=True)  # it can be pressed, and says why that buys nothing
    assert page.said == "All 2 runs of this kind are yours already."
    assert button.get_attribute("aria-label").endswith(f"0 left; losses {losses[0]:.3f}, {losses[1]:.3f}")
    bet(page.page, "1.6", "1.65", "1.7")
    assert page.said == "The loss must lie in its interval: low ≤ loss ≤ high."
    bet(page.page, "1.67", "1.65", "1.7")
    verdict = play.predict(1.67, 1.65, 1.7)
    mine, other = (f"{1000 * penalty:.1f}" for penalty in verdict.penalties)
    inside_ = f"{verdict.inside * 3:.0f} of 3 runs inside"
    assert page.said.startswith(
        f"You said 1.6700, 1.6500 to 1.7000; it is {np.mean(verdict.losses):.4f}, with"
    )
    assert inside_ in page.said and f"Penalty: {mine} thousandths" in page.said and f" {other}. " in page.said
    button.click(force=True)
    assert page.said == "This game is over: its bet is made. Begin a new one."
    assert not page.page.get_by_role("button", name="Bet and reveal").is_visible()
    page.page.get_by_role("button", name="Table").click()
    assert page.page.locator("table").nth(1).locator("tbody tr").count() == 2
    page.page.get_by_role("button", name="New game").click()
    assert page.said == "100 of 100 credits left, 0 runs bought"
    assert "N 4.00k" in page.page.locator(".rules").inner_text(), "the next run to bet on"


@browser_test
def test_arrow_keys_move_through_the_market(show: Callable[..., Page]) -> None:
    page = show(budget_game(game()))
    focused = "document.querySelector('[data-ready]').shadowRoot.activeElement.ariaLabel"
    page.press(market(page, "N 1.00k, D 100k"), "ArrowDown", "ArrowRight")
    assert page.page.evaluate(focused).startswith("N 4.00k, D 100k: 8 credits")
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowUp")
    assert page.page.evaluate(focused).startswith("N 1.00k, D 100k: 2 credits")
    page.page.keyboard.press("Enter")
    assert page.said.startswith("N 1.00k, D 100k: loss ") and page.said.endswith("98 credits left")


@browser_test
def test_the_bet_and_the_floor_are_drawn(show: Callable[..., Page]) -> None:
    page = show(budget_game(game()))
    page.page.evaluate(
        """() => { window.drawn = []; const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { window.drawn.push(text);
        return write.call(this, text, ...at); }; }"""
    )
    market(page, "N 4.00k, D 100k").click()
    drawn = page.page.evaluate("window.drawn")
    assert {"N 4.00k", "loss (nats per token)"} <= set(drawn) and "measured" not in drawn
    page.page.get_by_label("Draw the loss above").fill("1.5")
    assert "loss above 1.5 (nats per token)" in page.page.evaluate("window.drawn")
    bet(page.page, "1.67", "1.65", "1.7")
    assert {"your bet", "baseline", "measured"} <= set(page.page.evaluate("window.drawn"))


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    inside.check_budgets(show, budget_game(game()), 60, ".market button")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(budget_game(game()), viewport={"width": width, "height": 700}), width)


CELLS = """
import sys; sys.path.insert(0, {tests!r})
from views import test_budget_game
import tinygpt as tg
view = tg.views.budget_game(test_budget_game.game())
view
---
print(view.game)
"""


@browser_test
def test_the_notebook_keeps_the_bet(server: lab.Lab, browser: Any) -> None:
    sources = CELLS.format(tests=str(lab.ROOT / "tests")).strip().split("\n---\n")
    lab.notebook(server.folder / "game.ipynb", *sources)
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    page = open_notebook(context, server.url("game.ipynb"))
    run_cell(page, 0)
    live = page.locator(f"[data-tinygpt-live]{READY}")
    live.wait_for()
    live.get_by_role("button", name="N 4.00k, D 100k").click()
    live.get_by_text("92 credits left").wait_for()
    bet(live, "1.67", "1.65", "1.7")
    live.get_by_text("You said 1.6700").wait_for()
    assert prints(page, 1, "Game: 92 credits left, 1 runs bought; you said 1.6700")
    assert keeps(page, server.folder / "game.ipynb", "you said 1.6700")
    context.close()
    server.end_kernels()
