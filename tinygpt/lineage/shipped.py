"""The checkpoints that come with the package, one for each stage of the lineage."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from tinygpt.training import Checkpoint, load

FOLDER = Path(str(files("tinygpt.lineage"))) / "checkpoints"
SPREAD = FOLDER / "seeds.json"


def shipped(stage: str) -> Checkpoint:
    """Returns the model of a stage of the laptop lineage, in float32, with its tokenizer and its card.

    Args:
        stage: "pretrain", "instruct", "prefer", "think", "reason", "english", or "draft".

    Returns:
        The checkpoint; `info["card"]` says what it was trained on, how, and what it scores.

    Raises:
        ValueError: when there is no such stage.

    Example:
        >>> shipped("instruct").info["card"]["after"]
        'pretrain'
    """
    path = FOLDER / f"{stage}.safetensors"
    if not path.is_file():
        known = sorted(found.stem for found in FOLDER.glob("*.safetensors"))
        raise ValueError(f"shipped are the stages {', '.join(known)}; got {stage!r}.")
    return widened(load(path))


def spread_of(stage: str) -> dict[str, dict[str, dict[str, float]]]:
    """Returns how far seeds lie apart: size of the lineage → score → "mean" and "std".

    Example:
        >>> sorted(spread_of("instruct")["ci"]["facts: asked"])
        ['mean', 'std']
    """
    return json.loads(SPREAD.read_text(encoding="utf-8"))[stage]


def widened(kept: Checkpoint) -> Checkpoint:
    """Returns the checkpoint with its weights in float32, in which a model is trained and measured."""
    kept.model.float()
    return kept
