"""Weights in few bits: rounding a model to a grid, and finding the narrowest grid that holds it exactly."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.models import GPT

if TYPE_CHECKING:
    from jaxtyping import Float, Int8

GROUP = 32
FORMATS = {"int4": 4, "int8": 8, "bfloat16": 16, "float32": 32}
_LARGEST = {"int4": 7, "int8": 127}


class Quantised(NamedTuple):
    """Whole numbers and what one of them is worth.

    Attributes:
        codes: outputs × groups × inputs of a group; the last group is filled up with zeros.
        scales: outputs × groups, each a bfloat16 widened to float32.
    """

    codes: Int8[Tensor, "out groups size"]
    scales: Float[Tensor, "out groups"]

    def weight(self, n_inputs: int) -> Float[Tensor, "out in"]:
        """Returns the matrix that the codes stand for, in float32."""
        return (self.codes * self.scales[..., None]).flatten(1)[:, :n_inputs].contiguous()


def quantise(weight: Float[Tensor, "out in"], kind: str) -> Quantised:
    """Returns the nearest whole multiples of a scale, which is a share of the largest weight that has it.

    `code = round(w / scale)`, `scale = max |w| / 127` over all inputs of an output for "int8",
    `max |w| / 7` over 32 inputs of an output for "int4". A scale has eight significant bits, so code × scale
    is exact in float32, and quantising the result again changes nothing.

    Args:
        weight: outputs × inputs, as `nn.Linear` has it.
        kind: "int8" or "int4".

    Raises:
        ValueError: for another kind.

    Example:
        >>> quantise(torch.tensor([[1.27, -0.5, 0.004]]), "int8").codes
        tensor([[[127, -50,   0]]], dtype=torch.int8)

    Source: round to nearest, where Dettmers et al. 2022, "LLM.int8()", section 2, start; they keep the few
    inputs with outliers in 16 bits. Frantar et al. 2022, "GPTQ", section 3, also shift the weights that are
    not yet rounded, so that the layer's output changes least.
    """
    if kind not in _LARGEST:
        raise ValueError(f"kind must be one of {tuple(_LARGEST)}; got {kind!r}.")
    weight = weight.detach().float()
    size = GROUP if kind == "int4" else weight.shape[1]
    groups = F.pad(weight, (0, -weight.shape[1] % size)).unflatten(1, (-1, size))
    largest = _LARGEST[kind]
    scales = (groups.abs().amax(-1) / largest).bfloat16().float()
    steps = groups / torch.where(scales > 0, scales, 1.0)[..., None]
    return Quantised(steps.round().clamp(-largest, largest).to(torch.int8), scales)


def nearest(weight: Float[Tensor, "out in"], kind: str) -> Float[Tensor, "out in"]:
    """Returns the closest matrix, in float32, that the format holds: "float32", "bfloat16", "int8" or "int4".

    Example:
        >>> nearest(torch.tensor([[0.1, 0.7]]), "int4")
        tensor([[0.1001, 0.7007]])
    """
    if kind not in FORMATS:
        raise ValueError(f"the format must be one of {tuple(FORMATS)}; got {kind!r}.")
    if kind == "float32":
        return weight.detach().float()
    if kind == "bfloat16":
        return weight.detach().bfloat16().float()
    return quantise(weight, kind).weight(weight.shape[1])


def rounded(model: GPT, kind: str) -> GPT:
    """Returns a copy of the model with every matrix that multiplies rounded to a format.

    The copy is an ordinary float32 model: its loss tells what the format costs, and `fast` keeps its weights
    in that many bits. A tied head rounds the table of tokens with it; gains, biases and positions stay.

    Args:
        model: any GPT.
        kind: "float32", "bfloat16", "int8" or "int4".

    Raises:
        ValueError: for another format.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> narrowest(rounded(model, "int8"))
        'int8'
    """
    copy = deepcopy(model).float()
    with torch.no_grad():
        for part in copy.modules():
            if isinstance(part, nn.Linear):
                part.weight.copy_(nearest(part.weight, kind))
    return copy


def narrowest(model: GPT) -> str:
    """Returns the format of fewest bits that holds every matrix of the model exactly."""
    matrices = [part.weight for part in model.modules() if isinstance(part, nn.Linear)]
    for kind in FORMATS:
        if all(torch.equal(nearest(matrix, kind), matrix) for matrix in matrices):
            return kind
    return "float32"


def bits_per_weight(kind: str, n_inputs: int) -> float:
    """Returns what a weight of a matrix takes with its share of a 16-bit scale, in bits.

    Example:
        >>> bits_per_weight("int4", 128), bits_per_weight("int8", 128)
        (4.5, 8.125)
    """
    per_scale = {"int4": GROUP, "int8": n_inputs}
    return FORMATS[kind] + (16 / per_scale[kind] if kind in per_scale else 0)
