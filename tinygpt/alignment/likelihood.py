"""How likely a model finds each token of a given text, and how sure it is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from tinygpt.models import head_is_plain, uncompiled
from tinygpt.training.losses import IGNORE, wide

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Both = tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]


def token_likelihoods(model: nn.Module, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]) -> Both:
    """Returns log p(target) and the entropy of the prediction it was taken from, at each counted place.

    Args:
        model: maps tokens B × T to logits B × T × V. A `GPT` computes the logits of counted places only.
        inputs: what the model reads.
        targets: the token after each; −100 is not counted.

    Returns:
        Log-probabilities and entropies, both B × T in nats, 0 where nothing is counted. Gradients flow
        through both.

    Example:
        >>> import torch
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model, x = GPT(GPTConfig(vocab_size=16, n_layers=1), seed=0), torch.arange(9)[None]
        >>> log_probs, entropies = token_likelihoods(model, x[:, :-1], x[:, 1:])
        >>> log_probs.shape, bool((entropies <= torch.tensor(16.0).log()).all())
        (torch.Size([1, 8]), True)
    """
    return likelihoods(counted_logits(model, inputs, targets), targets)


def counted_logits(
    model: nn.Module, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, "N V"]:
    """Returns the logits of the N places whose targets count, row by row, in float32 at least."""
    counted, inner = targets != IGNORE, uncompiled(model)
    if head_is_plain(inner):
        logits = inner.head(model(inputs, unembed=False)[counted])
    else:
        logits = model(inputs)[counted]
    return wide(logits)


def check_apart(reference: nn.Module, model: nn.Module) -> None:
    """Raises ValueError when the reference is the model that is trained: it would follow every step."""
    if uncompiled(reference) is uncompiled(model):
        raise ValueError(
            "the reference is the model that is trained, so it would follow every step. Give a copy: "
            "copy.deepcopy(model)."
        )


def likelihoods(logits: Float[Tensor, "N V"], targets: Int[Tensor, "B T"]) -> Both:
    """Returns what `token_likelihoods` does, from the logits of the N counted places, row by row."""
    counted = targets != IGNORE
    every = wide(logits).log_softmax(dim=-1)
    log_probs = every.gather(1, targets[counted][:, None])[:, 0]
    entropies = -(every.exp() * every).sum(dim=-1)
    return _spread(log_probs, counted), _spread(entropies, counted)


def _spread(values: Tensor, counted: Tensor) -> Tensor:
    return values.new_zeros(counted.shape).masked_scatter(counted, values)
