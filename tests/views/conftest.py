"""A running Chromium, and pages in it that fail the test where they met an error or asked for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from views import lab
from views.pages import FLAGS, Page

from tinygpt.views import View


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lab.not_run("Playwright is not installed: pip install playwright.")
    path = chromium.find() or lab.not_run(f"No Chromium. {chromium.REMEDY}")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a view as a page of its own; fails the test where the page met an error or asked for anything."""
    contexts, pages = [], []

    def open_view(view: View, **options: Any) -> Page:
        path = tmp_path / f"{len(pages)}.html"
        view.save(path)
        contexts.append(browser.new_context(**{"viewport": {"width": 1100, "height": 900}} | options))
        pages.append(Page(contexts[-1].new_page()))
        return pages[-1].open(path)

    yield open_view
    for page in pages:
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[lab.Lab]:
    with lab.serve(tmp_path_factory.mktemp("lab")) as running:
        yield running
