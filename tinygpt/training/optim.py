"""AdamW with weight decay where it belongs, Muon for the matrices, and learning rates over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tinygpt.training.orthogonal import Muon
from tinygpt.training.placement import device_of, runs_in_bf16

if TYPE_CHECKING:
    from tinygpt.training.loop import TrainConfig


def adamw(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Returns AdamW that decays matrices only; gains, biases and other vectors are left alone.

    With `base_width`, linear maps step at `lr · base_width / d_model`, tables and vectors at `lr`. A map adds
    up what `d_model` inputs bring, and AdamW's steps agree among them, so that equal steps would change the
    sums of a wider model more.

    Raises:
        ValueError: with `base_width`, when the model has no `config`, or one matrix is both table and head.

    Source: Loshchilov & Hutter 2019, algorithm 2. The fused kernel is four times as fast as the loop,
    on a CPU too. For `base_width` Yang et al. 2022, "Tensor Programs V", table 3, where a head also starts
    smaller in proportion, or at zero (appendix D.2), and heads of attention keep their width.
    """
    groups = _groups(list(_trained(model).values()), config)
    if config.base_width is not None:
        groups = _by_width(model, groups, config.base_width)
    return torch.optim.AdamW(groups, **_options(model, config))


def muon(model: nn.Module, config: TrainConfig) -> Muon:
    """Returns an optimiser with orthogonal steps for the matrices inside blocks, and AdamW's for the rest.

    Tables of tokens and positions, heads and vectors are no maps from one stream to another: Jordan et al.
    2024 leave them to AdamW.

    Raises:
        ValueError: when there is no such matrix to train.
    """
    trained = _trained(model)
    inside = [p for name, p in trained.items() if p.ndim == 2 and "blocks." in name]
    if not inside:
        raise ValueError(
            'optimizer="muon" needs matrices inside blocks to train; there are none. Use "adamw".'
        )
    others = [p for p in trained.values() if all(p is not matrix for matrix in inside)]
    matrices = {"params": inside, "weight_decay": config.weight_decay, "orthogonal": True}
    rest = [{**group, "orthogonal": False} for group in _groups(others, config)]
    dtype = torch.bfloat16 if runs_in_bf16(device_of(model), config.precision) else torch.float32
    return Muon([matrices, *rest], dtype=dtype, **_options(model, config))


OPTIMIZERS = {"adamw": adamw, "muon": muon}


def _trained(model: nn.Module) -> dict[str, Tensor]:
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError("no parameter of the model requires a gradient, so there is nothing to train.")
    return trained


def _groups(parameters: list[Tensor], config: TrainConfig) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def _by_width(model: nn.Module, groups: list[dict[str, Any]], base_width: int) -> list[dict[str, Any]]:
    """Takes the linear maps out of each group, into one whose rate is smaller the wider the model is."""
    if not hasattr(model, "config"):
        raise ValueError(f"base_width needs a model with config.d_model; {type(model).__name__} has none.")
    maps, tables = (
        {id(part.weight) for part in model.modules() if isinstance(part, kind)}
        for kind in (nn.Linear, nn.Embedding)
    )
    if maps & tables:
        raise ValueError("with base_width a head and a table have different rates; build it with tied=False.")
    scale = base_width / model.config.d_model
    return [
        {**group, "params": [p for p in group["params"] if (id(p) in maps) is mapped], "scale": factor}
        for group in groups
        for mapped, factor in ((False, 1.0), (True, scale))
    ]


def _options(model: nn.Module, config: TrainConfig) -> dict[str, Any]:
    fused = device_of(model).type in ("cpu", "cuda")
    return {"lr": config.lr, "betas": (config.beta1, config.beta2), "fused": fused}


def learning_rate(step: int, config: TrainConfig) -> float:
    """Returns the learning rate of a step, counted from 0.

    It rises linearly for `warmup` steps, then
    "cosine": falls along half a cosine to `final_lr · lr` at the last step (Loshchilov & Hutter 2017);
    "wsd" (warmup, stable, decay): stays, and falls linearly over the last `decay` of all steps
    (Hu et al. 2024);
    "constant": stays.

    Example:
        >>> from tinygpt.training import TrainConfig
        >>> learning_rate(0, TrainConfig(steps=10, lr=1.0, warmup=4))
        0.25
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    last = max(1, config.steps - 1)
    if config.schedule == "wsd":
        start = last * (1 - config.decay)
        progress = max(0.0, step - start) / max(1e-9, last - start)
        return config.lr * (1 - (1 - config.final_lr) * min(1.0, progress))
    progress = min(1.0, (step - config.warmup) / max(1, last - config.warmup))
    return config.lr * (config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * progress)) / 2)
