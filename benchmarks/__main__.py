"""Command line: `python -m benchmarks train [--quick]`."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import fields
from pathlib import Path

import torch

from benchmarks.core import Options

WORKS = ("train", "generate", "capture", "imports", "tokenizer", "shakespeare", "align", "speculate", "judge")


def options(arguments: list[str] | None = None) -> tuple[str, Options]:
    """Returns the work that was asked for and its options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--quick", action="store_true", help="gates only, under a minute")
    parser.add_argument("--rounds", type=int, default=Options.rounds, help="samples of each candidate")
    parser.add_argument("--seconds", type=float, default=Options.seconds, help="length of a sample")
    parser.add_argument("--threads", type=int, default=Options.threads)
    parser.add_argument("--clock", choices=("cpu", "wall"), default=Options.clock)
    parser.add_argument("--out", type=Path, help="append JSON lines to this file")
    parser.add_argument("--losses", action="store_true", help="train: compare validation losses, not speed")
    parser.add_argument("--steps", type=int, default=Options.steps, help="with --losses")
    parser.add_argument("--seeds", type=int, default=Options.seeds, help="with --losses, and shakespeare")
    parser.add_argument("--text", type=Path, help="shakespeare: the file, if it is not to be downloaded")
    parser.add_argument("--script", type=Path, help="generate: LLMs-from-scratch's optimised cache")
    parser.add_argument("--submissions", type=int, default=Options.submissions, help="judge: how many")
    given = vars(parser.parse_args(arguments))
    return given.pop("work"), Options(**{f.name: given[f.name] for f in fields(Options)})


if __name__ == "__main__":
    work, chosen = options()
    torch.set_num_threads(chosen.threads)
    importlib.import_module(f"benchmarks.{work}").main(chosen)
