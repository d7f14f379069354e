"""Checkpoints: one safetensors file that holds a run, written whole or not at all.

The file's tensors are the weights (`model.…`), the optimiser's moments (`optimizer.…`) and the random
generators (`rng.…`); its header carries everything else as JSON. Nothing in it can run code.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tinygpt.models import GPT, Encoder, EncoderDecoder, GPTConfig, uncompiled
from tinygpt.tokenizers import Tokenizer, from_json
from tinygpt.training.distributed import like, whole, world
from tinygpt.training.loop import TrainState

FORMAT = 1
KINDS = {"GPT": GPT, "Encoder": Encoder, "EncoderDecoder": EncoderDecoder}


@dataclass
class Checkpoint:
    """What a file held.

    Attributes:
        model: in evaluation mode.
        tokenizer: or None when none was saved.
        info: whatever was given as `info`; from `fit` also `train_config` and `run` (see `Run.from_dict`).
    """

    model: GPT | Encoder | EncoderDecoder
    tokenizer: Tokenizer | None = None
    info: dict[str, Any] = field(default_factory=dict)


def save(
    path: str | os.PathLike[str],
    model: nn.Module,
    *,
    tokenizer: Tokenizer | None = None,
    state: TrainState | None = None,
    info: dict[str, Any] | None = None,
) -> Path:
    """Writes a checkpoint; an interrupted write leaves the earlier file as it was.

    Processes that share a run all call it, and the first one writes.

    Args:
        path: where to; folders are made.
        model: a `GPT`, `Encoder` or `EncoderDecoder`, compiled or not.
        tokenizer: saved along, so that the file can be sampled from.
        state: saved along, so that training can be resumed.
        info: anything JSON can hold.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, d_model=8))
        >>> path = save(tempfile.mkdtemp() + "/model.safetensors", model)
        >>> load(path).model.config == model.config
        True
    """
    about = describe(model, tokenizer, info, state)
    tensors = {f"model.{name}": value for name, value in _unshared(uncompiled(model)).items()}
    if state is not None:
        tensors |= _optimizer_tensors(state) | _rng_tensors()
    return write_tensors(path, tensors, about)


def describe(
    model: nn.Module,
    tokenizer: Tokenizer | None = None,
    info: dict[str, Any] | None = None,
    state: TrainState | None = None,
) -> str:
    """Returns what a checkpoint says beside its tensors, as JSON; the arguments are those of `save`.

    Raises:
        ValueError: when the model is none of the three families, or `info` is nothing that JSON can hold.
    """
    model = uncompiled(model)
    if (kind := _kind(model)) not in KINDS:
        raise ValueError(f"a checkpoint holds a tinygpt {' or '.join(KINDS)}; got {kind}.")
    said = {
        "format": FORMAT,
        "kind": kind,
        "config": asdict(model.config),
        "info": info or {},
    }
    if tokenizer is not None:
        said["tokenizer"] = tokenizer.to_json()
    if state is not None:
        said |= {"step": state.step, "batches": state.batches}
    try:
        return json.dumps(said)
    except TypeError as error:
        raise ValueError(
            f"a checkpoint's info and training options must fit into JSON ({error}). "
            "Convert NumPy's numbers with int() or float()."
        ) from None


def load(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> Checkpoint:
    """Returns the model, tokenizer and information in a checkpoint.

    Raises:
        FileNotFoundError, ValueError: when there is no such file, or it is no checkpoint of tinygpt.
    """
    tensors, header = read_tensors(path)
    kind = KINDS.get(header.get("kind", "GPT"))
    if kind is None:
        raise ValueError(f"{path} holds no model but a {header['kind']} adapter. Use alignment.load_lora.")
    model = kind(GPTConfig(**header["config"]), seed=0).to(device, tensors["model.embed.weight"].dtype)
    _load_weights(model, tensors)
    kept = header.get("tokenizer")
    tokenizer = from_json(kept) if kept else None
    return Checkpoint(model.eval(), tokenizer, header["info"])


def restore(path: str | os.PathLike[str], state: TrainState) -> dict[str, Any]:
    """Puts a run back where it was: weights, moments, step and random generators. Returns its `info`.

    Raises:
        ValueError: when the file holds no training state, or a run of another model.
    """
    tensors, header = read_tensors(path)
    if "step" not in header:
        raise ValueError(f"{path} holds a model but no training state, so it cannot be resumed. Use load().")
    model = uncompiled(state.model)
    saved = f"{header.get('kind', 'GPT')} {GPTConfig(**header['config'])}"
    if saved != (this := f"{_kind(model)} {getattr(model, 'config', None)}"):
        raise ValueError(f"{path} is a run of another shape: {saved}; this model is {this}.")
    _load_weights(state.model, tensors)
    _load_optimizer(state, tensors)
    _load_rng(tensors)
    state.step, state.batches = header["step"], header["batches"]
    return header["info"]


def write_tensors(path: str | os.PathLike[str], tensors: dict[str, Tensor], about: str) -> Path:
    """Writes tensors and what is said about them, as JSON, whole or not at all. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    tensors = {name: whole(value.detach()).cpu().contiguous() for name, value in tensors.items()}
    if world().rank:
        return path
    try:
        save_file(tensors, temporary, metadata={"tinygpt": about})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns what `write_tensors` wrote: the tensors and what was said about them."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}. `tinygpt train --out {path}` would make one.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("tinygpt", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file ({error}).") from None
    if header is None or header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of tinygpt (format {FORMAT}).")
    return tensors, header


