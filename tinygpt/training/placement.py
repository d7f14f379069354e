"""Where a batch is computed, and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tinygpt.runtime import bf16_pays

PRECISIONS = ("auto", "fp32", "bf16")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Returns the context in which matrix products run in bfloat16, or one that changes nothing.

    Args:
        device: where the products run.
        precision: as in `TrainConfig`.
    """
    return torch.autocast(device.type, torch.bfloat16) if runs_in_bf16(device, precision) else nullcontext()


def runs_in_bf16(device: torch.device, precision: str) -> bool:
    """Whether matrix products run in bfloat16 there, at this precision of `TrainConfig`."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}; got {precision!r}.")
    return precision == "bf16" or (precision == "auto" and bf16_pays(device))


def device_of(model: nn.Module) -> torch.device:
    """Returns where the model's first weight or buffer is; the CPU if it has none."""
    return next(chain(model.parameters(), model.buffers()), torch.empty(0)).device


def to_device(batch: Any, device: torch.device) -> Any:
    """Returns the batch with every tensor in it on `device`."""
    # Apple's GPU would read the batch later, when it may be gone.
    return mapped(batch, lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))


def mapped(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Returns the batch with every tensor in it changed; what else is in it stays as it is."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, (tuple, list)):
        parts = [mapped(part, change) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    if isinstance(batch, dict):
        return {key: mapped(part, change) for key, part in batch.items()}
    return batch


def elements(batch: Any) -> int:
    """Elements of the first tensor in the batch."""
    if isinstance(batch, Tensor):
        return batch.numel()
    if isinstance(batch, dict):
        batch = batch.values()
    elif not isinstance(batch, (tuple, list)):
        return 0
    return next((n for n in map(elements, batch) if n), 0)
