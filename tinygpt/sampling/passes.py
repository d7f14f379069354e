"""One pass of a model over tokens: the logits that count, and whether a snapshot would give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, head_is_plain, taps
from tinygpt.sampling.fast import KNOWN

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def plain(model: GPT) -> bool:
    """Whether the snapshot is the model: float32 on a CPU, no layer replaced, nobody watching or editing."""
    if model.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return False
    if any(tap.watched for tap in taps(model).values()):
        return False
    return all(
        type(part) in KNOWN and not part._forward_hooks and not part._forward_pre_hooks
        for part in model.modules()
    )


def last_logits(model: GPT, tokens: Int[Tensor, "B T"], cache: KVCache) -> Float[Tensor, "B V"]:
    """The logits of what follows the last of these tokens, which come after those in the cache."""
    if head_is_plain(model):  # a prompt's other logits would be most of the work in a large vocabulary
        return model.head(model(tokens, cache, unembed=False)[:, -1])
    return model(tokens, cache)[:, -1]