def _kind(model: nn.Module) -> str:
    return type(model).__name__.removeprefix("FSDP")  # how a sharded model's class is called


def _unshared(model: nn.Module) -> dict[str, Tensor]:
    state = model.state_dict()
    if model.config.tied:
        del state["head.weight"]
    return state


def _load_weights(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    model = uncompiled(model)
    if model.config.tied:
        weights["head.weight"] = weights["embed.weight"]
    own = model.state_dict()
    if odd := sorted(set(weights) ^ set(own)):
        raise ValueError(
            f"the checkpoint and the model do not have the same weights: {odd[0]} is in one only. "
            "Was it saved with adapters? Give the model the same ones with add_lora and use restore or "
            "fit(resume=True), or merge_lora before you save."
        )
    model.load_state_dict({name: like(value, own[name]) for name, value in weights.items()}, strict=True)


def _optimizer_tensors(state: TrainState) -> dict[str, Tensor]:
    return {
        f"optimizer.{name}.{moment}": value
        for name, parameter in uncompiled(state.model).named_parameters()
        for moment, value in state.optimizer.state.get(parameter, {}).items()
    }


def _load_optimizer(state: TrainState, tensors: dict[str, Tensor]) -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            name, _, moment = key.removeprefix("optimizer.").rpartition(".")
            kept.setdefault(name, {})[moment] = value
    named = dict(uncompiled(state.model).named_parameters())
    names = {parameter: name for name, parameter in named.items()}
    groups = state.optimizer.param_groups
    trained = [names[parameter] for group in groups for parameter in group["params"]]
    if frozen := sorted(set(kept) - set(trained)):
        raise ValueError(f"the checkpoint's run trained {frozen}, which are frozen now. Unfreeze them first.")
    moments = {i: _placed(kept[name], named[name]) for i, name in enumerate(trained) if name in kept}
    packed = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": packed})


def _placed(moments: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    return {name: like(value, weight) if value.ndim else value for name, value in moments.items()}


def _rng_tensors() -> dict[str, Tensor]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"rng.cpu": torch.get_rng_state()} | {f"rng.cuda.{i}": s for i, s in enumerate(cuda)}


def _load_rng(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["rng.cpu"])
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            if (key := f"rng.cuda.{i}") in tensors:
                torch.cuda.set_rng_state(tensors[key], i)
