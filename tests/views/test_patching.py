"""The patching view: what it accepts, and what a reader meets in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from views import inside
from views.pages import READY, Page

from tinygpt.interp import patch
from tinygpt.views import patching

browser_test = pytest.mark.browser
CLEAN, CORRUPT = ["Ada", "lives", "in"], ["Bob", "lives", "in"]
RESIDUAL = np.array([[0.5, 0.0, 0.1], [-0.75, 0.0, 0.25]])
HEADS = np.array([[0.0, 0.125, 0.0, 0.0], [0.0, 0.0, -0.25, 0.0]])
GRIDS = {"residual": RESIDUAL, "heads": HEADS}


def test_what_patch_returns_is_shown() -> None:
    model = inside.model()
    one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 4, 3]])
    metric = lambda logits: logits[:, -1, 5] - logits[:, -1, 6]  # noqa: E731
    grids = {
        point: patch(model, one, other, metric, f"blocks.*.{tap}")
        for point, tap in (("residual", "residual"), ("heads", "attn.heads"))
    }
    view = patching(grids, clean=list("abc"), corrupt=list("adc"))
    assert repr(view) == "Patching view: 3 × 3 residual, 3 × 2 heads, clean answer brought back"
    shipped = np.frombuffer(view._data(), "<f4")
    np.testing.assert_array_equal(shipped, torch.cat([grid.ravel() for grid in grids.values()]).numpy())


def test_its_text_holds_the_prompts_and_the_largest_values() -> None:
    lines = patching(GRIDS, clean=CLEAN, corrupt=CORRUPT)._text().splitlines()
    assert lines[1:] == [
        "clean: Ada|lives|in",
        "corrupted: Bob|lives|in",
        "residual: L1 0 “Ada” -0.75, L0 0 “Ada” 0.50, L1 2 “in” 0.25",
        "heads: L1 H2 -0.25, L0 H1 0.12, L0 H0 0.00",
    ]


def test_columns_are_named_by_the_prompt_only_where_they_are_positions() -> None:
    names = lambda view: [(grid["columns"], grid["positions"]) for grid in view._header()["grids"]]  # noqa: E731
    square = {"residual": np.eye(3), "heads": np.eye(3), "other": np.eye(2)}
    heads = (["H0", "H1", "H2"], False)
    assert names(patching(square, clean=CLEAN)) == [(CLEAN, True), heads, (["H0", "H1"], False)]
    assert names(patching(np.eye(3))) == [heads]
    assert names(patching(np.eye(3), clean=CLEAN, columns=["a", "b", "c"])) == [(["a", "b", "c"], False)]
    named = patching(square, clean=CLEAN, columns={"heads": ["x", "y", "z"]}, rows={"other": ["r", "s"]})
    assert names(named)[1] == (["x", "y", "z"], False)
    assert [grid["rows"][0] for grid in named._header()["grids"]] == ["L0", "L0", "r"]


def test_the_scale_is_that_of_the_largest_value_of_all_grids() -> None:
    assert patching(GRIDS)._limit == patching(dict(reversed(GRIDS.items())))._limit == 0.75
    assert patching(np.array([[np.nan, -0.5]]))._limit == 0.5
    assert patching(np.zeros((2, 2)))._limit == 1.0


def test_it_opens_on_the_first_of_values_as_good_as_equal() -> None:
    assert patching(np.array([[0.2, 0.9999], [1.0, 0.1]])).selected == ("", 0, 1)


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({}, {}, "at least one grid"),
        (np.zeros(3), {}, r"rows × columns; got shape \(3,\)"),
        (np.eye(2), {"corrupt": ["a", "b"]}, "corrupt needs clean"),
        (np.eye(2), {"clean": ["a", "b"], "corrupt": ["a"]}, r"token by token, .* got \[2, 1\]"),
        (np.eye(2), {"rows": ["a"]}, "rows must name all 2 of the grid ''; got 1"),
        (GRIDS, {"columns": list("abc")}, "columns must name all 4 of the grid 'heads'; got 3"),
    ],
)
def test_misuse_is_refused(grid: object, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        patching(grid, **options)


@browser_test
def test_pointer_keys_and_points(show: Callable[..., Page]) -> None:
    page = show(patching(GRIDS, clean=CLEAN, corrupt=CORRUPT, title="Where the city is"))
    grid, at = page.page.get_by_label("Layers down"), page.page.locator(".prompts .at")
    opened = "residual, L1 at 0 “Ada” in place of “Bob”: −0.750 (clean answer brought back)"
    assert page.said == opened and at.inner_text().split() == ["Ada", "Bob"]
    assert page.page.locator(".prompts .differ").all_inner_texts() == ["Ada\nBob"]
    grid.hover(position=inside.place(grid, 0, 2))
    assert page.said == "residual, L0 at 2 “in”: 0.100 (clean answer brought back)"
    assert at.inner_text().split() == ["in", "in"]
    page.page.mouse.move(2, 2)
    assert page.said == opened
    page.press(grid, "ArrowRight", "ArrowRight")
    page.page.get_by_role("button", name="heads").click()
    assert page.said == "heads, L1 H0: 0.000 (clean answer brought back)" and at.count() == 0
    page.press(grid, "ArrowRight", "ArrowRight")
    assert page.said.startswith("heads, L1 H2: −0.250")
    page.page.keyboard.press("Escape")
    assert page.said.startswith("heads, L0 H0")
    page.page.get_by_role("button", name="residual").click()
    page.press(grid, "Escape")
    assert page.said == opened


@browser_test
def test_the_table_holds_the_grid(show: Callable[..., Page]) -> None:
    page = show(patching(GRIDS))
    page.page.get_by_role("button", name="heads").click()
    page.press(page.page.get_by_role("button", name="Table"), "Enter")
    rows = [row.locator("th,td").all_inner_texts() for row in page.page.locator("tr").all()]
    assert rows == [
        ["layer", "H0", "H1", "H2", "H3"],
        ["L0", "0.000", "0.125", "0.000", "0.000"],
        ["L1", "0.000", "0.000", "−0.250", "0.000"],
    ]


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_zero_is_grey_and_the_ends_differ_in_both_themes(show: Callable[..., Page], scheme: str) -> None:
    page = show(patching(np.array([[-1.0, 0.0, 1.0]])), color_scheme=scheme)
    canvas = page.page.get_by_label("Layers down")
    colours = [
        canvas.evaluate(
            """(node, [x, y]) => {
            const ratio = node.width / parseFloat(node.style.width);
            return [...node.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data.slice(0, 3)];
        }""",
            [at["x"] - 0.4 * float(canvas.get_attribute("data-across")), at["y"]],
        )
        for at in (inside.place(canvas, 0, column) for column in range(3))
    ]
    low, zero, high = colours
    assert max(zero) - min(zero) <= 12 and (min(zero) > 200) == (scheme == "light")
    assert low[2] > low[0] + 40 and high[0] > high[2] + 40
    assert (page.page.locator(READY).get_attribute("data-dark") is not None) == (scheme == "dark")


@browser_test
def test_budgets(show: Callable[..., Page]) -> None:
    values = np.random.default_rng(0).normal(size=(12, 64))
    words = [f"w{i}" for i in range(64)]
    view = patching({"residual": values, "heads": values[:, :12]}, clean=words, corrupt=words)
    inside.check_budgets(show, view, 80, "canvas[tabindex]", cells=3 * 64)


@browser_test
@pytest.mark.parametrize("width", [480, 700])
def test_nothing_leaves_a_narrow_page(show: Callable[..., Page], width: int) -> None:
    words = ["word"] * 40
    view = patching(np.zeros((6, 40)), clean=words, corrupt=words)
    inside.check_width(show(view, viewport={"width": width, "height": 700}), width)
