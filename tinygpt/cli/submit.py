"""`tinygpt submit`: makes the file that is handed in, and says what it would get now."""

from __future__ import annotations

from tinygpt.cli.parser import Parser
from tinygpt.grading.submit import submit


def run(argv: list[str]) -> int:
    """Runs the command."""
    parser = Parser(prog="tinygpt submit", description=__doc__)
    parser.add_argument("notebook", help="say exercises/03_attention.ipynb")
    parser.add_argument("--name", default="", help="yours, for the name of the file")
    parser.add_argument("--out", help="folder to write to (default: beside the notebook)")
    parser.add_argument("--chapter", help="whose exercises (default: found by the answers)")
    parser.add_argument("--no-trial", action="store_true", help="do not run the notebook first")
    options = parser.parse_args(argv)
    how = {"name": options.name, "out": options.out, "chapter": options.chapter}
    print(submit(options.notebook, **how, trial=not options.no_trial))
    return 0
