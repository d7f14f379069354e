"""`tinygpt train --stage`: the lineage, stage by stage or from nothing to the end."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tinygpt import runtime
from tinygpt.cli.flags import add_flags, chosen
from tinygpt.cli.parser import Parser
from tinygpt.lineage import SIZES, STAGES, card_text, shipped, train_stage
from tinygpt.lineage.shipped import widened
from tinygpt.training import Checkpoint, load

ALL = "all"


@dataclass(frozen=True)
class StageOptions:
    """Which stages to run, how large, and where to put them.

    Args:
        stage: one of them, or "all" for every stage from nothing.
        size: how large a model and how long: "ci" takes seconds for each stage, "laptop" less than an hour
            for all on two cores, "gpu" has a model sixteen times as large.
        start: checkpoint to start from instead of the one that is shipped.
        out: folder that gets a checkpoint and a card for each stage.
        seed: of weights, data and draws.
        resume: go on with what is in --out: finished stages are kept, an unfinished one is gone on with.
        overwrite: replace what is in --out.

    Raises:
        ValueError: when they contradict each other.
    """

    stage: str = ALL
    size: str = "laptop"
    start: str = ""
    out: str = "lineage"
    seed: int = 0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise ValueError("--resume goes on with what is in --out and --overwrite replaces it. Give one.")
        if self.start and (self.stage == ALL or STAGES[self.stage].after is None):
            raise ValueError(f"--stage {self.stage} begins from nothing. Leave out --start.")


def run(argv: list[str]) -> int:
    """Runs the command. Returns 0, or 130 when it was interrupted; finished stages are kept."""
    options = parse(argv)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise ValueError("a stage of the lineage runs in one process. Start it without torchrun.")
    started = time.perf_counter()
    print(f"device {runtime.best_device()}, {runtime.use_threads()} threads")
    for name in STAGES if options.stage == ALL else [options.stage]:
        kept = _run_stage(name, options)
        if "card" not in kept.info:
            print(f"{name} was interrupted. The same command with --resume goes on.")
            return 130
        print(card_text(kept.info["card"]))
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes in all, with the measuring")
    return 0


def parse(argv: list[str]) -> StageOptions:
    """Returns the options that were given."""
    parser = Parser(prog="tinygpt train", description=__doc__)
    choices = {"stage": (ALL, *STAGES), "size": tuple(SIZES)}
    add_flags(parser, StageOptions, choices=choices)
    return StageOptions(**chosen(StageOptions, parser.parse_args(argv)))


def _run_stage(name: str, options: StageOptions) -> Checkpoint:
    folder = Path(options.out)
    print(f"{name}: {STAGES[name].about}", flush=True)
    kept = train_stage(
        name,
        _start(name, options),
        options.size,
        options.seed,
        out=folder / f"{name}.safetensors",
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if "card" in kept.info:
        (folder / f"{name}.md").write_text(card_text(kept.info["card"]), encoding="utf-8")
    return kept


def _start(name: str, options: StageOptions) -> Checkpoint | None:
    """The stage before: the file that was given, what this run has made, or what is shipped."""
    if (after := STAGES[name].after) is None:
        return None
    made = Path(options.out) / f"{after}.safetensors"
    if options.start or options.stage == ALL:
        return widened(load(options.start or made))
    return shipped(after)
