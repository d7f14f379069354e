"""The book: a site of plain files that works when it is opened as a file and nothing can be fetched."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from access import audit
from views.pages import READY, Page

from tinygpt.cli import book as command
from tinygpt.publish import book as making

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chapters 03, 07 and 09 with their exercises."""
    out = tmp_path_factory.mktemp("book") / "book"
    assert making.book(ROOT, out, only="03|07|09", progress=False) == [], "Sphinx warned"
    return out


class Links(HTMLParser):
    """The targets of a page's links and parts, and its ids."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        self.targets += [found[key] for key in ("href", "src") if found.get(key)]


def test_every_link_leads_somewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) >= 6
    checked = 0
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or target.startswith("data:"):
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.exists(), f"{path.name} links to {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].ids, f"{path.name} links to {target}"
            checked += 1
    assert checked > 100


def test_nothing_is_taken_from_a_network(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)="(https?:[^"]*)"', text)
        assert fetched == [], path.name


def test_formulas_are_mathml_and_badges_are_words(site):
    chapter = (site / "course" / "07_preferences.html").read_text(encoding="utf-8")
    assert "<math" in chapter and "$$" not in re.sub(r"<(script|style).*?</\1>", "", chapter, flags=re.DOTALL)
    assert ">Open in Colab</a>" in chapter and "colab-badge" not in chapter
    assert "Clear Outputs" not in chapter, "who reads a page cannot run it"


def test_pictures_have_the_words_that_the_notebook_stores(site):
    notebook = json.loads((ROOT / "course" / "03_attention.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    said = [o.get("metadata", {}).get("image/png", {}).get("alt") for o in outputs]
    page = (site / "course" / "03_attention.html").read_text(encoding="utf-8")
    alts = [alt for alt in said if alt]
    assert alts and all(f'alt="{alt}"' in page for alt in alts)


def test_the_exercises_hold_no_solution(site):
    for path in (site / "exercises").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "NotImplementedError" in text and "BEGIN SOLUTION" not in text


def test_the_front_page_lists_what_is_there_and_links_to_the_rest(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="course/03_attention.html"' in front
    assert f'href="{making.REPOSITORY}/blob/main/course/01_next_token.ipynb"' in front


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page that may open files and nothing else; fails the test where it met an error or asked for more."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark", offline=True)
    opened = Page(context.new_page())
    yield opened
    context.close()
    assert opened.errors == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


def test_the_search_finds_the_chapter(site, page):
    page.page.goto((site / "index.html").as_uri())
    page.page.keyboard.press("Control+k")
    page.page.keyboard.type("induction head")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("#search-results li a")
    found = page.page.locator("#search-results li a").all_inner_texts()
    assert "Attention" in found


def test_a_view_works_and_is_dark_on_a_dark_page(site, page):
    page.page.goto((site / "course" / "03_attention.html").as_uri())
    view = page.page.locator(".tinygpt-view").first
    view.scroll_into_view_if_needed()
    page.page.wait_for_selector(READY)
    before = page.page.locator(".say[aria-live]").first.inner_text()
    page.press(page.page.get_by_label("One head:").first, "ArrowUp", "ArrowUp")
    assert page.page.locator(".say[aria-live]").first.inner_text() != before
    assert page.page.locator("[data-dark]").count() > 0
    paper = view.evaluate("view => getComputedStyle(view.closest('.output')).backgroundColor")
    assert paper in ("rgba(0, 0, 0, 0)", "rgb(18, 18, 18)"), paper


@pytest.mark.parametrize(
    "name", ["index", "course/07_preferences", "course/09_scaling_laws", "exercises/03_attention"]
)
def test_a_page_fits_a_phone(name, site, page):
    page.page.set_viewport_size({"width": 390, "height": 800})
    page.page.goto((site / f"{name}.html").as_uri())
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    of_the_theme = "region: ['.sidebar-primary"  # its button for the search
    assert [one for one in audit.findings(page.page) if not one.startswith(of_the_theme)] == []


# What can go wrong


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "searchindex.js").write_text("somebody's own site")
    with pytest.raises(ValueError, match="holds something that is no book"):
        making.book(ROOT, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_no_chapters_are_said(tmp_path):
    with pytest.raises(ValueError, match=r"There are no chapters that match '99' in"):
        making.book(ROOT, tmp_path / "book", only="99", progress=False)
    assert not (tmp_path / "book").exists()


def test_an_old_book_stands_until_the_new_one_is_complete(tmp_path, monkeypatch):
    out, made = tmp_path / "book", tmp_path / "made"
    for folder, text in ((out, "old"), (made, "new")):
        folder.mkdir()
        (folder / "index.html").write_text(text)

    def fails(*args, **kwargs):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(making.shutil, "copytree", fails)
        with pytest.raises(OSError, match="disk full"):
            making.replace(made, out)
    assert (out / "index.html").read_text() == "old"
    making.replace(made, out)
    assert (out / "index.html").read_text() == "new" and (out / making.MARK).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book", "made"]


def test_without_sphinx_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    assert command.run(["--out", str(tmp_path / "book")]) == 1
    assert f"{sys.executable} -m pip install sphinx myst-nb" in capsys.readouterr().err
