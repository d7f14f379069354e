"""What a model would say if it stopped early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models import GPT, Encoder, uncompiled

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@torch.no_grad()
def logit_lens(model: GPT | Encoder, seen: Mapping[str, Tensor]) -> Float[Tensor, "depths B T V"]:
    """Returns the logits that the model's own norm and head make of the residual stream at every depth.

    Depth 0 is the embedding, depth i the stream after block i; the last depth is the model's answer. What
    is read off in between was never meant to be read: early layers need not speak the head's language.

    Args:
        model: what ran.
        seen: from `capture(model, "embedded", "blocks.*.residual")`.

    Returns:
        depths × B × T × V, depths being layers + 1.

    Raises:
        KeyError: when the embedding or a layer was not captured.

    Example:
        >>> from tinygpt.interp import capture
        >>> from tinygpt.models import GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=8, n_layers=2)), torch.tensor([[1, 2, 3]])
        >>> with capture(model, "embedded", "blocks.*.residual") as seen:
        ...     logits = model(x)
        >>> torch.allclose(logit_lens(model, seen)[-1], logits, atol=1e-5)
        True

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    model = uncompiled(model)
    names = ["embedded", *(f"blocks.{i}.residual" for i in range(len(model.blocks)))]
    if missing := [name for name in names if name not in seen]:
        raise KeyError(f'{missing} not captured. Use capture(model, "embedded", "blocks.*.residual").')
    return model.head(model.norm(torch.stack([seen[name] for name in names])))


def ranks(logits: Float[Tensor, "*shape V"], answers: Int[Tensor, "*#shape"]) -> Int[Tensor, "*shape"]:
    """Returns how many tokens have a higher logit than the answer: 0 when it is the first choice.

    Args:
        logits: of every token.
        answers: ids; sizes of 1 serve all, as usual.

    Example:
        >>> ranks(torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([2]))
        tensor([1])
    """
    answers = answers.expand(logits.shape[:-1])[..., None]
    return (logits > logits.gather(-1, answers)).sum(-1)
