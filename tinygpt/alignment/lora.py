"""LoRA: a few small matrices that change what a model does, and can be taken off again."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models import uncompiled

if TYPE_CHECKING:
    from jaxtyping import Float

_PREFIX = "lora_"  # an adapter may be called "type" or "half", which are attributes of every module


class Adapter(nn.Module):
    """The map `share · alpha / rank · B A x`, where A (rank × in) narrows x and B (out × rank) widens it.

    Attributes:
        A, B: the matrices.
        alpha: a strength, divided by the rank so that it means the same at every rank.
        share: how much of it is mixed in; 0 is off.
    """

    def __init__(self, A: Float[Tensor, "rank n_in"], B: Float[Tensor, "n_out rank"], alpha: float) -> None:
        super().__init__()
        self.A, self.B = nn.Parameter(A), nn.Parameter(B)
        self.alpha, self.share = alpha, 1.0

    @property
    def scale(self) -> float:
        """What B A is multiplied by."""
        return self.share * self.alpha / len(self.A)

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        return F.linear(F.linear(x, self.A) * self.scale, self.B)

    def delta(self) -> Float[Tensor, "n_out n_in"]:
        """What it adds to the matrix of its layer."""
        return self.scale * (self.B @ self.A)


class LoRALinear(nn.Module):
    """A linear layer and its adapters: `base(x)` plus what every adapter in use says.

    Args:
        base: the layer as it was; not copied.

    Attributes:
        weight: the matrix of base and mixture together, computed when asked for, so that whoever reads the
            weights of a model sees what it does.
        bias: the base's.
    """

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base

    @property
    def adapters(self) -> dict[str, Adapter]:
        """Name → adapter, in use or not."""
        return {k[len(_PREFIX) :]: m for k, m in self._modules.items() if k.startswith(_PREFIX)}

    @property
    def weight(self) -> Float[Tensor, "n_out n_in"]:
        return sum((a.delta() for a in self.adapters.values() if a.share), start=self.base.weight)

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        y = self.base(x)
        for adapter in self.adapters.values():
            if adapter.share:
                y = y + adapter(x)
        return y


def add_lora(
    model: nn.Module,
    rank: int = 4,
    *,
    alpha: float | None = None,
    targets: str | Iterable[str] = "*.attn.[qv]",
    name: str = "default",
    seed: int | None = None,
) -> int:
    """Adds an adapter to the chosen linear layers, and makes it the only thing that trains.

    `y = W x + alpha / rank · B A x`. B starts at zero, so at first the model does what it did; adapters that
    were in use are put aside. Training, checkpoints and inspection go on as before; `fit(..., resume=True)`
    wants the same adapters added first.

    Args:
        model: changed in place.
        rank: rows of A and columns of B; more can express more, and takes more memory.
        alpha: strength; None means 2 · rank.
        targets: patterns of layers' names, such as "*.attn.[qv]" or "blocks.*" for all in the blocks.
        name: of the adapter; one base can carry many.
        seed: fixes A, drawn from N(0, 1/in); None draws from PyTorch's global generator.

    Returns:
        How many weights train now.

    Raises:
        ValueError: no linear layer matches, one shares its matrix with the embedding, the rank is out of
            range, or the name is taken.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=2, d_model=32))
        >>> add_lora(model, rank=2)  # 2 layers, q and v, A and B
        512

    Source: Hu et al. 2021, "LoRA", section 4.1.
    """
    alpha = 2.0 * rank if alpha is None else float(alpha)
    chosen = _chosen(model, [targets] if isinstance(targets, str) else list(targets))
    largest = min(min(layer.weight.shape) for layer in chosen.values())
    if not 1 <= rank <= largest:
        raise ValueError(f"rank must be from 1 to {largest}, the narrowest layer's width; got {rank}.")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    matrices = {}
    for path, layer in chosen.items():
        n_out, n_in = layer.weight.shape
        narrow = torch.empty(rank, n_in).normal_(0.0, n_in**-0.5, generator=generator)
        matrices[path] = narrow, torch.zeros(n_out, rank)
    attach(model, matrices, name, alpha)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def use_lora(model: nn.Module, mix: Mapping[str, float]) -> dict[str, float]:
    """Sets which adapters act, and how strongly; those in use train, all else is frozen.

    The mixture is linear in the matrices: `W + Σ share · alpha / rank · B A`. An adapter that is not named,
    or whose share is 0, is not computed at all: without any, the model is its base bit for bit.

    Args:
        model: has adapters.
        mix: adapter → share; 1 is as trained. {} switches all off.

    Returns:
        The mix before, to go back to.

    Raises:
        ValueError: an adapter does not exist, or a share is no finite number.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=32))
        >>> _ = add_lora(model, name="pirate"), add_lora(model, name="poet")
        >>> use_lora(model, {"pirate": 0.7, "poet": 0.3})
        {'poet': 1.0}
    """
    layers = lora_layers(model)
    parts = [part for layer in layers.values() for part in layer.adapters.items()]
    if unknown := sorted(set(mix) - {name for name, _ in parts}):
        raise ValueError(f"no adapter is called {unknown[0]!r}; there are {sorted({n for n, _ in parts})}.")
    for name, share in mix.items():
        if not math.isfinite(share):
            raise ValueError(f"a share must be a finite number; got {share} for {name!r}.")
    before = {name: adapter.share for name, adapter in parts if adapter.share}
    for name, adapter in parts:
        adapter.share = float(mix.get(name, 0.0))
        adapter.requires_grad_(adapter.share != 0)
    return before


def merge_lora(model: nn.Module) -> None:
    """Adds the mixture in use to the base's matrices and drops all adapters: a plain model, as fast as one.

    Its outputs are those of the mixture up to rounding; the base is gone, so copy it first if you want it.

    Args:
        model: changed in place; without adapters nothing happens.
    """
    with torch.no_grad():
        for layer in lora_layers(model).values():
            layer.base.weight.copy_(layer.weight)
    remove_lora(model)


def remove_lora(model: nn.Module, name: str | None = None) -> None:
    """Takes an adapter off, or all of them; without any the model is its base again, and all of it trains.

    Args:
        model: changed in place.
        name: of the adapter; None takes off all.

    Raises:
        ValueError: there is no such adapter.
    """
    layers = lora_layers(model)
    known = {known for layer in layers.values() for known in layer.adapters}
    if name is not None and name not in known:
        raise ValueError(f"no adapter is called {name!r}; there are {sorted(known)}.")
    for path, layer in layers.items():
        for gone in list(layer.adapters) if name is None else {name} & set(layer.adapters):
            delattr(layer, _PREFIX + gone)
        if not layer.adapters:
            _replace(model, path, layer.base)
    if layers and not lora_layers(model):
        model.requires_grad_(True)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers that have adapters, by name."""
    return {path: m for path, m in uncompiled(model).named_modules() if isinstance(m, LoRALinear)}


