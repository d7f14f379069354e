"""The LoRA view: what an adapter adds to each matrix, how much that is, and along how few directions."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View
from tinygpt.views._patterns import halves

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from tinygpt.alignment import LoRALinear
    from tinygpt.alignment.lora import Adapter

_MOST = 100_000  # numbers in a page


def lora(model: nn.Module, adapter: str | None = None, *, layers: str = "*") -> Adapters:
    """Shows what each adapter of a model adds to its matrices: ΔW = alpha / rank · B A.

    By layer and matrix ‖ΔW‖ / ‖W‖, with Frobenius norms; for one of them ΔW itself and its singular values
    σ_i, of which at most `rank` are not 0: ΔW = Σ_i σ_i u_i v_iᵀ. Shares in use do not count: adapters
    that are put aside can be seen too.

    Args:
        model: Has adapters, from `add_lora` or `load_lora`.
        adapter: Which one to open on; None is the first.
        layers: A pattern of layers' names, such as "*.attn.*", where a model has too many for a page.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (adapter, layer's name).

    Raises:
        ValueError: The model has no adapter of that name, no layer matches, or too many do.

    Example:
        >>> from tinygpt.alignment import add_lora
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=2, d_model=32), seed=0)
        >>> _ = add_lora(model, rank=2, name="pirate", seed=0)
        >>> lora(model)
        LoRA view: 1 adapter, pirate of rank 2 on 4 matrices

    Source: Hu et al. 2021, "LoRA", sections 4.1 and 7.
    """
    from tinygpt.alignment.lora import lora_layers

    found = {path: layer for path, layer in lora_layers(model).items() if fnmatch.fnmatch(path, layers)}
    names = list(dict.fromkeys(name for layer in found.values() for name in layer.adapters))
    if not names or (adapter is not None and adapter not in names):
        wanted = "" if adapter is None else f" called {adapter!r}"
        raise ValueError(
            f"no layer {layers!r} has an adapter{wanted}; there are {names}. Try tinygpt.add_lora."
        )
    pairs = [(path, layer, name) for path, layer in found.items() for name in layer.adapters]
    numbers = sum(one.A.numel() + one.B.numel() for _, layer, name in pairs for one in [layer.adapters[name]])
    if numbers > _MOST:
        raise ValueError(
            f"a page holds {_MOST:,} numbers of adapters; these have {numbers:,}. "
            'Choose some layers, such as layers="blocks.0.*".'
        )
    return Adapters([_delta(path, layer, name) for path, layer, name in pairs], names, adapter or names[0])


@dataclass(frozen=True)
class _Delta:
    """What one adapter adds to one matrix: Σ_i sizes[i] left[:, i] right[:, i]ᵀ.

    Attributes:
        adapter: its name.
        path: the layer's name.
        row, column: layer and matrix, as they are shown.
        left: n_out × rank; orthonormal columns.
        sizes: rank; singular values, the largest first.
        right: n_in × rank; orthonormal columns.
        base: the norm of the matrix it is added to.
    """

    adapter: str
    path: str
    row: str
    column: str
    left: np.ndarray
    sizes: np.ndarray
    right: np.ndarray
    base: float

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(self.sizes))

    @property
    def share(self) -> float:
        """How large it is beside its base."""
        return self.norm / max(self.base, 1e-12)

    @property
    def matrix(self) -> np.ndarray:
        return (self.left * self.sizes) @ self.right.T


class Adapters(View):
    """The view that `lora` returns."""

    _module = "lora"
    _colours = 96

    def __init__(self, deltas: list[_Delta], names: list[str], opened: str) -> None:
        super().__init__()
        self._deltas, self._names = deltas, names
        self._selected = [opened, self._largest(opened).path]

    @property
    def selected(self) -> tuple[str, str]:
        """The (adapter, layer's name) that is locked."""
        adapter, path = self._selected
        return (str(adapter), str(path))

    def _of(self, name: str) -> list[_Delta]:
        return [delta for delta in self._deltas if delta.adapter == name]

    def _largest(self, name: str) -> _Delta:
        return max(self._of(name), key=lambda delta: delta.share)

    def _limits(self) -> dict[str, float]:
        """The end of each adapter's colour scale; few entries exceed it, since the largest would pale all."""
        ends = {}
        for name in self._names:
            entries = np.concatenate([np.abs(delta.matrix).ravel() for delta in self._of(name)])
            ends[name] = float(f"{np.quantile(entries, 0.995):.3g}") or 1.0
        return ends

    def _header(self) -> dict[str, Any]:
        return {
            "adapters": self._names,
            "limits": self._limits(),
            "deltas": [
                {
                    "adapter": delta.adapter,
                    "path": delta.path,
                    "row": delta.row,
                    "column": delta.column,
                    "shape": [len(delta.left), len(delta.right)],
                    "sizes": [float(f"{size:.4g}") for size in delta.sizes],
                    "base": float(f"{delta.base:.4g}"),
                }
                for delta in self._deltas
            ],
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        parts = [part.T.ravel() for delta in self._deltas for part in (delta.left, delta.right)]
        return halves(np.concatenate(parts))

    def _text(self) -> str:
        many = len(self._names)
        kinds = [
            f"{name} of rank {len(self._of(name)[0].sizes)} on {len(self._of(name))} matrices"
            for name in self._names
        ]
        lines = [f"LoRA view: {many} adapter{'s' * (many > 1)}, {', '.join(kinds)}"]
        for name in self._names:
            most = self._largest(name)
            sizes = ", ".join(f"{size:.3g}" for size in most.sizes[:8])
            lines.append(
                f"{name}: largest in {most.row} {most.column}, norm {most.norm:.3g}, {most.share:.1%} of the "
                f"base's; singular values {sizes}, the other {min(most.matrix.shape) - len(most.sizes)} are 0"
            )
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._lora_figure import figure

        name = self.selected[0]
        most = self._largest(name)
        rows = list(dict.fromkeys(delta.row for delta in self._of(name)))
        columns = list(dict.fromkeys(delta.column for delta in self._of(name)))
        shares = np.full((len(rows), len(columns)), np.nan)
        for delta in self._of(name):
            shares[rows.index(delta.row), columns.index(delta.column)] = delta.share
        title = f"{most.row} {most.column}"
        return figure(name, shares, rows, columns, title, most.matrix, most.sizes, self._limits()[name])


def _delta(path: str, layer: LoRALinear, name: str) -> _Delta:
    import torch

    adapter: Adapter = layer.adapters[name]
    with torch.no_grad():
        A, B = adapter.A.double().cpu(), adapter.B.double().cpu()
        # Singular vectors of B A from those of a rank × rank matrix: the matrix itself may be large.
        (outer, upper), (inner, lower) = torch.linalg.qr(B), torch.linalg.qr(A.T)
        left, sizes, right = torch.linalg.svd(upper @ lower.T * adapter.alpha / len(A))
        base = layer.base.weight.double().norm().item()
    row, column = _place(path)
    factors = ((outer @ left).numpy(), sizes.numpy(), (inner @ right.T).numpy())
    return _Delta(name, path, row, column, *factors, base)


def _place(path: str) -> tuple[str, str]:
    """Layer and matrix of a module: "blocks.3.attn.q" is ("L3", "attn.q")."""
    found = re.fullmatch(r"(?:(.+)\.)?blocks\.(\d+)\.(.+)", path)
    if not found:
        return "–", path
    stack = f"{found[1]} " if found[1] else ""
    return f"{stack}L{found[2]}", found[3]
