"""Finds the command and runs it; a command's code is imported only when it is called."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

COMMANDS = {
    "train": "train a model and its tokenizer on text",
    "sample": "continue a prompt with a trained model",
    "chat": "ask a model that was taught to answer",
    "sweep": "make many small runs, for scaling laws",
    "submit": "make the file that you hand in, and see what it would get",
    "reset": "bring back the empty answer of one exercise",
    "progress": "see what you have passed, and what comes next",
    "save": "put your work into one file",
    "load": "bring it back",
    "grade": "grade a class's notebooks, each in a sandbox",
    "handout": "a chapter as a page and a PDF that need no network",
    "book": "make the course one site of plain files, with search",
    "doctor": "check this machine, with a remedy for what is wrong",
    "lab": "open the course in JupyterLab",
}


def main(argv: list[str] | None = None) -> int:
    """Runs `tinygpt …` and returns its exit code: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="tinygpt",
        description="A small language model: train it, look inside it, understand it.",
        epilog=_listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command", help=", ".join(COMMANDS))
    if not argv:
        parser.print_help()
        return 2
    command = parser.parse_args(argv[:1]).command
    try:
        code = import_module(f"tinygpt.cli.{command}").run(argv[1:])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"tinygpt {command}: {error}", file=sys.stderr)
        return 1


def _listing() -> str:
    lines = [f"  {name:<8} {what}" for name, what in COMMANDS.items()]
    return "\n".join(["commands (each has --help):", *lines])
