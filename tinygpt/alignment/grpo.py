"""GRPO: reinforcement learning in which each answer is compared with the other answers to its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from tinygpt.alignment.advantages import group_advantages
from tinygpt.alignment.likelihood import token_likelihoods
from tinygpt.alignment.policy import OnPolicy, Reward, Task, clipped_objective, known, play
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.data import Stream
    from tinygpt.models import GPT
    from tinygpt.training.loop import LossFn


class GRPOBatch(NamedTuple):
    """Rollouts with what GRPO makes of their rewards.

    Attributes:
        inputs, targets, log_probs: as in `Rollouts`, B × T.
        advantages: of each answer, B.
        rewards: of each answer, B.
        reference: log-probabilities of the targets under the reference, B × T, or None.
    """

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    log_probs: Float[Tensor, "B T"]
    advantages: Float[Tensor, " B"]
    rewards: Float[Tensor, " B"]
    reference: Float[Tensor, "B T"] | None = None


def grpo_batches(
    model: GPT,
    tasks: Stream[Sequence[Task]],
    reward: Reward,
    *,
    group: int = 8,
    std: bool = True,
    reference: GPT | None = None,
    updates: int = 1,
    seed: int = 0,
    **sampling: Any,
) -> OnPolicy[GRPOBatch]:
    """Returns batches of the model's own answers, for `fit` with `grpo_loss`.

    Args:
        model: the policy that is being trained.
        tasks: lists of prompts with what their reward needs; see `tinygpt.alignment.tasks`.
        reward: judges answers; see `verifier`.
        group: answers to each prompt, at least 2.
        std: as in `group_advantages`; False for Dr. GRPO.
        reference: where `kl` of `grpo_loss` pulls to, such as the model before this training.
        updates: optimiser steps for each rollout. From the second on, the ratio is clipped.
        seed: fixes what is drawn.
        **sampling: `max_new_tokens` and `stop`, as in `roll_out`.

    Example:
        >>> from tinygpt.alignment import tasks, verifier
        >>> from tinygpt.models import GPT, GPTConfig
        >>> from tinygpt.tokenizers import train_characters
        >>> tok, model = train_characters("ab"), GPT(GPTConfig(vocab_size=2, n_layers=1), seed=0)
        >>> stream = tasks(lambda rng: ("a", "b"), tok, batch_size=2)
        >>> right = verifier(tok, lambda text, truth: float(text == truth))
        >>> next(iter(grpo_batches(model, stream, right, group=4, max_new_tokens=1))).advantages.shape
        torch.Size([8])
    """

    def make(number: int) -> GRPOBatch:
        rollouts, rewards = play(model, tasks, reward, number, group=group, seed=seed, **sampling)
        advantages = group_advantages(rewards, group, std=std)
        there = None if reference is None else known(reference, model, rollouts)
        return GRPOBatch(*rollouts[:3], advantages, rewards, there)

    return OnPolicy(make, updates)


def grpo_loss(
    *,
    clip: float = 0.2,
    clip_high: float | None = None,
    kl: float = 0.0,
    unbiased_kl: bool = False,
    per: str | int = "row",
) -> LossFn:
    """Returns the loss of group relative policy optimisation, a function of a model and a `GRPOBatch`.

    `−min(ρ A, clip(ρ) A) + kl · (r − log r − 1)` with `r = p_reference(token) / p(token)`, averaged

    Its metrics: reward, length (tokens), entropy (nats per token), clip_fraction, no_signal (share of answers
    whose group is all alike) and, with a reference, kl (nats per token).

    Args:
        clip: how far a token's probability may move from when it was drawn, as a fraction.
        clip_high: another bound for rising (DAPO: 0.28); None for the same.
        kl: weight of the distance to the reference.
        unbiased_kl: whether that distance is weighted by ρ, so that its gradient is, on average, the one of
            the KL divergence; in GRPO as published it is not.
        per: what the sum over a row's tokens is divided by. "row": the row's length (GRPO), so that each
            token of a long wrong answer is blamed less. "token": all rows together by all their tokens
            (DAPO). A number: by that many tokens, whatever the length (Dr. GRPO; `max_new_tokens`).

    Raises:
        ValueError: when `per` is none of the three, or `kl` has no reference to refer to.

    Source: Shao et al. 2024, "DeepSeekMath", equations 3 and 4; Yu et al. 2025, "DAPO", equation 8;
        Liu et al. 2025, "Understanding R1-Zero-Like Training", section 3.2; the unbiased KL from
        DeepSeek-AI 2025, "DeepSeek-V3.2", section 3.1.
    """
    if per not in ("row", "token") and not (isinstance(per, int) and per >= 1):
        raise ValueError(f'per must be "row", "token" or a number of tokens; got {per!r}.')
    high = clip if clip_high is None else clip_high

    def loss(model: nn.Module, batch: GRPOBatch) -> tuple[Tensor, dict[str, Tensor]]:
        counted = batch.targets != IGNORE
        log_probs, entropies = token_likelihoods(model, batch.inputs, batch.targets)
        objective, clipped = clipped_objective(
            log_probs, batch.log_probs, batch.advantages[:, None], clip, high
        )
        losses, share = -objective, counted / counted.sum()
        metrics = {
            "reward": batch.rewards.mean(),
            "length": counted.sum(dim=1).float().mean(),
            "entropy": (entropies.detach() * share).sum(),
            "clip_fraction": (clipped * share).sum(),
            "no_signal": (batch.advantages == 0).float().mean(),
        }
        if batch.reference is not None:
            divergence = _divergence(log_probs, batch, unbiased_kl)
            metrics["kl"] = (divergence.detach() * share).sum()
            losses = losses + kl * divergence
        elif kl:
            raise ValueError(f"kl={kl} needs a reference. Give one: grpo_batches(…, reference=model_before).")
        return _average(losses * counted, counted, per), metrics

    return loss


def _divergence(log_probs: Float[Tensor, "B T"], batch: GRPOBatch, unbiased: bool) -> Float[Tensor, "B T"]:
    further = batch.reference - log_probs
    divergence = further.exp() - further - 1
    return divergence * (log_probs - batch.log_probs).exp() if unbiased else divergence


def _average(losses: Tensor, counted: Bool[Tensor, "B T"], per: str | int) -> Tensor:
    if per == "row":
        return (losses.sum(dim=1) / counted.sum(dim=1).clamp(min=1)).mean()
    return losses.sum() / (counted.sum() if per == "token" else per * len(losses))
