"""Trains the lineage over several seeds and puts what a reader gets into the package: `make lineage`.

Finished stages are kept in build/lineage, so a run that was stopped goes on where it was. The checkpoints of
seed 0 are shipped. How far the seeds lie apart goes into seeds.json, for the stages in short too, which a
test retrains.
"""

from __future__ import annotations

import json
import shutil
import sys
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from tinygpt.cli.main import main as tinygpt
from tinygpt.lineage import STAGES, card_text, train_stage
from tinygpt.lineage.shipped import FOLDER, SPREAD
from tinygpt.training import load

SEEDS = {"laptop": range(3), "ci": range(6)}


def run(folder: Path) -> None:
    """Trains what is missing, then ships."""
    for seed in SEEDS["laptop"]:
        flags = ["--stage=all", "--size=laptop", f"--seed={seed}", f"--out={folder}/laptop-{seed}"]
        if code := tinygpt(["train", *flags, "--resume"]):
            sys.exit(code)
    ship(folder)  # before the short stages, which start from what is shipped
    for name, seed in product(STAGES, SEEDS["ci"]):
        train_stage(name, None, "ci", seed, out=folder / f"ci-{seed}" / f"{name}.safetensors", resume=True)
    ship(folder)


def ship(folder: Path) -> None:
    """Writes the checkpoints of seed 0, their cards, and the spread of what has been trained so far."""
    FOLDER.mkdir(exist_ok=True)
    seeds = {name: {size: spread(folder, size, name) for size in SEEDS} for name in STAGES}
    SPREAD.write_text(json.dumps(seeds, indent=1) + "\n", encoding="utf-8")
    for name in STAGES:
        source, path = folder / "laptop-0" / f"{name}.safetensors", FOLDER / f"{name}.safetensors"
        shutil.copyfile(source, path)
        text = card_text(load(path).info["card"], seeds[name])
        path.with_suffix(".md").write_text(text, encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def spread(folder: Path, size: str, name: str) -> dict[str, Any]:
    """Mean and standard deviation of each score over the seeds there are; empty if fewer than two."""
    files = [folder / f"{size}-{seed}" / f"{name}.safetensors" for seed in SEEDS[size]]
    scores = [load(file).info["card"]["scores"] for file in files if file.exists()]
    return {
        score: {"mean": fmean(s[score] for s in scores), "std": stdev(s[score] for s in scores)}
        for score in (scores[0] if len(scores) > 1 else ())
    }


if __name__ == "__main__":
    run(Path(sys.argv[1] if len(sys.argv) > 1 else "build/lineage"))
