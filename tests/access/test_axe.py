"""axe-core finds nothing on any view, chapter, exercise, result, quiz, receipt or sheet of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from access import audit
from access.every import NAMES, every
from nbconvert import HTMLExporter
from nbformat import NotebookNode, v4
from views import lab
from views.pages import READY, Page

from tinygpt.grading import Question, Result, check, progress, quiz
from tinygpt.grading.judge import Report
from tinygpt.grading.receipt import Receipt
from tinygpt.views import View

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "course").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))


def test_every_view_is_looked_at() -> None:
    assert sorted(every()) == NAMES


def test_a_fault_is_found(show: Callable[..., Page]) -> None:
    """Through the shadow root: were it closed to axe, nothing would ever be found."""
    page = show(every()["merges"])
    page.page.evaluate(
        f"""() => {{
        const root = document.querySelector('{READY}').shadowRoot;
        root.querySelector("button").textContent = "";
        root.querySelector("h2").style.color = "#ccc";
    }}"""
    )
    assert {line.split(":")[0] for line in audit.findings(page.page)} >= {"button-name", "color-contrast"}


@pytest.mark.parametrize("name", NAMES)
def test_views(show: Callable[..., Page], name: str) -> None:
    """In both themes, with their tables open and their text large."""
    page = show(every()[name], color_scheme="light")
    assert audit.findings(page.page) == []
    for label in ("Table", "Large text"):
        for button in page.page.get_by_role("button", name=label, exact=True).all():
            button.click()
    page.page.emulate_media(color_scheme="dark")
    page.page.wait_for_selector(f"{READY}[data-dark]")
    assert audit.findings(page.page) == []


@pytest.fixture(scope="module")
def opened(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Exports a notebook by nbconvert and opens the page, offline, with every folded part unfolded."""
    context = browser.new_context(offline=True, viewport={"width": 1100, "height": 900})
    folder = tmp_path_factory.mktemp("exported")

    def open_page(notebook: NotebookNode, theme: str = "light") -> Any:
        html, _ = HTMLExporter(theme=theme).from_notebook_node(notebook)
        path = folder / f"{len(list(folder.iterdir()))}.html"
        path.write_text(html, encoding="utf-8")
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        ready = "[...document.querySelectorAll('[data-tinygpt]')].every((node) => node.dataset.ready)"
        lab.wait_for(lambda: page.evaluate(ready), "the views")
        page.evaluate(
            """() => {
            document.querySelectorAll("details").forEach((node) => { node.open = true; });
            // Thousands of coloured words that are left out anyway; axe would walk through them.
            document.querySelectorAll(".highlight").forEach((node) => { node.textContent = "code"; });
        }"""
        )
        return page

    yield open_page
    context.close()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_with_their_stored_outputs(opened: Callable[..., Any], path: Path) -> None:
    page = opened(nbformat.read(path, 4))
    assert audit.findings(page, exported=True) == []
    page.close()


def test_exercises(opened: Callable[..., Any]) -> None:
    """All on one page: a browser is quick with one, and slow to open twelve."""
    cells = [cell for path in EXERCISES for cell in nbformat.read(path, 4).cells]
    page = opened(v4.new_notebook(cells=cells))
    assert page.locator("h1").count() == len(EXERCISES) == 12
    assert audit.findings(page, exported=True) == []
    page.close()


def results() -> list[Result]:
    """All right; wrong values with two matrices; a wrong plain answer with an excerpt."""
    weights = lambda q, k: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)  # noqa: E731
    return [
        check("attention_weights", weights, seed=0),
        check("attention_weights", lambda q, k: (q @ k.mT).softmax(-1), seed=0),
        check("attention_weights", lambda q, k: torch.full_like(weights(q, k), torch.nan), seed=0),
        check("bpe_step", lambda words, counts, new: ((1, 1), words), seed=0),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_a_cell_shows(opened: Callable[..., Any], theme: str) -> None:
    question = Question("What is `1 + 1`?", {"2": "As counted.", "3": "One too many."}, right="2")
    report = Report("a.ipynb", tuple(results()), (), 1.0)
    receipt = Receipt(Path(__file__), "03_attention", report, ("A cell fails.",))
    cells = [v4.new_markdown_cell("# Shown")]
    for shown in (*results(), quiz([question, question]), receipt, progress()):
        output = v4.new_output("execute_result", shown._repr_mimebundle_(), execution_count=1)
        cells.append(v4.new_code_cell("shown", outputs=[output]))
    page = opened(v4.new_notebook(cells=cells), theme)
    assert page.locator("[role=status]").count() == 5 and page.locator("details[open]").count() == 16
    assert audit.findings(page, exported=True) == []
    page.close()


def test_a_page_of_its_own_has_a_language_a_title_and_a_heading(show: Callable[..., Page]) -> None:
    view: View = every()["merges"]
    page = show(view).page
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title() == repr(view) == page.locator("main > h1").inner_text()
