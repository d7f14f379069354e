"""The whole course as one site of plain files, made by Sphinx, for a reader who may have no network.

The notebooks are not run: what they show is what they store.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygpt.publish.page import to_read

PACKAGES = "sphinx myst-nb sphinx-book-theme math-core"
NEEDED = f"The book is made by Sphinx. Run: {sys.executable} -m pip install {PACKAGES}"

MARK = "made-by-tinygpt-book.txt"  # what tells a book from somebody's own files
REPOSITORY = "https://github.com/tinygpt-course/tinygpt"
BADGE = re.compile(r"\[!\[(?P<says>[^\]]*)\]\([^)]*\)\]\((?P<to>[^)]*)\)")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
CHAPTER_LINK = re.compile(r"\]\((course|exercises)/([\w.]+)\.ipynb\)")
CONFIG: dict[str, Any] = {
    "project": "tinygpt",
    "html_title": "tinygpt",
    "copyright": "the tinygpt authors: text CC BY 4.0, code MIT",
    "extensions": ["myst_nb", "tinygpt.publish.sphinx"],
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {
        "home_page_in_toc": True,
        "show_toc_level": 2,
        "use_fullscreen_button": False,
        "use_download_button": False,
        "navbar_start": [],
        "navbar_center": [],
        "navbar_end": [],
        "navbar_persistent": [],
    },
    "html_context": {"default_mode": "auto"},
    "html_show_search_summary": False,  # it would be fetched, which a page opened as a file may not
    "html_static_path": [str(Path(__file__).parent / "book_static")],
    "html_css_files": ["book.css"],
    "html_copy_source": False,
    "html_use_index": False,
    "html_show_sourcelink": False,
    "html_show_sphinx": False,
    "html_math_renderer": "mathml",
    "language": "en",
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "nb_ipywidgets_js": {},
    "myst_enable_extensions": ["dollarmath", "colon_fence"],
    "myst_heading_anchors": 3,
    "myst_update_mathjax": False,
    "suppress_warnings": ["mystnb.unknown_mime_type", "config.cache"],
}


def book(root: Path, out: Path, *, only: str = "", progress: bool = True) -> list[str]:
    """Makes the site of a clone: its front page is `out/index.html`.

    What stood in `out` is replaced when the new site is complete, and not before.

    Args:
        root: The folder that holds `course/`, `exercises/` and `README.md`.
        out: Where the site is to be. It is made; what is there must be a book, or nothing.
        only: A regular expression for the chapters to take, by their names; "" takes all.
        progress: Show which page is being made.

    Returns:
        What Sphinx warned of, a sentence each: a link that leads nowhere, a heading that skips a level.

    Raises:
        ValueError: Sphinx or MyST-NB is not installed, there are no chapters, or `out` holds something else.
    """
    try:
        import myst_nb  # noqa: F401
        from sphinx.application import Sphinx
    except ImportError:
        raise ValueError(NEEDED) from None
    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise ValueError(f"{out} holds something that is no book. Remove it, or name another with --out.")
    with tempfile.TemporaryDirectory(prefix="tinygpt-book-") as scratch:
        source, made, warnings = Path(scratch, "source"), Path(scratch, "made"), Path(scratch, "warnings")
        gather(root, source, only)
        with warnings.open("w+", encoding="utf-8") as heard:
            status = sys.stdout if progress and sys.stdout.isatty() else None
            folders = [str(source), None, str(made), f"{scratch}/doctrees"]
            app = Sphinx(*folders, "html", CONFIG, status, heard, parallel=os.cpu_count() or 1)
            app.build()
            heard.seek(0)
            said = [COLOUR.sub("", line).replace(f"{source}/", "").strip() for line in heard]
        replace(made, out)
    return [line for line in said if line]


def gather(root: Path, source: Path, only: str = "") -> None:
    """Writes what Sphinx reads: the notebooks, fit for pages, and a front page made of the README.

    Raises:
        ValueError: There are no chapters.
    """
    parts = {part: chosen(root / part, only) for part in ("course", "exercises")}
    if not parts["course"]:
        wanted = f" that match {only!r}" if only else ""
        raise ValueError(
            f"There are no chapters{wanted} in {root / 'course'}. Is this a clone of {REPOSITORY}?"
        )
    for part, paths in parts.items():
        (source / part).mkdir(parents=True)
        for path in paths:
            notebook = page(json.loads(path.read_text(encoding="utf-8")))
            (source / part / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    (source / "docs").mkdir()
    for picture in (root / "docs").glob("*.png"):
        shutil.copy(picture, source / "docs")
    readme = (root / "README.md").read_text(encoding="utf-8")
    (source / "index.md").write_text(front(readme, parts), encoding="utf-8")


def chosen(folder: Path, only: str) -> list[Path]:
    return [path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if re.search(only, path.stem)]


def page(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook as a page to read: badges are words, a picture has its alternative text."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = BADGE.sub(lambda badge: f"[{badge['says']}]({badge['to']})", to_read(source))
        for output in cell.get("outputs", ()):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
    return notebook


def front(readme: str, parts: Mapping[str, list[Path]]) -> str:
    """The front page: how the README begins, its table of chapters, and the order of the pages."""
    start = readme.partition("\n## ")[0]
    table = readme.partition("\n## Chapters\n")[2].partition("\n## ")[0]
    pages = {path.stem for paths in parts.values() for path in paths}

    def inside(link: re.Match[str]) -> str:
        part, name = link.groups()
        return link[0] if name in pages else f"]({REPOSITORY}/blob/main/{part}/{name}.ipynb)"

    text = CHAPTER_LINK.sub(inside, f"{start}\n## Chapters\n{table}")
    text = text.replace("](exercises)", f"]({REPOSITORY}/tree/main/exercises)")
    trees = "\n".join(_tree(part, paths) for part, paths in parts.items())
    return f"{text}\n{trees}\n"


def _tree(part: str, paths: list[Path]) -> str:
    caption = {"course": "Chapters", "exercises": "Exercises"}[part]
    lines = [f"{path.stem[:2]} {_title(path)} <{part}/{path.stem}>" for path in paths]
    return "\n".join([":::{toctree}", ":hidden:", f":caption: {caption}", "", *lines, ":::"])


def _title(path: Path) -> str:
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    return first.partition("\n")[0].lstrip("# ")


def replace(made: Path, out: Path) -> None:
    """Puts a finished folder in the place of another, by renaming."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, stale = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    for folder in (fresh, stale):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, fresh, ignore=shutil.ignore_patterns(".buildinfo*", "objects.inv", "_sources"))
    (fresh / MARK).write_text("Made by `tinygpt book`, which may replace this folder.\n", encoding="utf-8")
    if out.exists():
        out.rename(stale)
    fresh.rename(out)
    shutil.rmtree(stale, ignore_errors=True)
