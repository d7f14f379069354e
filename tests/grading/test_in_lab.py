"""What a student does in a real JupyterLab: hand in, reset, see progress, take the work along."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from views import lab
from views.pages import FLAGS, open_notebook, run_cell

from tinygpt.grading import shipped
from tinygpt.grading.sheet import code, parsed
from tinygpt.grading.submission import unpack

ROOT = Path(__file__).parents[2]
CALLS = [
    "import tinygpt as tg",
    "def attention_weights(q, k):\n    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)",
    'tg.grading.check("attention_weights", attention_weights)',
    "tg.grading.submit()",
    "tg.grading.progress()",
    "tg.save_work('work.zip')",
    'tg.grading.reset("attention_weights")',
]


@pytest.fixture(scope="module")
def page(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A notebook of a course that was just copied, open in JupyterLab."""
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("lab")
    (folder / "exercises").mkdir()
    shutil.copy(ROOT / "exercises" / "04_transformer.ipynb", folder / "exercises")
    lab.notebook(folder / "exercises" / "03_attention.ipynb", *CALLS)
    with lab.serve(folder) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=FLAGS)
        url = server.url("exercises/03_attention.ipynb")
        page = open_notebook(browser.new_context(accept_downloads=True), url)
        page.folder = folder / "exercises"
        yield page
        browser.close()


def downloaded(page: Any, label: str) -> bytes:
    link = page.get_by_role("link", name=label)
    link.wait_for(timeout=120_000)
    with page.expect_download() as waiting:
        link.click()
    return Path(waiting.value.path()).read_bytes()


@pytest.mark.browser
@pytest.mark.slow
def test_all_of_it_works_in_jupyterlab(page: Any) -> None:
    for number in range(4):
        run_cell(page, number)
    submission = downloaded(page, "Download 03_attention.tinygpt.zip")
    assert code(parsed(unpack(submission).notebook, "x")) == CALLS  # it knew its own name
    assert unpack(submission).manifest["exercises"][0]["passed"]

    run_cell(page, 4)
    page.get_by_text("Progress: 5 of 478 points, 1 of 75 exercises passed").wait_for()
    run_cell(page, 5)
    assert downloaded(page, "Download work.zip") == (page.folder / "work.zip").read_bytes()

    run_cell(page, 6)
    page.get_by_text("in a new cell below").wait_for()
    page.locator(".jp-CodeCell").get_by_text("NotImplementedError").wait_for()  # it comes after the output
    page.keyboard.press("Control+s")
    path, wanted = page.folder / "03_attention.ipynb", [*CALLS, shipped.stub("attention_weights").text]
    # JupyterLab adds an empty cell of its own behind the last that ran.
    saved = lambda: [text for text in code(parsed(path.read_bytes(), "x")) if text]  # noqa: E731
    lab.wait_for(lambda: saved() == wanted, "a new cell below the old ones", 30)
