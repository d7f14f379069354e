"""Best of n: draw several answers, keep the best one, and learn from it as from a demonstration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tinygpt.alignment.policy import OnPolicy, Reward, Task, play
from tinygpt.alignment.rollouts import Rollouts

if TYPE_CHECKING:
    from jaxtyping import Float

    from tinygpt.data import Stream
    from tinygpt.data.stream import Batch
    from tinygpt.models import GPT

TRIES = 20
"""Lists of tasks without one good enough answer before it is said that there is none."""


def best_of(
    rollouts: Rollouts, rewards: Float[Tensor, " B"], group: int
) -> tuple[Rollouts, Float[Tensor, " P"]]:
    """Returns the answer with the highest reward of each group, of equal ones the first, and its reward.

    Args:
        rollouts: answers to one prompt after the other, `group` each.
        rewards: of each answer.
        group: answers per prompt.

    Raises:
        ValueError: when the rewards are not whole groups.

    Example:
        >>> from tinygpt.alignment import roll_out
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> rollouts = roll_out(model, [[1], [2]], group=3, max_new_tokens=4, seed=0)
        >>> best, rewards = best_of(rollouts, torch.tensor([0.0, 2.0, 1.0, 0.5, 0.0, 0.0]), group=3)
        >>> best.inputs.shape, rewards.tolist()
        (torch.Size([2, 4]), [2.0, 0.5])

    Source: Stiennon et al. 2020, "Learning to summarize from human feedback", appendix G.3.
    """
    if group < 1 or len(rewards) % group or len(rewards) != len(rollouts.inputs):
        raise ValueError(
            f"{len(rollouts.inputs)} rollouts with {len(rewards)} rewards are no whole groups of {group}."
        )
    high, place = rewards.view(-1, group).max(dim=1)
    return rollouts.select(place + group * torch.arange(len(place), device=place.device)), high


def best_of_kl(n: int) -> float:
    """Returns how far the best of n answers is from the policy that drew them: `log n − (n − 1) / n` nats.

    Exact where no two answers have the same reward; elsewhere it is less.

    Example:
        >>> round(best_of_kl(4), 3)
        0.636

    Source: Stiennon et al. 2020, appendix G.3; proof in Beirami et al. 2024.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}.")
    return math.log(n) - (n - 1) / n


def rejection_batches(
    model: GPT,
    tasks: Stream[Sequence[Task]],
    reward: Reward,
    *,
    n: int = 8,
    at_least: float | None = None,
    updates: int = 1,
    seed: int = 0,
    **sampling: Any,
) -> OnPolicy[Batch]:
    """Returns batches (inputs, targets) of the best of n answers, for `fit` with `next_token_loss`.

    Args:
        model: answers, as it is when a batch is asked for. To learn from one policy's winners only, give a
            copy that is not trained.
        tasks: lists of prompts with what their reward needs; see `tinygpt.alignment.tasks`.
        reward: judges answers.
        n: answers to each prompt.
        at_least: winners with less are left out; None keeps all.
        updates: optimiser steps for each rollout.
        seed: fixes what is drawn.
        **sampling: `max_new_tokens`, `stop` and `filters`, as in `roll_out`.

    Raises:
        ValueError: while training, when no answer to many tasks is good enough.

    Source: Touvron et al. 2023, "Llama 2", section 3.2.3, rejection sampling fine-tuning.
    """

    def make(number: int) -> Batch:
        seen = -math.inf
        for attempt in range(number * TRIES, (number + 1) * TRIES):
            rollouts, rewards = play(model, tasks, reward, attempt, group=n, seed=seed, **sampling)
            best, high = best_of(rollouts, rewards, n)
            if at_least is None:
                return best.inputs, best.targets
            if (good := (high >= at_least).nonzero()[:, 0]).numel():
                return best.inputs[good], best.targets[good]
            seen = max(seen, float(high.max()))
        raise ValueError(
            f"of {TRIES} lists of tasks no answer got a reward of at_least={at_least}; the best got {seen}. "
            "Lower it, raise n, or start from a better model."
        )

    return OnPolicy(make, updates)
