"""A GPT's weights in the order, and in the width, in which the compiled loops read them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models import GPT, GatedMLP, alibi_slopes, rope_angles
from tinygpt.models.blocks import ACTIVATIONS
from tinygpt.sampling.rounding import quantise


def loops() -> ModuleType:
    """Returns the compiled loops; numba is imported when they are first wanted."""
    return importlib.import_module("tinygpt.sampling.loops")


def shape(model: GPT) -> Any:
    """Returns the `Shape` that the loops take."""
    c = model.config
    activation = list(ACTIVATIONS).index(c.activation)
    return loops().Shape(c.n_heads, c.ff_width, np.float32(c.d_head**-0.5), c.norm == "layernorm", activation)


@torch.no_grad()
def weights(model: GPT, kind: str) -> Any:
    """Returns the `Weights` that the loops take, their matrices in a format that holds them exactly."""
    c = model.config
    attns = [block.attn for block in model.blocks]
    mlps = [block.mlp for block in model.blocks] if c.ff_width else []
    norms = [getattr(b, name, b.attn_norm) for b in model.blocks for name in ("attn_norm", "mlp_norm")]
    norms.append(model.norm)
    cos, sin = rope_angles(torch.arange(c.context if c.position == "rope" else 0), c.d_head, c.rope_base)
    slopes = alibi_slopes(c.n_heads) if c.position == "alibi" else torch.zeros(0)
    positions = model.position.weight if c.position == "learned" else torch.zeros(0, c.d_model)
    packed = loops().Weights(
        embedding=_array(model.embed.weight),
        position=_array(positions),
        cos=_array(cos),
        sin=_array(sin),
        slopes=_array(slopes),
        gains=_array(torch.stack([norm.weight for norm in norms])),
        shifts=_array(torch.stack([_bias(norm, c.d_model) for norm in norms])),
        qkv=_matrix([[a.q, a.k, a.v] for a in attns], kind),
        out=_matrix([[a.out] for a in attns], kind),
        up=_matrix([[m.gate, m.up] if isinstance(m, GatedMLP) else [m.up] for m in mlps], kind),
        down=_matrix([[m.down] for m in mlps], kind),
        head=_matrix([[model.head]], kind),
    )
    return _in_one_block(packed)


def up(n: int, step: int) -> int:
    """Returns the next multiple of a step."""
    return -(-n // step) * step


def _matrix(layers: list[list[nn.Linear]], kind: str) -> Any:
    """The maps of every layer as one `Matrix`; those of one layer have the same input: side by side."""
    own = loops()
    if not layers:
        empty = np.zeros((0, 0, 0, own.TOGETHER, own.LANES), _codes(torch.zeros(1, 1), kind)[0].dtype)
        return own.Matrix(empty, np.zeros((0, 0, 0), np.uint16), np.zeros((0, 0), np.float32))
    pairs = [_codes(torch.cat([part.weight for part in parts]), kind) for parts in layers]
    codes, scales = (np.stack(arrays).swapaxes(1, 2) for arrays in zip(*pairs, strict=True))
    L, rows, outputs = codes.shape
    more = -outputs % own.LANES
    codes = np.pad(codes, ((0, 0), (0, -rows % own.TOGETHER), (0, more)))
    tiles = codes.reshape(L, -1, own.TOGETHER, (outputs + more) // own.LANES, own.LANES).swapaxes(2, 3)
    bias = np.zeros((0, outputs + more), np.float32)
    if layers[0][0].bias is not None:
        biases = torch.stack([torch.cat([part.bias for part in parts]) for parts in layers])
        bias = _array(F.pad(biases, (0, more)))
    return own.Matrix(tiles, np.pad(scales, ((0, 0), (0, 0), (0, more))), bias)


def _codes(weight: Tensor, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """A matrix's codes (outputs × inputs, or pairs of inputs) and their scales (outputs × groups)."""
    none = np.zeros((len(weight), 0), np.uint16)
    if kind == "float32":
        return _array(weight), none
    if kind == "bfloat16":
        codes = _upper_half(F.pad(weight, (0, weight.shape[1] % 2))).astype(np.uint32)
        return codes[:, 0::2] | codes[:, 1::2] << 16, none
    codes, scales = quantise(weight, kind)
    codes = codes.flatten(1).numpy()
    if kind == "int4":
        halves = (codes + 8).astype(np.uint8)
        codes = halves[:, 0::2] | halves[:, 1::2] << 4
    return codes, _upper_half(scales)


def _upper_half(x: Tensor) -> np.ndarray:
    """bfloat16 numbers as whole ones: the upper halves of float32 numbers whose lower halves are zero."""
    return (_array(x).view(np.uint32) >> 16).astype(np.uint16)


def _array(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().float().cpu().numpy())


def _bias(norm: nn.Module, width: int) -> Tensor:
    bias = getattr(norm, "bias", None)
    return torch.zeros(width) if bias is None else bias


def _in_one_block(packed: Any) -> Any:
    """Copies all arrays into one stretch of memory.

    NumPy asks Linux for large pages from 4 MB on; then a few megabytes fit into a cache without crowding
    some of its sets, which is worth 3 to 9 % of a step.
    """
    page = 2 << 20
    room = np.zeros(2 * page + sum(a.nbytes + 64 for a in _arrays(packed)), np.uint8)
    free = -room.ctypes.data % page

    def moved(value: Any) -> Any:
        nonlocal free
        if isinstance(value, tuple):
            return type(value)(*map(moved, value))
        place = room[free : free + value.nbytes].view(value.dtype).reshape(value.shape)
        place[...] = value
        free += up(value.nbytes, 64)
        return place

    return moved(packed)


def _arrays(value: Any) -> list[np.ndarray]:
    return [a for part in value for a in _arrays(part)] if isinstance(value, tuple) else [value]
