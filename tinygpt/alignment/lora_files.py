"""Adapters in files of a few kilobytes, to plug into their base."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from tinygpt.alignment.lora import attach, linear_layers, lora_layers
from tinygpt.training.checkpoint import FORMAT, read_tensors, write_tensors

KIND = "LoRA"


def save_lora(
    path: str | os.PathLike[str],
    model: nn.Module,
    name: str = "default",
    *,
    dtype: torch.dtype | None = None,
) -> Path:
    """Writes one adapter, without its base; an interrupted write leaves the earlier file as it was.

    Args:
        path: where to; folders are made.
        model: has the adapter.
        name: of the adapter.
        dtype: what its numbers are rounded to; None keeps them as they are. `torch.bfloat16` halves the file.

    Returns:
        The path.

    Raises:
        ValueError: there is no such adapter.

    Example:
        >>> import tempfile
        >>> from tinygpt.alignment import add_lora
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=32))
        >>> _ = add_lora(model, rank=2)
        >>> save_lora(tempfile.mkdtemp() + "/pirate.safetensors", model).stat().st_size < 2000
        True
    """
    layers = {where: layer for where, layer in lora_layers(model).items() if name in layer.adapters}
    if not layers:
        known = {known for layer in lora_layers(model).values() for known in layer.adapters}
        raise ValueError(f"no adapter is called {name!r}; there are {sorted(known)}.")
    tensors: dict[str, Tensor] = {}
    for where, layer in layers.items():
        adapter = layer.adapters[name]
        tensors[f"{where}.A"], tensors[f"{where}.B"] = adapter.A.to(dtype), adapter.B.to(dtype)
    about = {"format": FORMAT, "kind": KIND, "name": name, "alpha": adapter.alpha}
    return write_tensors(path, tensors, json.dumps(about))


def load_lora(path: str | os.PathLike[str], model: nn.Module, name: str | None = None) -> str:
    """Adds the adapter in a file to a model and uses it alone, as `add_lora` does.

    Args:
        path: written by `save_lora`.
        model: the base it was trained on; another one of the same shape cannot be told apart.
        name: what to call it; None keeps the name it was saved under.

    Returns:
        The name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no adapter or one that does not fit the model, or the name is taken.
    """
    tensors, about = read_tensors(path)
    if about.get("kind") != KIND:
        raise ValueError(f"{path} holds a model and no adapter. Use tinygpt.load.")
    layers = linear_layers(model)
    pairs = {k[:-2]: (tensors[k], tensors[f"{k[:-2]}.B"]) for k in tensors if k.endswith(".A")}
    for where, (A, B) in pairs.items():
        fits = where in layers and tuple(layers[where].weight.shape) == (len(B), A.shape[1])
        if not fits:
            there = f"{tuple(layers[where].weight.shape)}" if where in layers else "not there"
            raise ValueError(
                f"{path} is for another model: its {where} is {(len(B), A.shape[1])}, here it is {there}."
            )
    name = about["name"] if name is None else name
    attach(model, pairs, name, about["alpha"])
    return name
