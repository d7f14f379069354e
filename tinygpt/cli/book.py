"""`tinygpt book`: the whole course as one site of plain files, with search, for a reader offline."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tinygpt.cli.lab import find_course
from tinygpt.cli.parser import Parser


def run(argv: list[str]) -> int:
    """Makes the site. Returns 1, with a sentence, when it cannot be made."""
    parser = Parser(prog="tinygpt book", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("book"), help="folder of the site (default: book)")
    parser.add_argument("--only", default="", help="the chapters whose name matches, say '03|04'; else all")
    parser.add_argument("--zip", action="store_true", help="also write the site as one zip to hand out")
    options = parser.parse_args(argv)
    from tinygpt.publish.book import book

    try:
        root = find_course([Path.cwd(), Path(__file__).resolve()])
        warnings = book(root, options.out, only=options.only)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for warning in warnings:
        print(warning, file=sys.stderr)
    if options.zip:
        print(f"The zip is {shutil.make_archive(str(options.out), 'zip', options.out)}")
    print(f"The book is at {(options.out / 'index.html').resolve().as_uri()}")
    return 0
