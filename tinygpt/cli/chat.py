"""`tinygpt chat`: ask a model that was taught to answer. Each line is a conversation of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tinygpt import runtime
from tinygpt.alignment import reply
from tinygpt.cli.flags import add_flags, chosen
from tinygpt.cli.parser import Parser
from tinygpt.lineage import STAGES, shipped
from tinygpt.sampling import Filter, greedy, temperature
from tinygpt.training import Checkpoint, load

HINT = """Ask about people, sums, lists or for a story, in words between spaces:
    where does ada live ?        think : what is 1 2 + 3 4 + 0 5 ?        tell me a story about zoe ."""


@dataclass(frozen=True)
class ChatOptions:
    """How answers are chosen.

    Args:
        temperature: below 1 sharpens, above 1 flattens; 0 always takes the likeliest token.
        tokens: how many tokens an answer has at most.
        seed: makes the draw repeatable; -1 draws anew each time.
    """

    temperature: float = 0.0
    tokens: int = 80
    seed: int = -1


def run(argv: list[str]) -> int:
    """Runs the command: reads questions until the input ends or a line is empty. Returns 0."""
    stages = ", ".join(name for name in STAGES if name not in ("pretrain", "english", "draft"))
    parser = Parser(prog="tinygpt chat", description=__doc__)
    parser.add_argument("model", nargs="?", default="reason", help=f"a shipped stage ({stages}) or a file")
    add_flags(parser, ChatOptions)
    values = parser.parse_args(argv)
    options = ChatOptions(**chosen(ChatOptions, values))
    kept = opened(values.model)
    filters: list[Filter] = [temperature(options.temperature)] if options.temperature else [greedy()]
    runtime.use_threads(1)  # one token at a time is too little work to share
    if sys.stdin.isatty():
        print(f"{HINT}\nAn empty line ends.")
    for number, question in enumerate(_questions()):
        drawing = {"filters": filters, "seed": None if options.seed < 0 else options.seed + number}
        said = reply(
            kept.model, kept.tokenizer, [("user", question)], max_new_tokens=options.tokens, **drawing
        )
        print(said, flush=True)
    return 0


def opened(name: str) -> Checkpoint:
    """Returns the model of a shipped stage, or of a file.

    Raises:
        ValueError: when it holds no tokenizer, so that nothing can be said to it.
    """
    kept = shipped(name) if name in STAGES else load(name)
    if kept.tokenizer is None:
        raise ValueError(f"{name} holds no tokenizer, so text cannot be turned into its tokens.")
    return kept


def _questions() -> Iterator[str]:
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if not question:
            return
        yield question
