"""Who wrote the answer: a logit as a sum over everything that was added to the residual stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import einsum
from torch import Tensor, nn

from tinygpt.interp.hooks import capture
from tinygpt.models import GPT, uncompiled

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@torch.no_grad()
def attribute(
    model: GPT,
    tokens: Int[Tensor, "B T"],
    answers: Int[Tensor, " B"],
    rivals: Int[Tensor, " B"] | None = None,
    position: int = -1,
) -> dict[str, Float[Tensor, " B"]]:
    """Returns what each part of the model adds to the answer's logit, or to its lead over a rival's.

    The stream is a sum, x = Σ parts, and the logit is linear in x once the last norm's divisor is taken as it
    is: logit = Σ part · gain · (u_answer − u_rival) / divisor. The parts add up to the logit exactly. What a
    part does to later parts is not in it: this is the direct effect only.

    Args:
        model: with pre-norm blocks.
        tokens: ids that the model reads.
        answers: the token whose logit is taken apart, one per row.
        rivals: None for the logit itself.
        position: whose prediction is taken apart.

    Returns:
        `embedding`, `L0H0` … for every head, `L0 mlp` …, and `bias` for all constants: one number per row.

    Raises:
        ValueError: for post-norm models, in which no such sum exists.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=8, n_layers=1)), torch.tensor([[1, 2, 3]])
        >>> parts = attribute(model, x, torch.tensor([5]))
        >>> torch.allclose(sum(parts.values()), model(x)[:, -1, 5], atol=1e-5)
        True

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Wang et al. 2022.
    """
    model = uncompiled(model)
    if not model.config.norm_first:
        raise ValueError("a post-norm model divides its stream in every block; it is no sum of parts.")
    with capture(model, "embedded", "blocks.*.attn.heads", "blocks.*_out", "blocks.*.residual") as seen:
        model(tokens)
    direction = model.head.weight[answers] - (0 if rivals is None else model.head.weight[rivals])
    last = seen[f"blocks.{len(model.blocks) - 1}.residual"][:, position]
    read = _linear_norm(model.norm, last)
    writes, constant = {"embedding": seen["embedded"][:, position]}, torch.zeros_like(last)
    for i, block in enumerate(model.blocks):
        heads, out = seen[f"blocks.{i}.attn.heads"][:, :, position], block.attn.out
        matrices = out.weight.view(out.out_features, *heads.shape[1:])
        for h, write in enumerate(einsum(heads, matrices, "B H K, D H K -> H B D")):
            writes[f"L{i}H{h}"] = write
        constant = constant if out.bias is None else constant + out.bias
        if f"blocks.{i}.mlp_out" in seen:
            writes[f"L{i} mlp"] = seen[f"blocks.{i}.mlp_out"][:, position]
    parts = {name: (read(write) * direction).sum(-1) for name, write in writes.items()}
    shift = getattr(model.norm, "bias", None)
    constant = read(constant) if shift is None else read(constant) + shift
    return parts | {"bias": (constant * direction).sum(-1)}


def _linear_norm(norm: nn.Module, x: Tensor):
    """The norm as a linear map: its divisor stays what it is at x, its bias is left out."""
    if isinstance(norm, nn.LayerNorm):
        divisor = (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        return lambda part: (part - part.mean(-1, keepdim=True)) / divisor * norm.weight
    divisor = (x.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return lambda part: part / divisor * norm.weight
