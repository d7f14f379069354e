"""The loss of a language model: a function of a model and a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tinygpt.models import head_is_plain, uncompiled

if TYPE_CHECKING:
    from jaxtyping import Float, Int

IGNORE = -100
"""Targets with this value are not counted."""


class _LinearCrossEntropy(torch.autograd.Function):
    """The head and its cross-entropy, a few rows at a time, gradients made on the way.

    The logits (B·T × V) are the largest tensor of a small model's step. Here a chunk of them stays in
    the processor's cache, is turned into its own gradient in place, and is gone before the next starts.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        counted = targets != IGNORE
        n_counted = counted.sum().clamp(min=1)
        share = (counted / n_counted).to(hidden.dtype)[:, None]
        weighted, matrix = hidden * share, weight.to(hidden.dtype)
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        parts, exact = _chunks(hidden, weight), hidden.dtype in (torch.float32, torch.float64)
        logits = hidden.new_empty(len(targets[parts[0]]), len(weight))
        wide = logits if exact else torch.empty_like(logits, dtype=torch.float32)
        log_likelihood = wide.new_empty(len(hidden))
        for part in parts:
            index = targets[part].masked_fill(~counted[part], 0)[:, None]
            z = torch.mm(hidden[part], matrix.T, out=logits[: len(index)])
            p = z if exact else wide[: len(index)].copy_(z)
            # log p(target) = z_target − z_max + log p_max, so one exponential per logit serves all.
            gap = p.gather(1, index) - p.amax(dim=1, keepdim=True)
            torch.softmax(p, dim=1, out=p)
            log_likelihood[part] = (gap + p.amax(dim=1, keepdim=True).log())[:, 0]
            p.scatter_add_(1, index, p.new_full(index.shape, -1.0))
            grad = p if exact else z.copy_(p)
            torch.mm(grad, matrix, out=grad_hidden[part])
            if ctx.needs_input_grad[1]:
                grad_weight += grad.T @ weighted[part]
        ctx.save_for_backward(grad_hidden.mul_(share), grad_weight)
        return -(log_likelihood * counted).sum() / n_counted

    @staticmethod
    @once_differentiable  # second derivatives of a gradient made in advance would be silently zero
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        trained = ctx.needs_input_grad[1]
        return grad_hidden * grad.to(grad_hidden.dtype), grad_weight * grad if trained else None, None


def _chunks(hidden: Tensor, weight: Tensor) -> list[slice]:
    """Cuts the rows so that float32 logits of a chunk take 4 MB on a CPU (cache) and 256 MB on a GPU."""
    budget = (4 if hidden.device.type == "cpu" else 256) << 20
    rows = max(1, budget // (4 * weight.shape[0]))
    return [slice(i, i + rows) for i in range(0, len(hidden), rows)]


def wide(logits: Tensor) -> Tensor:
    """Returns logits in float32 at least, as sums of exponentials want them."""
    return logits if logits.dtype == torch.float64 else logits.float()


def linear_cross_entropy(
    hidden: Float[Tensor, "N D"], weight: Float[Tensor, "V D"], targets: Int[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Returns the mean cross-entropy of `hidden @ weight.T`, in nats, without holding all logits at once.

    Its gradient cannot be differentiated again; PyTorch refuses it ("once_differentiable").

    Args:
        hidden: what the head reads, one row per position.
        weight: the head's matrix.
        targets: the right token of each row; −100 is not counted. If none is counted, the loss is 0.

    Example:
        >>> h, w, y = torch.randn(5, 8), torch.randn(11, 8), torch.randint(11, (5,))
        >>> torch.allclose(linear_cross_entropy(h, w, y), F.cross_entropy(h @ w.T, y), atol=1e-5)
        True
    """
    if hidden.device.type == "cpu":  # elsewhere, to count would be to wait for the device
        counted = targets != IGNORE
        if counted.any() and not counted.all():
            hidden, targets = hidden[counted], targets[counted]
    if torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad):
        return _LinearCrossEntropy.apply(hidden, weight, targets)
    matrix = weight.to(hidden.dtype)
    parts = [
        F.cross_entropy(wide(hidden[part] @ matrix.T), targets[part], ignore_index=IGNORE, reduction="sum")
        for part in _chunks(hidden, weight)
    ]
    return torch.stack(parts).sum() / (targets != IGNORE).sum().clamp(min=1)


def next_token_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    """Returns the mean of −log p(next token), in nats per token.

    Args:
        model: maps tokens B × T to logits B × T × V. A `GPT` takes a path that is faster and needs less
            memory; the value is the same.
        batch: inputs and targets, both B × T; targets of −100 are not counted.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=16, n_layers=1), seed=0), torch.arange(9)[None]
        >>> loss = next_token_loss(model, (x[:, :-1], x[:, 1:]))
        >>> bool(abs(loss - torch.tensor(16.0).log()) < 0.5)  # it knows nothing yet
        True
    """
    inputs, targets = batch
    inner = uncompiled(model)
    if not head_is_plain(inner):
        return F.cross_entropy(wide(model(inputs).flatten(0, 1)), targets.flatten(), ignore_index=IGNORE)
    hidden = model(inputs, unembed=False).flatten(0, 1)
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        hidden = hidden.to(torch.get_autocast_dtype(kind))
    return linear_cross_entropy(hidden, inner.head.weight, targets.flatten())
