"""The view of reward against KL: its numbers, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from views import inside
from views.pages import Page

from tinygpt.alignment import best_of_kl
from tinygpt.views import reward_kl

browser_test = pytest.mark.browser


def hacked(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """A proxy that rises while the true reward falls, and best of n."""
    ppo = [
        {"step": 10 * i, "kl": 2.0 * i, "true": [0.1 * i - 0.05 * i * i, 0.1 * i], "proxy": 0.3 * i}
        for i in range(5)
    ]
    best = [{"n": n, "true": 0.1 * n, "proxy": 0.2 * n} for n in (1, 2, 4)]
    return {"PPO": ppo, "best of n": best, **changes}


def test_its_numbers_are_means_and_ends_over_seeds() -> None:
    view = reward_kl(hacked())
    last = view._lines["PPO"][4]
    assert last.label == "step 40" and last.values["kl"] == (8.0, 8.0, 8.0)
    assert last.values["true"] == pytest.approx((0.0, -0.4, 0.4))
    assert [point.values["kl"][0] for point in view._lines["best of n"]] == [best_of_kl(n) for n in (1, 2, 4)]
    assert view.selected == ("PPO", 4)
    lines = view._text().splitlines()
    assert lines[0] == "Reward against KL: PPO (5 checkpoints), best of n (3 checkpoints)"
    assert lines[1] == (
        "PPO: true at most 0.1 at KL 4 nats (step 20); proxy at most 1.2 at KL 8 nats (step 40); "
        "at the end kl 8, true 0, proxy 1.2"
    )
    bare = reward_kl({"PPO": [{"kl": 4.0, "true": 0.1}]})._text().splitlines()
    assert bare[1] == "PPO: true at most 0.1 at KL 4 nats; at the end kl 4, true 0.1", "no label, no brackets"


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ({}, {}, "needs a checkpoint of each method"),
        ({"PPO": []}, {}, "needs a checkpoint of each method"),
        ({"PPO": [{"step": 1, "kl": 2.0}]}, {}, r"a checkpoint needs a reward; PPO has \[\]"),
        (hacked(), {"reward": "gold"}, r"needs a reward 'gold'; PPO has \['true', 'proxy'\]"),
        (hacked(DPO=[{"step": 1, "true": 1.0, "proxy": 1.0}]), {}, "a checkpoint of DPO lacks 'kl'"),
        (hacked(DPO=[{"kl": 1, "true": 1.0}]), {}, "a checkpoint of DPO lacks 'proxy'"),
        (hacked(DPO=[{"kl": 1, "true": [], "proxy": 1}]), {}, "'true' of DPO must be a finite number"),
        (hacked(DPO=[{"kl": float("nan"), "true": 1, "proxy": 1}]), {}, "'kl' of DPO must be a finite"),
    ],
)
def test_misuse_is_refused(methods: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reward_kl(methods, **options)


@browser_test
def test_pointer_and_keys_tell_a_checkpoint(show: Callable[..., Page]) -> None:
    view = reward_kl(hacked())
    page = show(view)
    opened = "PPO, step 40: KL 8.000 nats, true 0.000 (−0.400 to 0.400), proxy 1.200"
    assert page.said == opened
    chart = page.page.get_by_label("Lines of PPO, best of n")
    page.press(chart, "Home", "ArrowRight")
    assert page.said == "PPO, step 10: KL 2.000 nats, true 0.075 (0.050 to 0.100), proxy 0.300"
    page.press(chart, "ArrowDown")
    assert page.said == f"best of n, n 2: KL {best_of_kl(2):.3f} nats, true 0.200, proxy 0.400"
    page.press(chart, "End")
    assert page.said.startswith("best of n, n 4: ")
    page.page.keyboard.press("Escape")
    assert page.said == opened


@browser_test
def test_hover_finds_the_nearest_checkpoint(show: Callable[..., Page]) -> None:
    flat = {"DPO": [{"step": i, "kl": float(i), "gold": 1.0} for i in range(5)]}
    page = show(reward_kl(flat))
    chart = page.page.get_by_label("Lines of DPO")
    seen = set()
    box = chart.bounding_box()
    for x in range(40, int(box["width"]) - 130, 25):
        chart.hover(position={"x": x, "y": box["height"] * 0.45})
        seen.add(page.said)
    assert {f"DPO, step {i}: KL {i}.000 nats, gold 1.000" for i in range(5)} == seen
    page.page.mouse.move(2, 700)
    assert page.said.startswith("DPO, step 4")


@browser_test
def test_rewards_and_the_root_switch(show: Callable[..., Page]) -> None:
    page = show(reward_kl(hacked(), reward="proxy"))
    drawn = """() => { window.drawn = []; const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { window.drawn.push(text);
        return write.call(this, text, ...at); }; }"""
    page.page.evaluate(drawn)

    def after(name: str) -> list[str]:
        page.page.evaluate("window.drawn = []")
        page.page.get_by_role("button", name=name, exact=True).click()
        return page.page.evaluate("window.drawn")

    assert {"true and proxy reward", "PPO, true", "PPO, proxy"} <= set(after("all"))
    assert "true reward" in after("true")
    assert "√KL (√nats) from where it began" in after("√KL")
    page.page.get_by_role("button", name="Table").click()
    rows = page.page.locator("tbody tr")
    assert rows.count() == 8
    assert rows.nth(4).locator("td").all_inner_texts()[:3] == ["PPO", "step 40", "8.000"]


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    points = [{"step": i, "kl": i / 3, "true": i % 7 / 7, "proxy": i / 40} for i in range(40)]
    view = reward_kl({name: points for name in ("PPO", "DPO", "rejection", "best of n")}, reward="true")
    inside.check_budgets(show, view, 60, "canvas[tabindex]")


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    inside.check_width(show(reward_kl(hacked()), viewport={"width": width, "height": 700}), width)
