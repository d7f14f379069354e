"""Handouts: what a reader without a kernel and without a network gets."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import chromium
import nbformat
import pytest
from access import audit
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from views import lab
from views.pages import READY

from tinygpt.grading import Question, quiz
from tinygpt.publish import handout, paper, pdf

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "course").glob("*.ipynb"))
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

WIDE = "[...document.querySelectorAll('pre')].filter((one) => one.scrollWidth > one.clientWidth + 1)"


def page(tmp_path: Path, *cells: nbformat.NotebookNode) -> str:
    path = tmp_path / "03_example.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), *cells]), path)
    return handout(path)


def picture(**metadata: Any) -> nbformat.NotebookNode:
    return new_output("display_data", data={"image/png": DOT}, metadata=metadata)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_brings_all_that_it_shows(path: Path) -> None:
    html = handout(path)
    assert re.findall(r"""(?:src|srcset)\s*=\s*["'](?!data:)""", html) == []
    assert "@import" not in html and not re.search(r"<(?:link|script)[^>]+(?:href|src)=.?http", html)
    stored = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    views = [o for o in stored if "tinygpt-view" in o.get("data", {}).get("text/html", "")]
    assert html.count('<div class="view">') == len(views) == html.count('<img class="paper"')
    assert html.count("<figcaption>") == sum(
        "image/png" in o.get("data", {}) and "text/html" not in o.data for o in stored
    )
    assert html.count('class="quiz"') == 1 and "Right answers: 1 " in html


def test_badges_and_links_lead_to_the_site(tmp_path: Path) -> None:
    badge = "[![Open](https://example.org/badge.svg)](https://example.org/here)"
    html = page(tmp_path, new_markdown_cell(f"{badge} and [exercises](../exercises/03_attention.ipynb)"))
    assert "<img" not in html and '<a href="https://example.org/here">Open</a>' in html
    assert html.index("exercises</a>") < html.index("Run it:"), "what is read comes first"
    assert "https://github.com/tinygpt-course/tinygpt/blob/main/exercises/03_attention.ipynb" in html


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_it_is_written_for_who_cannot_run_it(path: Path) -> None:
    html = handout(path)
    assert "Clear Outputs" not in html and "Cover each of them until you have made your guess." in html
    assert "pip install -q git" not in html and f'<p class="course">{path.name[:2]} ' in html


def test_a_caption_stands_below_its_picture_and_not_in_the_code(tmp_path: Path) -> None:
    shown = picture(**{"image/png": {"alt": "A dot <here>."}})
    html = page(tmp_path, new_code_cell("#| fig-cap: A dot <here>.\nplot()", outputs=[shown]))
    assert "<figcaption>A dot &lt;here&gt;.</figcaption>" in html and "fig-cap" not in html


def test_text_of_outputs_is_text(tmp_path: Path) -> None:
    said = new_output("stream", text="<b>&\n")
    assert "&lt;b&gt;&amp;" in page(tmp_path, new_code_cell("x", outputs=[said]))


def test_hidden_code_stays_hidden_and_the_quiz_has_its_answers(tmp_path: Path) -> None:
    asked = quiz([Question("1 + 1?", {"3": "No.", "2": "Yes."}, right="2")])
    shown = new_output("execute_result", data={"text/html": asked._repr_html_()})
    hidden = new_code_cell("secret()", outputs=[shown], metadata={"jupyter": {"source_hidden": True}})
    html = page(tmp_path, hidden)
    assert "secret" not in html and "Right answers: 1 b." in html


def test_sections_can_be_reached(tmp_path: Path) -> None:
    html = page(tmp_path, new_markdown_cell("## 1. What `x` is\n\n$\\sqrt K$"))
    assert '<a href="#1-what-x-is">1. What x is</a>' in html and '<h2 id="1-what-x-is">' in html
    assert "<msqrt>" in html


@pytest.mark.browser
def test_it_works_with_the_network_cut(tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "03.html"
    path.write_text(handout(next(p for p in CHAPTERS if p.name.startswith("03"))), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 900})
    tab, asked, errors = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: message.type == "error" and errors.append(message.text))
    tab.goto(path.as_uri())
    views = tab.locator(f".view {READY}")
    lab.wait_for(lambda: views.count() == 4, "four views")
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert errors == []
    heads = views.first.get_by_label("One head:")
    before = views.first.locator("[aria-live]").first.inner_text()
    heads.focus()
    tab.keyboard.press("ArrowUp")
    assert views.first.locator("[aria-live]").first.inner_text() != before
    choice = tab.locator(".quiz details").first
    choice.locator("summary").click()
    assert choice.get_by_text("Not this one.").is_visible()
    assert audit.findings(tab) == []
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 560, "height": 900})  # less than A4 has between its margins
    assert not views.first.is_visible() and tab.locator("img.paper").first.is_visible()
    assert tab.get_by_text("Right answers: 1 c, 2 b, 3 a, 4 c, 5 b.").is_visible()
    wide = tab.evaluate(f"() => {WIDE}.length")
    assert wide == 0, "no code is cut off on paper"
    context.close()


@pytest.fixture
def browser_path(monkeypatch: pytest.MonkeyPatch) -> str:
    path = chromium.find() or lab.not_run(f"No Chromium. {chromium.REMEDY}")
    monkeypatch.setenv("TINYGPT_CHROMIUM", path)
    return path


@pytest.mark.browser
def test_it_is_printed_with_page_numbers(tmp_path: Path, browser_path: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(tmp_path, *[new_code_cell("x = 1\n" * 30) for _ in range(6)]), encoding="utf-8")
    made = pdf(path, tmp_path / "page.pdf").read_bytes()
    assert made.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", made)) >= 2


def test_without_a_browser_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGPT_CHROMIUM", str(tmp_path / "none"))
    assert paper.find() is None
    with pytest.raises(ValueError, match=r"no PDF was made\. Open the HTML in a browser and print it"):
        pdf(tmp_path / "a.html", tmp_path / "a.pdf")


def test_a_browser_that_prints_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("TINYGPT_CHROMIUM", str(broken))
    with pytest.raises(ValueError, match=r"printed no PDF of .*: no display"):
        pdf(tmp_path / "a.html", tmp_path / "a.pdf")


def test_characters_that_no_font_has_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = tmp_path / "fc-list"
    fonts.write_text("#!/bin/sh\necho 20-7e a0-17f 2026\necho 20-7e 1f642\n")
    fonts.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert paper.undrawn("<style>中</style><p title='中'>aé… 🙂\n</p>") == ""
    assert paper.undrawn("<p>中 ω</p> 中") == "ω中"
    monkeypatch.setenv("PATH", "")
    assert paper.undrawn("中") == "", "nobody here can tell"


def test_the_picture_of_these_tests_is_one() -> None:
    assert base64.b64decode(DOT).startswith(b"\x89PNG")
