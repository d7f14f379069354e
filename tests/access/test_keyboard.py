"""Without a mouse: Tab reaches everything, keys do what the pointer does, and no key takes the focus away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from access.every import NAMES, every
from nbconvert import HTMLExporter
from nbformat import v4
from views import inside
from views.pages import READY, Page

from tinygpt.grading import Question, quiz

pytestmark = pytest.mark.browser

# What has the focus: its place among all nodes, its name, and the ring around it in CSS pixels.
FOCUSED = f"""() => {{
    const root = document.querySelector('{READY}').shadowRoot;
    const at = root.activeElement;
    if (!at) return null;
    const ring = getComputedStyle(at);
    const name = at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent;
    const width = ring.outlineStyle === "none" ? 0 : parseFloat(ring.outlineWidth);
    return [[...root.querySelectorAll("*")].indexOf(at), name.trim(), width];
}}"""
# What takes the focus by Tab. In a group that arrows walk through one member does, the others have -1.
STOPS = f"""() => [...document.querySelector('{READY}').shadowRoot.querySelectorAll("*")].filter((node) =>
    node.tabIndex >= 0 && !node.disabled && node.checkVisibility({{ visibilityProperty: true }})).length"""
STATE = f"""() => {{
    const root = document.querySelector('{READY}').shadowRoot;
    const marks = ["aria-pressed", "aria-checked", "aria-selected", "aria-expanded", "aria-valuetext"];
    const of = (node) => [node.value, ...marks.map((mark) => node.getAttribute(mark))];
    return JSON.stringify([root.querySelector(".view").innerText, [...root.querySelectorAll("*")].map(of)]);
}}"""


@pytest.mark.parametrize("name", NAMES)
def test_tab_reaches_everything_in_order_and_leaves_again(show: Callable[..., Page], name: str) -> None:
    page = show(every()[name]).page
    met = []
    for _ in range(100):
        page.keyboard.press("Tab")
        if (focused := page.evaluate(FOCUSED)) is None:
            break
        met.append(focused)
    places, names, rings = zip(*met, strict=True)
    assert len(met) == page.evaluate(STOPS) < 100, "reached, and none of them a trap"
    assert list(places) == sorted(places), "in the order of the page"
    assert all(names), "each has a name"
    assert min(rings) >= 2, "and a ring that is seen"


@pytest.mark.parametrize("name", NAMES)
def test_no_key_loses_the_focus(show: Callable[..., Page], name: str) -> None:
    """A view that draws itself anew must not throw away the node that a key was pressed on."""
    page = show(every()[name]).page
    for _ in range(12):  # what follows in a long view is more of the same
        page.keyboard.press("Tab")
        if (focused := page.evaluate(FOCUSED)) is None:
            break
        for key in ("ArrowRight", "ArrowDown", "Enter", "Space", "Escape"):
            page.keyboard.press(key)
            assert page.evaluate(FOCUSED) is not None, f"{key} on {focused[1]!r}"


def slid(name: str) -> tuple[Any, Any]:
    """A slider: a click at its right end, or the key for it."""

    def click(page: Page) -> None:
        slider = page.page.get_by_role("slider", name=name)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.page.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)

    return click, lambda page: page.press(page.page.get_by_role("slider", name=name), "End")


def picked(label: str, row: int, column: int) -> tuple[Any, Any]:
    """A cell of a grid: a click on it, or arrows to a corner and from there."""
    grid = lambda page: page.page.get_by_label(label).first  # noqa: E731
    to_corner, on = ["ArrowUp", "ArrowLeft"] * 12, ["ArrowDown"] * row + ["ArrowRight"] * column
    return (
        lambda page: grid(page).click(position=inside.place(grid(page), row, column)),
        lambda page: page.press(grid(page), *to_corner, *on),
    )


def pressed(role: str, name: str, key: str, nth: int = 0) -> tuple[Any, Any]:
    """A button of any kind: a click, or a key."""
    button = lambda page: page.page.get_by_role(role, name=name).nth(nth)  # noqa: E731
    return lambda page: button(page).click(), lambda page: page.press(button(page), key)


ANSWERS = "Answers. Left"
ACTS: dict[str, tuple[Any, Any]] = {
    "attention": (
        lambda page: page.grid.click(position=page.tile(1, 1)),
        lambda page: page.press(page.grid, "Home", "ArrowDown", "ArrowRight"),
    ),
    "beams": pressed("button", "Predict first", "Space"),
    "budget_game": pressed("button", "N 4.00k, D 25.0k", "Enter"),
    "chat": pressed("button", "Large text", "Space"),
    "kv_cache": slid("prompt tokens"),
    "logit_lens": picked("Depth down", 1, 0),
    "lora": picked("Layers down", 1, 1),
    "merges": slid("Checkpoint"),
    "model_map": (
        lambda page: page.page.get_by_role("treeitem", name="last norm").click(),
        lambda page: page.press(page.page.get_by_role("treeitem").first, "End", "ArrowUp"),
    ),
    "patching": picked("Layers down", 1, 1),
    "residual": picked("a$: parts down", 3, 2),
    "reward_kl": pressed("button", "√KL", "Enter"),
    "rollouts": (
        lambda page: page.page.get_by_label(ANSWERS).locator(".drawn").nth(1).locator("span").first.click(),
        lambda page: page.press(page.page.get_by_label(ANSWERS), "ArrowLeft", "ArrowLeft", "ArrowDown"),
    ),
    "sampling": pressed("button", "Likeliest token", "Enter"),
    "scaling": slid("Budget"),
    "switches": pressed("switch", "head L0H1", "Space"),
    "tokens": (
        lambda page: page.page.get_by_label("Tokens of BPE 257").locator(".p").nth(1).click(),
        lambda page: page.press(page.page.get_by_label("Tokens of BPE 257"), "Home", "ArrowRight"),
    ),
    "training": pressed("button", "reward", "Enter"),
}


@pytest.mark.parametrize("name", NAMES)
def test_keys_do_what_the_pointer_does(show: Callable[..., Page], name: str) -> None:
    by_pointer, by_keys = ACTS[name]
    states = []
    for act in (by_pointer, by_keys):
        page = show(every()[name])
        before = page.page.evaluate(STATE)
        act(page)
        page.page.mouse.move(2, 2)
        states.append(page.page.evaluate(STATE))
        assert states[-1] != before
    assert states[0] == states[1]


def test_what_hovering_tells_is_told_by_keys(show: Callable[..., Page]) -> None:
    page = show(every()["kv_cache"])
    page.press(page.page.locator("canvas.lanes"), "ArrowDown", "ArrowRight")
    assert page.said.startswith("Layer 0, key/value head 1, token 1: written in the prefill")
    page = show(every()["scaling"])
    opened = page.said
    page.press(page.page.get_by_label("Loss against FLOPs"), "ArrowRight", "ArrowRight")
    second = page.said
    page.page.keyboard.press("ArrowLeft")
    assert len({opened, page.said, second}) == 3 and " runs of N " in page.said


def test_a_quiz(browser: Any, tmp_path: Any) -> None:
    """Tab goes from choice to choice, Enter and Space open one and close it again."""
    asked = Question("What is `1 + 1`?", {"2": "As counted.", "3": "One too many."}, right="2")
    output = v4.new_output("execute_result", quiz([asked])._repr_mimebundle_(), execution_count=1)
    cell = v4.new_code_cell("shown", outputs=[output])
    (tmp_path / "quiz.html").write_text(HTMLExporter().from_notebook_node(v4.new_notebook(cells=[cell]))[0])
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / "quiz.html").as_uri(), wait_until="domcontentloaded")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("As counted.").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "3"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Space")
    assert page.get_by_text("One too many.").is_visible()
    page.keyboard.press("Space")
    assert page.get_by_text("One too many.").is_hidden()
    context.close()
