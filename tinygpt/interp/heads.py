"""What a head does, as one number per head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tinygpt.interp.hooks import Edit, edit, zero_head
from tinygpt.models import GPT

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


def stack_heads(seen: Mapping[str, Tensor], name: str = "pattern") -> Float[Tensor, "B L H T S"]:
    """Returns one attention tap of all layers as one tensor, B × layers × H × T × S.

    Args:
        seen: from `capture(model, "blocks.*.attn.pattern")`.
        name: which tap: "pattern" or "scores".

    Raises:
        KeyError: when that tap was not captured.
    """
    found = {int(key.split(".")[1]): value for key, value in seen.items() if key.endswith(f".attn.{name}")}
    if not found:
        raise KeyError(f'no attention {name} was captured. Use capture(model, "blocks.*.attn.{name}").')
    return torch.stack([found[layer] for layer in sorted(found)], dim=1)


def repeats_before(tokens: Int[Tensor, "B T"]) -> Bool[Tensor, "B T S"]:
    """Returns where an earlier position holds the same token as the present one."""
    same = tokens[:, :, None] == tokens[:, None, :]
    return same.tril(diagonal=-1)


def induction_scores(seen: Mapping[str, Tensor], tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L H"]:
    """Returns how much each head looks at what followed earlier copies of the present token.

    The attention from position t to all positions s + 1 where s < t holds the same token as t, averaged
    over the positions t that have an earlier copy.

    Args:
        seen: captured patterns.
        tokens: what the model read.

    Returns:
        layers × H, between 0 and 1.

    Raises:
        ValueError: when no token occurs twice, or the patterns are of other tokens.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads", the prefix-matching score.
    """
    return _attention_to(seen, repeats_before(tokens).roll(1, dims=-1))


def duplicate_scores(seen: Mapping[str, Tensor], tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L H"]:
    """Returns how much each head looks at earlier copies of the present token, layers × H.

    Source: Wang et al. 2022, section 3.1, "duplicate token heads".
    """
    return _attention_to(seen, repeats_before(tokens))


def previous_token_scores(seen: Mapping[str, Tensor]) -> Float[Tensor, "L H"]:
    """Returns how much each head looks at the token just before, averaged over t ≥ 1; layers × H."""
    pattern = stack_heads(seen)
    return pattern.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=(0, -1))


def _attention_to(seen: Mapping[str, Tensor], keys: Bool[Tensor, "B T S"]) -> Float[Tensor, "L H"]:
    """The attention paid to the marked keys, averaged over queries that have any."""
    queries = keys.any(dim=-1)
    if not queries.any():
        raise ValueError("no token occurs twice in these sequences, so there is nothing to score.")
    pattern = stack_heads(seen)
    if pattern.shape[-2:] != keys.shape[-2:]:
        raise ValueError(
            f"the patterns are {tuple(pattern.shape[-2:])} (T × S), but {keys.shape[-1]} tokens came. "
            "Capture model(tokens) with the same tokens; generate() reads one at a time."
        )
    paid = (pattern * keys[:, None, None]).sum(dim=-1)
    return (paid * queries[:, None, None]).sum(dim=(0, -1)) / queries.sum()


def ablate_heads(
    model: GPT, loss: Callable[[nn.Module], float], *, how: Callable[..., Edit] = zero_head
) -> Float[Tensor, "L H"]:
    """Returns by how much the loss rises when each head is switched off alone, layers × H, in nats.

    Args:
        model: left as it was.
        loss: of the model on fixed data.
        how: `zero_head` or `mean_head`.

    Example:
        >>> from tinygpt import data, training
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=32, n_layers=2, n_heads=4, d_model=16))
        >>> batches = data.worlds.repeats(batch_size=2)
        >>> ablate_heads(model, lambda m: training.mean_loss(m, batches, 1)).shape
        torch.Size([2, 4])
    """
    whole = loss(model)
    rises = torch.zeros(model.config.n_layers, model.config.n_heads)
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            with edit(model, {f"blocks.{layer}.attn.heads": how(head)}):
                rises[layer, head] = loss(model) - whole
    return rises
