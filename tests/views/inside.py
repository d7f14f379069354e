"""Small models and helpers for the views that look inside one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from views.pages import READY, Page, hover

from tinygpt.models import GPT, GPTConfig
from tinygpt.views import View


def model(**changes: Any) -> GPT:
    """An untrained model of three layers: none of its numbers is alike."""
    shape = {"vocab_size": 11, "n_layers": 3, "n_heads": 2, "d_model": 16, "context": 16}
    return GPT(GPTConfig(**shape | changes), seed=0).eval()


def place(canvas: Any, row: int, column: int) -> dict[str, float]:
    """The middle of a cell of a grid, in pixels of its canvas."""
    names = ("left", "top", "across", "down")
    left, top, across, down = (float(canvas.get_attribute(f"data-{name}")) for name in names)
    return {"x": left + (column + 0.5) * across, "y": top + (row + 0.5) * down}


def check_budgets(
    show: Callable[..., Page], view: View, kilobytes: int, targets: str, cells: int = 0
) -> None:
    """Size, first render, nodes and hover of a view as a page of its own."""
    assert len(view.fragment().encode()) <= kilobytes * 1024
    pages = [show(view) for _ in range(2)]
    first = min(float(page.page.locator(READY).get_attribute("data-ready")) for page in pages)
    assert first <= 600, f"first render after {first} ms"
    count = f"document.querySelector('{READY}').shadowRoot.querySelectorAll('*').length"
    assert pages[0].page.evaluate(count) <= 500 + cells
    p95 = hover(pages[-1], targets)
    assert p95 <= 16, f"95 % of hovers within {p95:.1f} ms"


def check_width(page: Page, width: int) -> None:
    """Nothing leaves the page, with small text and with large."""
    wide = "document.documentElement.scrollWidth"
    assert page.page.evaluate(wide) <= width
    page.page.get_by_role("button", name="Large text").click()
    assert page.page.evaluate(wide) <= width
