"""Learning from one's own answers: tasks, rewards, and batches that the policy makes as it learns."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from tinygpt.alignment.likelihood import check_apart, token_likelihoods
from tinygpt.alignment.rollouts import Rollouts, roll_out
from tinygpt.data import Stream, drawn

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer

T = TypeVar("T")
Task = tuple[Sequence[int], Any]
"""A prompt as ids, and whatever the reward needs to judge an answer to it."""

Reward = Callable[[Rollouts, list[Any]], "Sequence[float] | Tensor"]
"""From rollouts and, for each row, what its task says of the right answer, to a reward per row: `verifier`
and `learned_reward` make one."""


def tasks(
    draw: Callable[[random.Random], tuple[str | Sequence[int], Any]],
    tok: Tokenizer,
    batch_size: int,
    seed: int = 0,
) -> Stream[list[Task]]:
    """Returns an endless stream of lists of freshly drawn tasks.

    Args:
        draw: makes one prompt, as text or as ids, and what a right answer is.
        tok: encodes prompts that are text.
        batch_size: tasks per list.
        seed: chooses the tasks; list i is a function of (seed, i).

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> tasks(lambda rng: ("ab", "right"), train_characters("abc"), batch_size=1)[0]
        [([0, 1], 'right')]
    """

    def encoded(task: tuple[str | Sequence[int], Any]) -> Task:
        prompt, truth = task
        return (tok.encode(prompt) if isinstance(prompt, str) else prompt), truth

    return drawn(draw, lambda batch: [encoded(task) for task in batch], batch_size, seed)


def verifier(tok: Tokenizer, check: Callable[[str, Any], float]) -> Reward:
    """Returns a reward that judges each answer's text by `check(text, truth)`.

    Example:
        >>> from tinygpt.tokenizers import train_characters
        >>> reward = verifier(train_characters("ab"), lambda text, truth: float(text == truth))
        >>> one = torch.tensor([[1]])
        >>> reward(Rollouts(one, one, torch.zeros(1, 1), torch.tensor([False])), ["b"])
        [1.0]
    """

    def reward(rollouts: Rollouts, truths: list[Any]) -> list[float]:
        return [check(text, truth) for text, truth in zip(rollouts.texts(tok), truths, strict=True)]

    return reward


@dataclass(frozen=True)
class OnPolicy(Generic[T]):
    """Batches without end that are made by the model as it is when they are asked for.

    Not a `Stream`: batch i depends on what the model has learnt by then. It can be skipped in without
    replaying, so a run resumes at once. It does so bit for bit if it was stopped between two rollouts.

    Args:
        make: number of a rollout → batch.
        updates: how often each rollout is used, at least 1.
        start: number of the first batch.

    Example:
        >>> from itertools import islice
        >>> list(islice(OnPolicy(lambda i: i * i, updates=2).skip(3), 4))
        [1, 4, 4, 9]
    """

    make: Callable[[int], T]
    updates: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if self.updates < 1:
            raise ValueError(f"a rollout must be used at least once; got updates={self.updates}.")

    def __iter__(self) -> Iterator[T]:
        for i in count(self.start):
            if i == self.start or i % self.updates == 0:
                batch = self.make(i // self.updates)
            yield batch

    def skip(self, n: int) -> OnPolicy[T]:
        """The same batches without the first n."""
        return OnPolicy(self.make, self.updates, self.start + n)


def play(
    model: GPT,
    tasks: Stream[Sequence[Task]],
    reward: Reward,
    number: int,
    *,
    group: int,
    seed: int,
    **sampling: Any,
) -> tuple[Rollouts, Float[Tensor, " B"]]:
    """Returns rollouts of one list of tasks, and the reward of each row.

    Args:
        model: answers.
        tasks: list `number` of them is taken.
        reward: judges.
        number: with `seed` it fixes what is drawn.
        group: answers to each task; their rows stand together.
        seed: see `number`.
        **sampling: `max_new_tokens`, `stop` and `filters`, as in `roll_out`.

    Raises:
        ValueError: when the reward is not one finite number for each row.
    """
    chosen = tasks[number]
    # PyTorch's generator takes 32 bits of a seed, so the two numbers are mixed first.
    mixed = random.Random(seed << 64 | number).getrandbits(32)
    rollouts = roll_out(model, [prompt for prompt, _ in chosen], group=group, seed=mixed, **sampling)
    truths = [truth for _, truth in chosen for _ in range(group)]
    with torch.no_grad():
        judged = reward(rollouts, truths)
    rewards = torch.as_tensor(judged, dtype=torch.float32, device=model.device)
    if rewards.shape != (len(truths),) or not rewards.isfinite().all():
        raise ValueError(
            f"a reward must give one finite number for each of {len(truths)} rows; got {rewards.tolist()} "
            f"of shape {tuple(rewards.shape)}."
        )
    return rollouts, rewards


@torch.no_grad()
def known(reference: nn.Module, model: nn.Module, rollouts: Rollouts) -> Float[Tensor, "B T"]:
    """Returns the log-probability of each token under the reference, from which `model` may not run away.

    Raises:
        ValueError: when both are the same model.
    """
    check_apart(reference, model)
    return token_likelihoods(reference, rollouts.inputs, rollouts.targets)[0]


def clipped_objective(
    log_probs: Float[Tensor, "B T"],
    before: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"] | Float[Tensor, "B 1"],
    low: float,
    high: float,
) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Returns PPO's objective at each place, to be made large, and where clipping took its gradient away.

    `min(ρ A, clip(ρ, 1 − low, 1 + high) A)` with `ρ = p(token) / p(token) when it was drawn`

    A policy gains nothing by going further from the one that drew than the clip allows, but can always come
    back.

    Args:
        log_probs: under the policy now.
        before: under the policy that drew.
        advantages: of each place, or of each row.
        low, high: how far the ratio may fall and rise.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7; a bound of its own
        for rising from Yu et al. 2025, "DAPO", section 3.1.
    """
    ratio = (log_probs - before).exp()
    objective = torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    clipped = ((ratio < 1 - low) & (advantages < 0)) | ((ratio > 1 + high) & (advantages > 0))
    return objective, clipped
