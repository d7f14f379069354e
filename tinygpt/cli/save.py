"""`tinygpt save`: one zip with your notebooks, small checkpoints and progress, to take along."""

from __future__ import annotations

from tinygpt.cli.parser import Parser
from tinygpt.grading.work import save_work


def run(argv: list[str]) -> int:
    """Runs the command."""
    parser = Parser(prog="tinygpt save", description=__doc__)
    parser.add_argument("--out", help="the file (default: tinygpt-work-TIME.zip, here)")
    options = parser.parse_args(argv)
    print(save_work(options.out))
    return 0
