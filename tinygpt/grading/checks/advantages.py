"""Exercise 1 of chapter 08: how much better than its group each answer is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt import alignment
from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

EPSILON = 1e-4


def advantages_oracle(rewards: Tensor, group: int) -> Tensor:
    """The package's."""
    return alignment.group_advantages(rewards, group)


def advantages_attempt(
    rewards: Tensor,
    group: int,
    *,
    centre: str = "group",
    scale: str = "std",
    rows: str = "together",
    guarded: bool = True,
    shape: str = "flat",
) -> Tensor:
    """Group advantages with a knob for each known way to go wrong."""
    grouped = rewards.view(-1, group) if rows == "together" else rewards.view(group, -1).mT
    middle = {
        "group": lambda: grouped.mean(1, keepdim=True),
        "batch": lambda: grouped.mean(),
        "best": lambda: grouped.amax(1, keepdim=True),
        "others": lambda: (grouped.sum(1, keepdim=True) - grouped) / (group - 1),
        "none": lambda: torch.zeros(()),
    }[centre]()
    spread = {
        "std": lambda: grouped.std(1, keepdim=True),
        "population": lambda: grouped.std(1, keepdim=True, correction=0),
        "batch": lambda: grouped.std(),
        "variance": lambda: grouped.var(1, keepdim=True),
        "none": lambda: torch.ones(()),
    }[scale]()
    better = (grouped - middle) / (spread + (EPSILON if guarded and scale != "none" else 0.0))
    better = better if rows == "together" else better.mT
    return better if shape == "groups" else better.flatten()


def _group_does_not_cancel(call: Call, args: tuple, got: Tensor) -> bool:
    sums = got.view(-1, args[1]).sum(1)
    return bool((sums.abs() > 1e-3).any())


def _moves_with_a_constant(call: Call, args: tuple, got: Tensor) -> bool:
    return not torch.allclose(call(args[0] + 1.0, args[1]), got, atol=1e-3)


def _verdicts(groups: int, group: int, share: float) -> Callable[[Generator], tuple]:
    """Right or wrong, with both in the first group."""

    def draw(generator: Generator) -> tuple:
        rewards = (torch.rand(groups, group, generator=generator) < share).float()
        rewards[0, :2] = torch.tensor([1.0, 0.0])
        return rewards.flatten(), group

    return draw


def _graded(generator: Generator) -> tuple:
    return 3 * normal(generator, 12) + 5, 4


def _alike(generator: Generator) -> tuple:
    """One group all right, one all wrong, one mixed."""
    mixed = (torch.rand(4, generator=generator) < 0.5).float()
    mixed[:2] = torch.tensor([0.0, 1.0])
    return torch.cat([torch.ones(4), torch.zeros(4), mixed]), 4


group_advantages = Exercise(
    name="group_advantages",
    arguments=("rewards", "group"),
    returns="B",
    reference=advantages_oracle,
    attempt=advantages_attempt,
    faults=(
        Fault(
            "compared with the whole batch",
            "You subtract the mean of all rewards. Then every answer to an easy question looks good: compare "
            "each answer with the answers to the *same* question.",
            {"centre": "batch"},
        ),
        Fault(
            "not compared",
            "The mean of the group is not subtracted, so with rewards of 0 and 1 nothing is ever blamed.",
            {"centre": "none"},
        ),
        Fault(
            "compared with the best",
            "You subtract the largest reward of the group. Then nothing is ever praised: subtract the mean.",
            {"centre": "best"},
        ),
        Fault(
            "compared with the others only",
            "You leave an answer out of its own mean. That is another estimator (RLOO); here the mean is "
            "over the whole group.",
            {"centre": "others"},
        ),
        Fault(
            "wrong rows together",
            "The rows of a group stand *together*: `rewards.view(-1, group)`. You take every so-manieth row, "
            "which compares answers to different questions.",
            {"rows": "apart"},
        ),
        Fault(
            "not divided",
            "The differences are not divided by the group's standard deviation. Dr. GRPO leaves it out on "
            "purpose; here it is asked for.",
            {"scale": "none"},
        ),
        Fault(
            "divided by n",
            "This is the standard deviation of a whole population, with a sum divided by n. `std` divides by "
            "n − 1, as is right for a sample.",
            {"scale": "population"},
        ),
        Fault(
            "one spread for all",
            "You divide by the standard deviation of the whole batch. Each group has its own.",
            {"scale": "batch"},
        ),
        Fault(
            "divided by the variance",
            "You divide by the variance. Its root is the standard deviation.",
            {"scale": "variance"},
        ),
        Fault(
            "nothing by nothing",
            "A group whose rewards are all alike has no spread, and 0 / 0 is not a number. Add 1e-4 to the "
            "standard deviation.",
            {"guarded": False},
        ),
    ),
    laws=(
        Law(
            "a group does not cancel",
            "Within each group the advantages should sum to 0: what is better than the mean is paid by what "
            "is worse.",
            _group_does_not_cancel,
        ),
        Law(
            "a gift to everybody counts",
            "One point more for every answer should change nothing: only differences within a group count.",
            _moves_with_a_constant,
        ),
    ),
    cases=(
        Case("one question, four answers", _verdicts(1, 4, 0.5)),
        Case("three questions of different difficulty", _verdicts(3, 4, 0.6)),
        Case("as many answers as questions", _verdicts(3, 3, 0.4), times=3),
        Case("graded rewards", _graded),
        Case("groups that are all alike", _alike),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
