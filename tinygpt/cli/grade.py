"""`tinygpt grade`: runs a class's notebooks in sandboxes and writes gradebooks, feedback and a summary."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from tinygpt.cli.parser import Parser
from tinygpt.grading.gradebook.autograder import write_autograder
from tinygpt.grading.gradebook.notes import points_note
from tinygpt.grading.judge.batch import chapter_named, grade_all


def run(argv: list[str]) -> int:
    """Runs the command. Returns 1 when the judge itself failed on a submission; the others are graded."""
    options = _parser().parse_args(argv)
    if options.gradescope:
        target = Path(options.out or "autograder.zip")
        write_autograder(chapter_named(options.gradescope), target, options.private)
        print(f"{target}: upload it in Gradescope under Configure Autograder, on Ubuntu 22.04.")
        if not options.private:
            print(points_note(chapter_named(options.gradescope)))
        return 0
    if not options.submissions or not options.chapter:
        raise ValueError("say what to grade and by which chapter: tinygpt grade SUBMISSIONS --chapter 03.")
    out = options.out or "results"
    made = grade_all(
        options.submissions,
        options.chapter,
        out,
        private=options.private,
        roster=options.roster,
        assignment=options.assignment,
        workers=options.workers,
        ray=options.ray,
        sandbox=options.sandbox,
        unsafe=options.unsafe_no_sandbox,
        say=partial(print, flush=True),
    )
    failed = [one for one in made if one.error]
    for one in failed:
        print(f"failed: {one.name}: {one.error}")
    page = Path(out, "summary.html")
    print(f"{len(made) - len(failed)} of {len(made)} submissions are graded. Begin with {page}.")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="tinygpt grade", description=__doc__)
    parser.add_argument("submissions", nargs="?", help="a folder or zip of notebooks, or one notebook")
    parser.add_argument("--chapter", help="whose exercises: 03_attention, or 03")
    parser.add_argument("--out", help="folder of the results (default: results)")
    parser.add_argument("--private", metavar="DIR", help="a folder with hidden checks: yours, or solutions")
    parser.add_argument("--roster", metavar="CSV", help="Canvas's export of the gradebook, to be filled")
    parser.add_argument("--assignment", default="", help="the title in Canvas (default: the chapter)")
    parser.add_argument("--workers", type=int, help="submissions at a time (default: one per core)")
    parser.add_argument("--ray", metavar="ADDRESS", help='a Ray cluster, or "local"; needs "tinygpt[ray]"')
    parser.add_argument("--sandbox", default="", help="docker, podman or bubblewrap (default: what works)")
    parser.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="where no sandbox works, run submissions with this account's files and network in their reach",
    )
    parser.add_argument(
        "--gradescope", metavar="CHAPTER", help="grade nothing: write an autograder for Gradescope to --out"
    )
    return parser
