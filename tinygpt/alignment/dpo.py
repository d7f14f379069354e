"""Direct preference optimisation: learn from pairs without a reward model and without sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.alignment.likelihood import check_apart, counted_logits
from tinygpt.alignment.preferences import halves
from tinygpt.training.loop import LossFn
from tinygpt.training.losses import IGNORE
from tinygpt.training.placement import device_of

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.alignment.preferences import Pairs


def dpo_loss(reference: nn.Module | None, *, beta: float = 0.1, nll: float = 0.0) -> LossFn:
    """Returns a loss that makes chosen answers likelier and rejected ones less likely, from a reference on.

    `−log σ(β · (r(chosen) − r(rejected)))`, where r is how much likelier an answer has become than it is
    under the reference: log π(answer) − log π_ref(answer). β r is the reward that the model implies.

    Args:
        reference: the model that training started from, as a copy of its own. None when the batches hold its
            log-probabilities: see `with_reference`, which computes them once instead of in every step.
        beta: how dear it is to move away from the reference.
        nll: weight of the chosen answer's own loss, −log π per token. Without it both answers may become
            unlikely, the rejected one faster; on pairs that are used again and again that goes wrong.

    Returns:
        `loss_fn(model, pairs) -> (loss, metrics)` for `fit`. Metrics: "accuracy" (share of pairs with the
        higher reward for the chosen answer), "margin" (mean difference of the rewards), "chosen" and
        "rejected" (mean rewards).

    Raises:
        ValueError: beta is not positive or nll negative; in use, when the reference is the model itself, or
            neither given nor in the batch.

    Source: Rafailov et al. 2023, "Direct Preference Optimization", equation 7; the added term as in Pang et
        al. 2024, "Iterative Reasoning Preference Optimization", equation 1, though averaged over all tokens.
    """
    if not beta > 0 or not nll >= 0:
        raise ValueError(f"beta must be positive and nll 0 or more; got {beta} and {nll}.")

    def loss_fn(model: nn.Module, pairs: Pairs) -> tuple[Tensor, dict[str, Tensor]]:
        log_probs = sequence_log_probs(model, pairs.inputs, pairs.targets)
        rewards = beta * (log_probs - _reference(reference, model, pairs))
        chosen, rejected = halves(rewards)
        margin = chosen - rejected
        loss = -F.logsigmoid(margin).mean()
        if nll:
            counted = (pairs.targets[: len(chosen)] != IGNORE).sum()
            loss = loss - nll * log_probs[: len(chosen)].sum() / counted
        said = {"margin": margin, "chosen": chosen, "rejected": rejected}
        metrics = {"accuracy": (margin > 0).float().mean()}
        return loss, metrics | {name: value.detach().mean() for name, value in said.items()}

    return loss_fn


def with_reference(pairs: Pairs, reference: nn.Module, batch_size: int = 64) -> Pairs:
    """The pairs with the log-probabilities of their answers under a reference, computed once.

    Training on them needs no reference any more: half the forward passes and half the memory.

    Args:
        pairs: all that will be trained on.
        reference: the model that training starts from; may be trained itself from here on.
        batch_size: rows per forward pass.

    Example:
        >>> from tinygpt.alignment import Pairs
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1), seed=0)
        >>> pairs = Pairs(torch.tensor([[1, 2], [1, 2]]), torch.tensor([[-100, 3], [-100, 4]]))
        >>> loss, metrics = dpo_loss(None)(model, with_reference(pairs, model))
        >>> f"{loss:.4f}"  # log 2, since the model is still its reference
        '0.6931'
    """
    device = device_of(reference)
    parts = zip(pairs.inputs.split(batch_size), pairs.targets.split(batch_size), strict=True)
    with torch.no_grad():
        known = [sequence_log_probs(reference, x.to(device), y.to(device)) for x, y in parts]
    return pairs._replace(reference=torch.cat(known).to(pairs.inputs.device))


def sequence_log_probs(
    model: nn.Module, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, " B"]:
    """Returns log p of each row's answer, in nats: Σ log p(token | what precedes it) over its tokens.

    Args:
        model: maps tokens B × T to logits B × T × V. A `GPT` computes the logits of counted places only.
        inputs: what the model reads.
        targets: the token after each; −100 is not counted.
    """
    logits = counted_logits(model, inputs, targets)
    counted = targets != IGNORE
    nats = F.cross_entropy(logits, targets[counted], reduction="none")
    rows = counted.nonzero()[:, 0]
    return nats.new_zeros(len(inputs)).index_add(0, rows, -nats)


def _reference(reference: nn.Module | None, model: nn.Module, pairs: Pairs) -> Float[Tensor, " B"]:
    if pairs.reference is not None:
        return pairs.reference
    if reference is None:
        raise ValueError(
            "the reference is neither given nor in the batch. Use dpo_loss(copy.deepcopy(model)), "
            "or train on with_reference(pairs, model)."
        )
    check_apart(reference, model)
    with torch.no_grad():
        return sequence_log_probs(reference, pairs.inputs, pairs.targets)
