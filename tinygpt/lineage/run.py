"""Trains a stage of the lineage, measures it, and keeps it with its card."""

from __future__ import annotations

import copy
import os
import platform
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tinygpt import runtime
from tinygpt.lineage.shipped import shipped
from tinygpt.lineage.sizes import SIZES
from tinygpt.lineage.stages import STAGES, Stage
from tinygpt.training import Checkpoint, evaluate, fit, load, save

if TYPE_CHECKING:
    from tinygpt.lineage.recipe import Recipe
    from tinygpt.lineage.sizes import Size
    from tinygpt.training import Run


def train_stage(
    name: str,
    start: Checkpoint | None = None,
    size: str = "laptop",
    seed: int = 0,
    *,
    out: str | os.PathLike[str],
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    stop: threading.Event | None = None,
) -> Checkpoint:
    """Runs one stage of the lineage and writes its checkpoint.

    While it trains, the file holds what is needed to go on; once done, it holds the weights in bfloat16, the
    tokenizer and a card (`info["card"]`): data, shape, seed, command, minutes and the scores of the suite.

    Args:
        name: a stage of `STAGES`.
        start: the model of the stage before; the one that is shipped when not given. Left as it was.
        size: of `SIZES`. Only the stages that begin from nothing take their shape from it.
        seed: of the weights, the data and all draws.
        out: the file.
        resume: go on from `out` if it exists; a finished one is returned as it is.
        overwrite: replace `out` if it exists.
        progress: as in `fit`.
        stop: as in `fit`; what was learnt is in `out`, unfinished.

    Returns:
        The finished checkpoint; an unfinished one, without a card, if it was stopped or interrupted.

    Raises:
        ValueError: when there is no such stage or size, or a start is given to a stage that has none.
        FileExistsError: when `out` exists, and neither `resume` nor `overwrite` is given.
    """
    stage, size_ = _known(name, STAGES, "stage"), _known(size, SIZES, "size")
    if resume and Path(out).exists() and "card" in (kept := load(out)).info:
        return kept
    model, tok = _start(stage, start, size_, seed)
    recipe = stage.recipe(model, tok, size_, seed)
    model = model if recipe.model is None else recipe.model.to(model.device)
    run = fit(
        model,
        recipe.batches,
        recipe.loss_fn,
        config=recipe.config,
        every=max(10, recipe.config.steps // 10),
        ruler=recipe.ruler,
        checkpoint=out,
        resume=resume,
        overwrite=overwrite,
        tokenizer=tok,
        progress=progress,
        stop=stop,
    )
    if run.interrupted:
        return load(out)
    model.bfloat16().float()  # so that what is measured is what is written
    scores = evaluate(model, {**stage.exam(tok), **recipe.exam})
    info = {"card": {**_made(stage, size_, seed), **_trained(recipe, run, model), "scores": scores}}
    save(out, copy.deepcopy(model).bfloat16(), tokenizer=tok, info=info)
    return Checkpoint(model, tok, info)


def _known(name: str, table: dict[str, Any], what: str) -> Any:
    if name not in table:
        raise ValueError(f"a {what} of the lineage is one of {', '.join(table)}; got {name!r}.")
    return table[name]


def _start(stage: Stage, start: Checkpoint | None, size: Size, seed: int) -> tuple[Any, Any]:
    """Returns the model to train, one of its own, and its tokenizer, on the best device."""
    if stage.begin is not None:
        if start is not None:
            raise ValueError(f"{stage.name} begins from nothing; give no start.")
        model, tok = stage.begin(size, seed)
        return model.to(runtime.best_device()), tok
    start = start or shipped(stage.after)
    model = type(start.model)(start.model.config, seed=seed).to(runtime.best_device())
    model.load_state_dict(start.model.state_dict())
    return model, start.tokenizer


def _made(stage: Stage, size: Size, seed: int) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "after": stage.after,
        "about": stage.about,
        "size": size.name,
        "seed": seed,
        "command": f"tinygpt train --stage {stage.name} --size {size.name} --seed {seed}",
    }


def _trained(recipe: Recipe, run: Run, model: Any) -> dict[str, Any]:
    return {
        "data": recipe.data,
        "data_sha256": recipe.data_sha256,
        "config": asdict(model.config),
        "train_config": asdict(recipe.config),
        "minutes": sum(step.seconds for step in run.steps) / 60,
        "machine": f"{_processor(model.device)}, torch {torch.__version__}",
        "loss": run.losses[-1],
    }


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} threads"
