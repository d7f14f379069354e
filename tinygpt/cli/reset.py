"""`tinygpt reset`: brings an empty answer back, and keeps what you wrote in a file beside the notebook."""

from __future__ import annotations

from tinygpt.cli.parser import Parser
from tinygpt.grading.reset import reset
from tinygpt.grading.shipped import stub


def run(argv: list[str]) -> int:
    """Runs the command."""
    parser = Parser(prog="tinygpt reset", description=__doc__)
    parser.add_argument("exercise", help="its name, say causal_attention")
    parser.add_argument("notebook", nargs="?", help="the file (default: the chapter's, in exercises/)")
    options = parser.parse_args(argv)
    print(reset(options.exercise, options.notebook or f"exercises/{stub(options.exercise).chapter}.ipynb"))
    return 0
