"""Advantages: how much better than expected each token, or each whole answer, turned out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@torch.no_grad()
def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    counted: Bool[Tensor, "B T"],
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
) -> Float[Tensor, "B T"]:
    """Returns the generalised advantage estimate of each counted place; the others are 0.

    `A_t = Σ_l (γλ)^l δ_{t+l}` with `δ_t = r_t + γ V_{t+1} − V_t`

    After a row's last counted place nothing more comes: V is 0 there. λ = 0 trusts the values, λ = 1 the
    rewards that came; between the two, less variance is bought with more bias.

    Args:
        rewards: received for the token at each place.
        values: reward expected from each place on, before its token is known.
        counted: where tokens were drawn; in each row one stretch without gaps.
        gamma: discount per token, 0 to 1.
        lam: λ, 0 to 1.

    Example:
        >>> ones = torch.ones(1, 3)
        >>> gae(ones, 2 * ones, ones.bool(), lam=1.0)  # 3, 2 and 1 were still to come; 2 was expected
        tensor([[ 1.,  0., -1.]])

    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage
        Estimation", equation 16.
    """
    advantages = torch.zeros_like(values)
    later, value_later = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + gamma * value_later - values[:, t]
        later = (surprise + gamma * lam * later) * counted[:, t]
        advantages[:, t] = later
        value_later = values[:, t] * counted[:, t]
    return advantages


def whiten(values: Float[Tensor, "B T"], counted: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Returns the values with mean 0 and standard deviation 1 over the counted places; the others are 0.

    Raises:
        ValueError: when fewer than two places are counted, so that there is no spread.

    Example:
        >>> whiten(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[-0.7071,  0.7071,  0.0000]])
    """
    kept = values[counted]
    if len(kept) < 2:
        raise ValueError(f"whitening needs at least 2 counted places; got {len(kept)}. Take a larger batch.")
    variance, mean = torch.var_mean(kept)
    return ((values - mean) * (variance + 1e-8).rsqrt()).masked_fill(~counted, 0.0)


def group_advantages(rewards: Float[Tensor, " B"], group: int, *, std: bool = True) -> Float[Tensor, " B"]:
    """Returns how much better than its group each answer is: `(r − mean) / (std + 10⁻⁴)` over its group.

    The group takes the place of a learned value. Where all of its answers are alike, nothing is learnt.

    Args:
        rewards: of answers to one prompt after the other, `group` each.
        group: answers per prompt, at least 2.
        std: whether to divide by the group's standard deviation (GRPO). Dr. GRPO does not, since it makes
            prompts that are almost always right or wrong weigh more.

    Raises:
        ValueError: when the rewards are not whole groups, or a group has one member.

    Example:
        >>> group_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0]), group=4, std=False)
        tensor([ 0.7500, -0.2500, -0.2500, -0.2500])

    Source: Shao et al. 2024, "DeepSeekMath", section 4.1.2; without std Liu et al. 2025, "Understanding
        R1-Zero-Like Training", section 3.2.
    """
    if group < 2 or len(rewards) % group:
        raise ValueError(
            f"{len(rewards)} rewards are no whole groups of {group}. A group is 2 answers or more to one "
            "prompt, which stand together."
        )
    grouped = rewards.view(-1, group)
    better = grouped - grouped.mean(dim=1, keepdim=True)
    if std:
        better = better / (grouped.std(dim=1, keepdim=True) + 1e-4)
    return better.flatten()
