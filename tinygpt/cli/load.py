"""`tinygpt load`: puts back what `tinygpt save` saved; what stands there before is kept as a copy."""

from __future__ import annotations

from tinygpt.cli.parser import Parser
from tinygpt.grading.restore import load_work


def run(argv: list[str]) -> int:
    """Runs the command."""
    parser = Parser(prog="tinygpt load", description=__doc__)
    parser.add_argument("file", help="say tinygpt-work-20260101-120000.zip")
    options = parser.parse_args(argv)
    print(load_work(options.file))
    return 0
