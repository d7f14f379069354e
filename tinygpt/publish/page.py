"""A chapter as one page: views and quizzes work, pictures are inside, nothing is fetched."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from tinygpt.publish.mathml import with_mathml

if TYPE_CHECKING:
    from nbformat import NotebookNode

SITE = "https://github.com/tinygpt-course/tinygpt/blob/main/"
BADGE = re.compile(r"\[!\[(?P<says>[^\]]*)\]\([^)]*\)\]\((?P<to>[^)]*)\)\n?")
CLEARING = re.compile(r"Choose \*Edit → Clear Outputs of All Cells\* now.*?before you run it\.", re.DOTALL)
SETUP = re.compile(r"from importlib\.util import find_spec\n+find_spec\(.*\n+")
TEMPLATE = Path(__file__).with_name("template")


def handout(path: Path | str) -> str:
    """A chapter as an HTML page that stands on its own, for a screen and for paper.

    Args:
        path: A notebook with its outputs.

    Returns:
        HTML without a reference to anything outside of it, but for links that a reader may follow.

    Raises:
        ValueError: nbconvert is not installed.
    """
    try:
        import nbformat
        from nbconvert.exporters import TemplateExporter
    except ImportError:
        raise ValueError('Handouts need nbconvert. Run: pip install "tinygpt[course]"') from None
    from jinja2 import DictLoader
    from pygments.formatters import HtmlFormatter

    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    _move_badges(notebook)
    for cell in notebook.cells:
        (_prose if cell.cell_type == "markdown" else _code)(cell)
    exporter = TemplateExporter(
        extra_loaders=[DictLoader({"handout.j2": (TEMPLATE / "handout.j2").read_text(encoding="utf-8")})],
        template_file="handout.j2",
    )
    exporter.register_filter("highlight", _highlighted)
    exporter.register_filter("prose", partial(_html, cells=notebook.cells))
    styles = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    css = (TEMPLATE / "handout.css").read_text(encoding="utf-8")
    page, _ = exporter.from_notebook_node(
        notebook, resources={"css": styles + css, "title": _title(path, notebook), "toc": _sections(notebook)}
    )
    return page


def _title(path: Path, notebook: NotebookNode) -> str:
    heading = re.search(r"^# +(.+)", notebook.cells[0].source, re.MULTILINE)
    return f"{path.stem[:2]} {heading[1] if heading else path.stem}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w]+", "-", heading.lower()).strip("-")


def _sections(notebook: NotebookNode) -> list[tuple[str, str]]:
    """The second-level headings: anchor and text."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    found = re.findall(r"^## +(.+)", "\n".join(texts), re.MULTILINE)
    return [(_anchor(heading), heading.replace("`", "")) for heading in found]


def _prose(cell: NotebookNode) -> None:
    """Links into the repository lead to its site."""
    cell.source = with_mathml(re.sub(r"\]\(\.\./([^)]*)\)", rf"]({SITE}\1)", to_read(cell.source)))


def to_read(prose: str) -> str:
    """Prose for who reads a chapter and cannot run it: another advice on how to predict."""
    return CLEARING.sub("Cover each of them until you have made your guess.", prose)


def _move_badges(notebook: NotebookNode) -> None:
    """To the end as links, with their pictures left out: who opens a handout wants to read."""
    found: list[str] = []

    def taken(badge: re.Match[str]) -> str:
        found.append(f"[{badge['says']}]({badge['to']})")
        return ""

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub(taken, cell.source)
    if found:
        last = next(cell for cell in reversed(notebook.cells) if cell.cell_type == "markdown")
        last.source += "\n\nRun it: " + ", ".join(found)


def _code(cell: NotebookNode) -> None:
    """Captions go below the pictures, nothing is installed, and a quiz gets its answers for paper."""
    lines = cell.source.splitlines()
    cell.source = SETUP.sub("", "\n".join(line for line in lines if not line.startswith("#|")))
    for output in cell.outputs:
        html = output.get("data", {}).get("text/html", "")
        if "<details" in html and "tinygpt-view" not in html:
            output.metadata["answers"] = _answers(html)


def _answers(quiz: str) -> str:
    """Which choice of each question is right: "1 b, 2 a"."""
    right = []
    for number, question in enumerate(quiz.split("<p><b>")[1:], 1):
        choices = question.split("<details")[1:]
        found = [a for a, choice in zip(ascii_lowercase, choices, strict=False) if "✓" in choice]
        right += [f"{number} {letter}" for letter in found]
    return ", ".join(right)


def _highlighted(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter())


def _html(source: str, cells: Any) -> str:
    """Markdown as HTML; a heading of the second level can be linked to."""
    from nbconvert.filters import markdown2html_mistune

    html = markdown2html_mistune(source)
    html = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", html)
    return re.sub(r"<h2[^>]*>(.*?)</h2>", lambda m: f'<h2 id="{_anchor(_plain(m[1]))}">{m[1]}</h2>', html)


def _plain(html: str) -> str:
    from html import unescape

    return unescape(re.sub(r"<[^>]*>", "", html))
