"""Named points where an activation can be read or replaced."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tinygpt.models.norms import RMSNorm

Watcher = Callable[[Tensor], "Tensor | None"]


class Tap:
    """Passes an activation on unchanged, under the name of the attribute that holds it.

    A watcher sees the activation, and replaces it by returning another one; `tinygpt.interp` installs
    watchers. A tap is no module, has no weights and adds nothing to `state_dict`: modules and PyTorch's hooks
    would take 4 % of a small model's pass when nobody watches, and as much again when somebody does.

    Example:
        >>> import torch
        >>> tap, seen = Tap(), []
        >>> tap.watchers.append(seen.append)
        >>> tap(torch.ones(2)), seen
        (tensor([1., 1.]), [tensor([1., 1.])])
    """

    __slots__ = ("watchers",)

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []

    def __call__(self, x: Tensor) -> Tensor:
        for watcher in self.watchers:
            new = watcher(x)
            x = x if new is None else new
        return x

    @property
    def watched(self) -> bool:
        """Whether somebody listens: attention computes its pattern explicitly only then."""
        return bool(self.watchers)


def uncompiled(model: nn.Module) -> nn.Module:
    """Returns the model that `torch.compile` wrapped, or the model itself."""
    return getattr(model, "_orig_mod", model)


def taps(model: nn.Module) -> dict[str, Tap]:
    """Returns the taps of `model`, compiled or not, by name.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> [name for name in taps(GPT(GPTConfig(vocab_size=8, n_layers=1))) if name.endswith("pattern")]
        ['blocks.0.attn.pattern']
    """
    found: dict[str, Tap] = {}
    _collect(uncompiled(model), "", found)
    return found


# Most modules, and looking into them would be 2 % of a small model's pass.
_WITHOUT_TAPS = (nn.Linear, nn.Embedding, nn.LayerNorm, RMSNorm)


def _collect(module: nn.Module, prefix: str, found: dict[str, Tap]) -> None:
    for name, value in module.__dict__.items():
        if type(value) is Tap:
            found[prefix + name] = value
    for name, child in module._modules.items():
        if type(child) not in _WITHOUT_TAPS and child is not None:
            _collect(child, f"{prefix}{name}.", found)
