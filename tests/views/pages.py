"""A page in a real Chromium with one view on it, and notebooks in JupyterLab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from views import lab

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = '[data-ready]:not([data-ready=""])'


class Page:
    """A page with one view, and what went wrong on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path) -> Page:
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(READY)
        return self

    @property
    def grid(self) -> Any:
        return self.page.get_by_label("All heads.")

    @property
    def stage(self) -> Any:
        return self.page.get_by_label("One head:")

    @property
    def strip(self) -> Any:
        return self.page.get_by_label("Tokens.")

    @property
    def said(self) -> str:
        return self.page.locator(".say[aria-live]").inner_text()

    def press(self, target: Any, *keys: str) -> None:
        target.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def cell(self, query: int, key: int) -> dict[str, float]:
        """The middle of a cell of the large head, in pixels of its canvas."""
        cell, margin = (float(self.stage.get_attribute(f"data-{name}")) for name in ("cell", "margin"))
        return {"x": margin + (key + 0.5) * cell, "y": margin + (query + 0.5) * cell}

    def tile(self, row: int, head: int) -> dict[str, float]:
        """A place in a tile of the grid, in pixels of its canvas."""
        names = ("left", "top", "across", "down")
        left, top, across, down = (float(self.grid.get_attribute(f"data-{name}")) for name in names)
        return {"x": left + (head + 0.4) * across, "y": top + (row + 0.6) * down}


def hover(page: Page, targets: str) -> float:
    """The 95th percentile of 100 moves over what `targets` selects: ms of the page's own processor time.

    Other processes share the machine, so the clock on the wall would measure them too. They share its caches
    and the halves of its cores as well, so the better of two rounds counts.
    """
    session = page.page.context.new_cdp_session(page.page)
    session.send("Performance.enable")

    def used() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime")

    def move(i: int) -> float:
        before = used()
        page.page.evaluate(
            """([targets, i, across, down]) => {
            const root = document.querySelector("[data-ready]").shadowRoot;
            const found = root.querySelectorAll(targets);
            const node = found[i * 7 % found.length];
            const box = node.getBoundingClientRect();
            const at = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };
            node.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...at }));
            root.host.getBoundingClientRect();
        }""",
            [targets, i, i * 37 % 97 / 97, i * 53 % 89 / 89],
        )
        return used() - before

    return min(sorted(map(move, range(100)))[95] for _ in range(2))


def contrast(first: str, second: str) -> float:
    """The WCAG contrast ratio of two #rgb or #rrggbb colours."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def open_notebook(context: Any, url: str) -> Any:
    page = context.new_page()
    page.goto(url)
    page.get_by_text("| Idle").wait_for(timeout=60_000)
    return page


def run_cell(page: Any, number: int) -> None:
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(number).click()
    page.keyboard.press("Shift+Enter")


def prints(page: Any, number: int, text: str) -> bool:
    """Whether a cell comes to print a text: what a view says arrives when the kernel has time for it."""

    def printed() -> bool:
        run_cell(page, number)
        return page.get_by_text(text).count() > 0

    return bool(lab.within(printed))


def keeps(page: Any, path: Path, text: str) -> bool:
    """Whether the saved notebook comes to have a text among the outputs of its first cell."""

    def kept() -> bool:
        page.keyboard.press("Control+s")
        try:
            outputs = nbformat.read(path, 4).cells[0].outputs
        except nbformat.reader.NotJSONError:  # the server is writing it
            return False
        return any(text in output.get("data", {}).get("text/plain", "") for output in outputs)

    return bool(lab.within(kept))