def linear_layers(model: nn.Module) -> dict[str, nn.Linear | LoRALinear]:
    """The layers that can have adapters, by name, whether or not they have some."""
    taken = lora_layers(model)
    inside = {f"{path}.base" for path in taken}
    found = {path: m for path, m in uncompiled(model).named_modules() if isinstance(m, nn.Linear)}
    return {**{path: m for path, m in found.items() if path not in inside}, **taken}


def attach(model: nn.Module, matrices: Mapping[str, tuple[Tensor, Tensor]], name: str, alpha: float) -> None:
    """Gives layers an adapter each, of the matrices (A, B), and uses it alone."""
    taken = {name for layer in lora_layers(model).values() for name in layer.adapters}
    if not name or "." in name or name in taken:
        raise ValueError(
            f"an adapter's name must be new and without a dot; got {name!r}, taken are {sorted(taken)}. "
            "Take another name, or remove_lora the old one."
        )
    model.requires_grad_(False)
    layers = linear_layers(model)
    for path, pair in matrices.items():
        layer = layers[path]
        if not isinstance(layer, LoRALinear):
            layer = LoRALinear(layer)
            _replace(model, path, layer)
        A, B = (matrix.to(layer.base.weight) for matrix in pair)
        layer.add_module(_PREFIX + name, Adapter(A, B, alpha))
    use_lora(model, {name: 1.0})


def _chosen(model: nn.Module, patterns: list[str]) -> dict[str, nn.Linear | LoRALinear]:
    layers = linear_layers(model)
    for pattern in patterns:
        if not fnmatch.filter(layers, pattern):
            raise ValueError(f"no linear layer matches {pattern!r}. There are {', '.join(layers)}.")
    chosen = {path: m for path, m in layers.items() if any(fnmatch.fnmatch(path, p) for p in patterns)}
    owners = Counter(id(p) for m in uncompiled(model).modules() for p in m.parameters(recurse=False))
    for path, layer in chosen.items():
        if owners[id(layer.weight)] > 1:
            raise ValueError(
                f"{path} shares its matrix with another layer, which an adapter would not reach and a merge "
                'would change. Leave it out: targets="blocks.*" takes every layer in the blocks.'
            )
    return chosen


def _replace(model: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(uncompiled(model).get_submodule(parent), name, new)
