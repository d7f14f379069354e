"""PPO: reinforcement learning with a learned guess of what is still to come, as in InstructGPT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from tinygpt.alignment.advantages import gae, whiten
from tinygpt.alignment.likelihood import likelihoods
from tinygpt.alignment.policy import OnPolicy, Reward, Task, clipped_objective, known, play
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from tinygpt.data import Stream
    from tinygpt.models import GPT
    from tinygpt.training.loop import LossFn


class ActorCritic(nn.Module):
    """A policy and, from the same normed stream, a guess at every place of the reward still to come.

    Train this; what it learns is in `.policy`, the model it was made of.

    Args:
        policy: a `GPT`.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> logits, values = ActorCritic(GPT(GPTConfig(vocab_size=16, n_layers=1)))(torch.tensor([[1, 2, 3]]))
        >>> logits.shape, values.tolist()
        (torch.Size([1, 3, 16]), [[0.0, 0.0, 0.0]])
    """

    def __init__(self, policy: GPT) -> None:
        super().__init__()
        self.policy = policy
        self.value = nn.Linear(policy.config.d_model, 1, device=policy.device)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(self, tokens: Int[Tensor, "B T"]) -> tuple[Float[Tensor, "B T V"], Float[Tensor, "B T"]]:
        hidden = self.policy(tokens, unembed=False)
        return self.policy.head(hidden), self.value(hidden)[..., 0].float()


class PPOBatch(NamedTuple):
    """Rollouts with what PPO makes of their rewards.

    Attributes:
        inputs, targets, log_probs: as in `Rollouts`, B × T.
        advantages: of each token, B × T.
        values: guessed when the tokens were drawn, B × T; 0 where nothing is counted.
        returns: what the values should have been, B × T.
        rewards: of each answer, the penalty not counted, B.
        kl: Σ log p − log p_reference over each answer, in nats, B.
    """

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    log_probs: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    values: Float[Tensor, "B T"]
    returns: Float[Tensor, "B T"]
    rewards: Float[Tensor, " B"]
    kl: Float[Tensor, " B"]


def ppo_batches(
    model: ActorCritic,
    reference: GPT,
    tasks: Stream[Sequence[Task]],
    reward: Reward,
    *,
    kl: float = 0.05,
    gamma: float = 1.0,
    lam: float = 0.95,
    whitened: bool = True,
    group: int = 1,
    updates: int = 4,
    seed: int = 0,
    **sampling: Any,
) -> OnPolicy[PPOBatch]:
    """Returns batches of the policy's own answers, for `fit` with `ppo_loss`.

    An answer's reward comes with its last token; every token costs `kl · (log p − log p_reference)`.

    Args:
        model: the policy with its values, being trained.
        reference: where the penalty pulls to: the policy before this training.
        tasks: lists of prompts with what their reward needs; see `tinygpt.alignment.tasks`.
        reward: judges answers; a reward model, or a `verifier`.
        kl: β, reward per nat.
        gamma, lam: as in `gae`.
        whitened: whether advantages get mean 0 and standard deviation 1 over the batch's tokens.
        group: answers to each prompt.
        updates: optimiser steps for each rollout.
        seed: fixes what is drawn.
        **sampling: `max_new_tokens` and `stop`, as in `roll_out`.

    Source: Ouyang et al. 2022, "Training language models to follow instructions", section 3.5 and equation
        2, without the pretraining term; Ziegler et al. 2019, equation 2.
    """

    def make(number: int) -> PPOBatch:
        rollouts, rewards = play(model.policy, tasks, reward, number, group=group, seed=seed, **sampling)
        further = rollouts.log_probs - known(reference, model.policy, rollouts)
        with torch.no_grad():
            values = model(rollouts.inputs)[1] * rollouts.counted
        received = penalised(rewards, kl * further, rollouts.counted)
        advantages = gae(received, values, rollouts.counted, gamma=gamma, lam=lam)
        returns = advantages + values
        if whitened:
            advantages = whiten(advantages, rollouts.counted)
        return PPOBatch(*rollouts[:3], advantages, values, returns, rewards, further.sum(dim=1))

    return OnPolicy(make, updates)


def penalised(
    rewards: Float[Tensor, " B"], costs: Float[Tensor, "B T"], counted: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """Returns the reward of each token: minus its cost, and with a row's last one the reward of the answer.

    Example:
        >>> counted = torch.tensor([[False, True, True, False]])
        >>> penalised(torch.tensor([3.0]), 0.5 * counted, counted)
        tensor([[ 0.0000, -0.5000,  2.5000,  0.0000]])
    """
    after = torch.cat([counted[:, 1:], torch.zeros_like(counted[:, :1])], dim=1)
    return rewards[:, None] * (counted & ~after) - costs * counted


def ppo_loss(
    *, clip: float = 0.2, value: float = 0.5, value_clip: float | None = None, entropy: float = 0.0
) -> LossFn:
    """Returns the loss of proximal policy optimisation, a function of an `ActorCritic` and a `PPOBatch`.

    `−min(ρ A, clip(ρ) A) + value · (V − R)² − entropy · H`, averaged over all tokens

    Its metrics: reward, length (tokens), kl (nats per answer, to the reference), entropy (nats per token),
    clip_fraction, value_loss.

    Args:
        clip: how far a token's probability may move from when it was drawn, as a fraction.
        value: weight of the squared error of the values.
        value_clip: how far a value may move from the guess when its token was drawn, else the larger of the
            two errors counts; None for no bound.
        entropy: weight of a bonus for not being sure.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equations 7 and 9.
    """

    def loss(model: nn.Module, batch: PPOBatch) -> tuple[Tensor, dict[str, Tensor]]:
        counted = batch.targets != IGNORE
        share = counted / counted.sum()
        logits, values = model(batch.inputs)
        log_probs, entropies = likelihoods(logits[counted], batch.targets)
        objective, clipped = clipped_objective(log_probs, batch.log_probs, batch.advantages, clip, clip)
        errors = (values - batch.returns).square()
        if value_clip is not None:
            near = batch.values + (values - batch.values).clamp(-value_clip, value_clip)
            errors = torch.max(errors, (near - batch.returns).square())
        value_loss, spread = (errors * share).sum(), (entropies * share).sum()
        metrics = {
            "reward": batch.rewards.mean(),
            "length": counted.sum(dim=1).float().mean(),
            "kl": batch.kl.mean(),
            "entropy": spread.detach(),
            "clip_fraction": (clipped * share).sum(),
            "value_loss": value_loss.detach(),
        }
        return -(objective * share).sum() + value * value_loss - entropy * spread, metrics

    return loss
