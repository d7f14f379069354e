"""`tinygpt progress`: what the checks have shown so far on this machine, and what to do next."""

from __future__ import annotations

from pathlib import Path

from tinygpt.cli.parser import Parser
from tinygpt.grading.page import progress
from tinygpt.grading.record import switch


def run(argv: list[str]) -> int:
    """Runs the command."""
    parser = Parser(prog="tinygpt progress", description=__doc__)
    parser.add_argument("--page", metavar="FILE.html", help="write it as a page, too")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--off", action="store_true", help="keep no further results")
    either.add_argument("--on", action="store_true", help="keep them again")
    options = parser.parse_args(argv)
    if options.on or options.off:
        switch(options.on)
    print(found := progress())
    if options.page:
        Path(options.page).write_text(found.page(), encoding="utf-8")
        print(f"Written: {options.page}")
    return 0
