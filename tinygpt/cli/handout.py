"""`tinygpt handout`: a chapter as an HTML page and a PDF, for who has no Jupyter and no network."""

from __future__ import annotations

from pathlib import Path

from tinygpt.cli.lab import find_chapter, find_course
from tinygpt.cli.parser import Parser

FONTS = "On Debian or Ubuntu: apt install fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji"


def run(argv: list[str]) -> int:
    """Runs the command and returns 0; without a browser the PDF is left out, and a sentence says so."""
    parser = Parser(prog="tinygpt handout", description=__doc__)
    parser.add_argument("chapter", help="how its file begins, say 03; or: all")
    parser.add_argument("--out", default="handouts", help="where to write (default: handouts)")
    parser.add_argument("--no-pdf", action="store_true", help="only the HTML")
    options = parser.parse_args(argv)
    root, folder = find_course([Path.cwd(), Path(__file__).resolve()]), Path(options.out)
    every = options.chapter == "all"
    paths = sorted((root / "course").glob("*.ipynb")) if every else [find_chapter(root, options.chapter)]
    folder.mkdir(parents=True, exist_ok=True)
    pages = [_page(path, folder) for path in paths]
    if not options.no_pdf:
        _papers(pages)
    return 0


def _page(path: Path, folder: Path) -> Path:
    from tinygpt.publish import handout

    page = folder / f"{path.stem}.html"
    page.write_text(handout(path), encoding="utf-8")
    print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
    return page


def _papers(pages: list[Path]) -> None:
    from tinygpt.publish import paper

    if paper.find() is None:
        print(f"No Chromium or Chrome was found, so no PDF was made. {paper.REMEDY}")
        return
    for page in pages:
        made = paper.pdf(page, page.with_suffix(".pdf"))
        print(f"{page.with_suffix('.pdf')}: {made.stat().st_size / 1e6:.1f} MB")
        if lost := paper.undrawn(page.read_text(encoding="utf-8")):
            shown = " ".join(lost[:8]) + (" …" if len(lost) > 8 else "")
            print(f"  No font here has {shown}, so the PDF shows empty boxes. {FONTS}")
