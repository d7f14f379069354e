"""The rollouts view: answers to a prompt side by side, with their rewards and what each token is credited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View
from tinygpt.views._patterns import halves, numbers

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.figure import Figure
    from torch import Tensor

    from tinygpt.alignment import GRPOBatch, PPOBatch, Rollouts
    from tinygpt.tokenizers import Tokenizer

_SHOWN = 6  # answers in the still picture


def rollouts(
    batch: Rollouts | GRPOBatch | PPOBatch,
    tok: Tokenizer,
    *,
    group: int = 1,
    rewards: Float[Tensor, " B"] | Sequence[float] | None = None,
    advantages: Float[Tensor, " B"] | Float[Tensor, "B T"] | Sequence[float] | None = None,
    now: Float[Tensor, "B T"] | None = None,
    truths: Sequence[object] | None = None,
) -> RolloutBrowser:
    """Shows what a policy answered, group by group: rewards, and each token in the colour of its advantage.

    The ratio is p_now(token) / p(token when it was drawn); its logarithm is what PPO and GRPO clip.

    Args:
        batch: From `roll_out`, or a batch of `grpo_batches` or `ppo_batches`, which brings its rewards and
            advantages along.
        tok: The tokenizer of the policy.
        group: Answers to each prompt; their rows stand together.
        rewards: Of each answer, B, for rollouts without.
        advantages: Of each answer, B, or of each token, B × T. None takes those of the batch, else
            `group_advantages` of the rewards where groups have two answers or more, else 0.
        now: Log-probabilities of the tokens under a later policy, nats, B × T, as `token_likelihoods` gives
            them; brings the ratio.
        truths: What is right, one for each prompt, shown beside it.

    Returns:
        A view that shows itself as the last line of a cell; `selected` is the locked (row, token), where
        token −1 is the whole answer. It opens on the group whose rewards differ most, on its best answer.

    Raises:
        ValueError: Rewards are missing, or groups, rewards, advantages, `now` or truths do not fit the rows.

    Example:
        >>> import torch
        >>> from tinygpt.alignment import roll_out
        >>> from tinygpt.models import GPT, GPTConfig
        >>> from tinygpt.tokenizers import train_characters
        >>> tok, model = train_characters("abcd"), GPT(GPTConfig(vocab_size=4, n_layers=1), seed=0)
        >>> batch = roll_out(model, [[0, 1], [2]], group=2, max_new_tokens=3, seed=0)
        >>> rollouts(batch, tok, group=2, rewards=[1.0, 0.0, 0.0, 0.0])
        Rollouts view: 2 prompts × 2 answers, mean reward 0.250, 1 group without signal

    Source: Shao et al. 2024, "DeepSeekMath", section 4.1, for groups; Schulman et al. 2017, "Proximal Policy
    Optimization Algorithms", section 3, for the ratio.
    """
    rows = len(batch.inputs)
    given = getattr(batch, "rewards", None) if rewards is None else rewards
    if given is None:
        raise ValueError("rollouts have no rewards of their own; give rewards=, one for each row.")
    judged = numbers(given)
    if group < 1 or rows % group or judged.shape != (rows,):
        raise ValueError(
            f"{rows} rows with {judged.shape} rewards are no whole groups of {group}: group is how many "
            "answers each prompt got, and every row has one reward."
        )
    credit = getattr(batch, "advantages", None) if advantages is None else advantages
    answers = _answers(batch, judged, _credited(credit, judged, group, batch.inputs.shape), now)
    prompts = [_prompt(batch, row) for row in range(0, rows, group)]
    if truths is not None and len(truths) != len(prompts):
        raise ValueError(f"truths must hold one for each of {len(prompts)} prompts; got {len(truths)}.")
    said = None if truths is None else [str(truth) for truth in truths]
    return RolloutBrowser(answers, prompts, group, tok, said)


@dataclass(frozen=True)
class _Answer:
    """Ids that were drawn, with a number each: advantage, log-probability, perhaps ratio."""

    ids: list[int]
    reward: float
    finished: bool | None
    values: dict[str, np.ndarray]


class RolloutBrowser(View):
    """The view that `rollouts` returns."""

    _module = "rollouts"
    _colours = 96

    def __init__(
        self,
        answers: list[_Answer],
        prompts: list[list[int]],
        group: int,
        tok: Tokenizer,
        truths: list[str] | None,
    ) -> None:
        super().__init__()
        self._answers, self._prompts, self._group, self._truths = answers, prompts, group, truths
        known = sorted({i for ids in [*prompts, *(answer.ids for answer in answers)] for i in ids})
        self._names = dict(zip(known, tok.pieces(known), strict=True))
        rewards = self._rewards
        first = group * int(rewards.std(axis=1).argmax())
        self._selected = [first + int(rewards[first // group].argmax()), -1]

    @property
    def selected(self) -> tuple[int, int]:
        """The (row, token) that is locked; token −1 is the whole answer."""
        return (int(self._selected[0]), int(self._selected[1]))

    @property
    def _rewards(self) -> np.ndarray:
        return np.array([answer.reward for answer in self._answers]).reshape(-1, self._group)

    def _limits(self) -> dict[str, float]:
        """The value of the ends of each colour scale; that of a ratio's logarithm."""
        every = {kind: [answer.values[kind] for answer in self._answers] for kind in self._answers[0].values}
        if "ratio" in every:
            every["ratio"] = [np.log(values) for values in every["ratio"]]
        most = {kind: np.abs(np.concatenate(values)).max() for kind, values in every.items()}
        return {kind: float(f"{value:.3g}") or 1.0 for kind, value in most.items()}

    def _header(self) -> dict[str, Any]:
        number = {i: n for n, i in enumerate(self._names)}
        return {
            "size": self._group,
            "names": list(self._names.values()),
            "prompts": [[number[i] for i in prompt] for prompt in self._prompts],
            "truths": self._truths,
            "kinds": list(self._answers[0].values),
            "limits": self._limits(),
            "rows": [
                {
                    "ids": [number[i] for i in answer.ids],
                    "reward": round(answer.reward, 4),
                    "finished": answer.finished,
                }
                for answer in self._answers
            ],
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        kinds = self._answers[0].values
        return halves(np.concatenate([answer.values[kind] for kind in kinds for answer in self._answers]))

    def _opened(self) -> list[_Answer]:
        first = self._selected[0] // self._group * self._group
        return self._answers[first : first + self._group]

    def _titled(self, answer: _Answer) -> str:
        cut = ", cut off" if answer.finished is False else ""
        return f"reward {answer.reward:.2f}, mean advantage {answer.values['advantage'].mean():+.2f}{cut}"

    def _text(self) -> str:
        rewards, many = self._rewards, len(self._prompts)
        idle = int((np.ptp(rewards, axis=1) == 0).sum()) if self._group > 1 else 0
        silent = f", {idle} group{'s' * (idle != 1)} without signal" if self._group > 1 else ""
        size = f"{many} prompt{'s' * (many > 1)} × {self._group} answer{'s' * (self._group > 1)}"
        lines = [f"Rollouts view: {size}, mean reward {rewards.mean():.3f}{silent}"]
        prompt = self._prompts[self._selected[0] // self._group]
        lines.append("prompt: " + "".join(self._names[i] for i in prompt))
        for answer in self._opened()[:_SHOWN]:
            lines.append(f"{self._titled(answer)}: {''.join(self._names[i] for i in answer.ids)}")
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._rollouts_figure import figure

        opened = self._opened()[:_SHOWN]
        prompt = [self._names[i] for i in self._prompts[self._selected[0] // self._group]]
        rows = [
            (self._titled(answer), [self._names[i] for i in answer.ids], answer.values["advantage"])
            for answer in opened
        ]
        return figure(prompt, rows, self._limits()["advantage"])


def _credited(given: Any, rewards: np.ndarray, group: int, shape: Sequence[int]) -> np.ndarray:
    """The advantage of each place, B × T."""
    import torch

    from tinygpt.alignment import group_advantages

    if given is None:
        given = group_advantages(torch.tensor(rewards), group) if group > 1 else np.zeros(len(rewards))
    credit = numbers(given)
    if credit.shape not in ((shape[0],), tuple(shape)):
        raise ValueError(
            f"advantages must be one per row or one per token, {(shape[0],)} or {tuple(shape)}; "
            f"got {credit.shape}."
        )
    return np.broadcast_to(credit[:, None] if credit.ndim == 1 else credit, shape)


def _answers(batch: Any, rewards: np.ndarray, credit: np.ndarray, now: Any) -> list[_Answer]:
    from tinygpt.training.losses import IGNORE

    targets = batch.targets.cpu().numpy()
    kinds = {"advantage": credit, "logProb": numbers(batch.log_probs)}
    if now is not None:
        later = numbers(now)
        if later.shape != targets.shape:
            raise ValueError(
                f"now must be a log-probability for each place, {targets.shape}; got {later.shape}."
            )
        kinds["ratio"] = np.exp(later - kinds["logProb"])
    finished = batch.finished.tolist() if hasattr(batch, "finished") else [None] * len(targets)
    answers = []
    for row, target in enumerate(targets):
        drawn = target != IGNORE
        values = {kind: value[row][drawn] for kind, value in kinds.items()}
        answers.append(_Answer(target[drawn].tolist(), float(rewards[row]), finished[row], values))
    return answers


def _prompt(batch: Any, row: int) -> list[int]:
    """What stands before the first token that was drawn."""
    from tinygpt.training.losses import IGNORE

    first = int((batch.targets[row] != IGNORE).int().argmax())
    return batch.inputs[row, : first + 1].tolist()
