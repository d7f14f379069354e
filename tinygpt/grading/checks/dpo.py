"""Exercise 2 of chapter 07: direct preference optimisation from log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def dpo_oracle(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Cross-entropy over the two implied rewards of each pair, where the first is the right class."""
    rewards = beta * (policy - reference)
    return F.cross_entropy(rewards.T, torch.zeros(rewards.shape[1], dtype=torch.long))


def dpo_attempt(
    policy: Tensor,
    reference: Tensor,
    beta: float,
    *,
    against: str = "reference",
    scale: str = "β inside",
    side: str = "chosen − rejected",
    curve: str = "−log σ",
    over: str = "mean",
) -> Tensor:
    """The loss with a knob for each known way to go wrong."""
    far = AGAINST[against](policy, reference)
    if scale == "β on the policy":
        far = policy - reference / beta
    margin = SIDES[side](*far)
    if scale == "β on the margin of the policy":
        margin = SIDES[side](*policy) - SIDES[side](*reference) / beta
    inner = {"β divides": 1 / beta, "β outside": 1.0, "β left out": 1.0}.get(scale, beta)
    losses = CURVES[curve](inner * margin)
    losses = beta * losses if scale == "β outside" else losses
    return losses.sum() if over == "sum" else losses.mean()


AGAINST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "reference": lambda policy, reference: policy - reference,
    "nothing": lambda policy, reference: policy,
    "added": lambda policy, reference: policy + reference,
    "ratio": lambda policy, reference: (policy - reference).exp(),
    "probabilities": lambda policy, reference: policy.exp() - reference.exp(),
    "quotient": lambda policy, reference: policy / reference,
}
SIDES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "chosen − rejected": lambda chosen, rejected: chosen - rejected,
    "rejected − chosen": lambda chosen, rejected: rejected - chosen,
    "chosen": lambda chosen, rejected: chosen,
    "sum": lambda chosen, rejected: chosen + rejected,
}
CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "−log σ": lambda m: F.softplus(-m),
    "naive": lambda m: -torch.sigmoid(m).log(),
    "log σ": F.logsigmoid,
    "1 − σ": lambda m: torch.sigmoid(-m),
    "−σ": lambda m: -torch.sigmoid(m),
    "straight": lambda m: -m,
    "square": lambda m: (m - 0.5).square(),
}


def moves_at_the_start(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether a policy that still is its reference gets something else than log 2."""
    policy, _, beta = args
    return abs(float(call(policy, policy.clone(), beta)) - log(2)) > 1e-4


def minds_the_prompt(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether it matters that one pair's four answers all become likelier by the same factor."""
    policy, reference, beta = args
    return not torch.allclose(call(policy + 1, reference + 1, beta), got, atol=1e-4, equal_nan=True)


def _log_probs(
    generator: Generator, B: int, moved: float = 4.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    reference = -20 - 3 * normal(generator, 2, B, dtype=dtype).abs()
    return reference + moved * normal(generator, 2, B, dtype=dtype), reference


def _far_off(generator: Generator) -> tuple[Tensor, Tensor, float]:
    policy, reference = _log_probs(generator, 4, dtype=DOUBLE)
    policy[0, 0] -= 2000.0
    return policy, reference, 1.0


def _easy(generator: Generator) -> tuple[Tensor, Tensor, float]:
    reference = -normal(generator, 2, 1).abs() - 1
    return reference + normal(generator, 2, 1), reference, 0.5


dpo_pair_loss = Exercise(
    name="dpo_pair_loss",
    arguments=("policy", "reference", "beta"),
    returns="a number, as a tensor without axes",
    reference=dpo_oracle,
    attempt=dpo_attempt,
    faults=(
        Fault(
            "reference left out",
            "The reference has no effect. A reward is how much likelier an answer has *become*: subtract the "
            "reference's log-probability.",
            {"against": "nothing"},
        ),
        Fault(
            "sides swapped",
            "You make the rejected answer likelier. The reward is log π − log π_ref, and the margin that "
            "of row 0, the chosen answer, minus the other's: one of the two is turned.",
            {"side": "rejected − chosen"},
        ),
        Fault(
            "reference added",
            "The reference is added, or the chosen answer compared with the reference's *rejected* one: "
            "it comes to the same. Subtract it, row by row.",
            {"against": "added"},
        ),
        Fault(
            "beta left out",
            "Your β has no effect: it multiplies the margin, inside of σ.",
            {"scale": "β left out"},
        ),
        Fault(
            "beta outside",
            "Your β multiplies the loss. That only changes the learning rate; it belongs on the margin, "
            "inside of σ.",
            {"scale": "β outside"},
        ),
        Fault("divided by beta", "The margin is divided by β. Multiply.", {"scale": "β divides"}),
        Fault(
            "beta on the policy only",
            "Your β multiplies the policy's log-probability and not the reference's. Subtract first.",
            {"scale": "β on the policy"},
        ),
        Fault(
            "ratio in place of its logarithm",
            "You take the ratio π / π_ref itself. The reward is its logarithm, a difference of "
            "log-probabilities.",
            {"against": "ratio"},
        ),
        Fault(
            "probabilities in place of logarithms",
            "You subtract probabilities, which for whole answers are almost 0. Subtract their logarithms, as "
            "they are given.",
            {"against": "probabilities"},
        ),
        Fault(
            "logarithms divided",
            "You divide log-probabilities. The logarithm of a ratio is a *difference* of logarithms.",
            {"against": "quotient"},
        ),
        Fault(
            "rejected left out",
            "The rejected answer has no effect: subtract its reward.",
            {"side": "chosen"},
        ),
        Fault("rewards added", "The two rewards are added. Subtract the rejected one's.", {"side": "sum"}),
        Fault(
            "minus forgotten", "The sign is missing: a loss is −log, and never negative.", {"curve": "log σ"}
        ),
        Fault(
            "no logarithm",
            "This is the probability of the other choice. The loss is −log of the one that was made.",
            {"curve": "1 − σ"},
        ),
        Fault(
            "no logarithm",
            "This is minus the probability of the choice. The loss is minus its *logarithm*.",
            {"curve": "−σ"},
        ),
        Fault("no sigmoid", "This is minus the margin. Take −log σ of it.", {"curve": "straight"}),
        Fault(
            "squared margin",
            "This is a squared distance to a margin, as in IPO, another loss. Here it is −log σ.",
            {"curve": "square"},
        ),
        Fault(
            "overflow",
            "Right for small margins, inf for a pair that is badly wrong: σ becomes 0, and its logarithm "
            "−inf. `torch.nn.functional.logsigmoid` does not.",
            {"curve": "naive"},
        ),
        Fault("sum in place of mean", "The losses of the pairs are added. Take their mean.", {"over": "sum"}),
    ),
    laws=(
        Law(
            "not log 2 at the start",
            "A policy that still is its reference prefers nothing: all rewards are 0, and the loss is log 2. "
            "Yours is not.",
            moves_at_the_start,
        ),
        Law(
            "needs more than the ratio",
            "When policy and reference both find all answers likelier by the same factor nothing has been "
            "learnt, and yet your loss changes.",
            minds_the_prompt,
        ),
    ),
    cases=(
        Case("one pair", _easy),
        Case("sixteen pairs", lambda g: (*_log_probs(g, 16), 0.1)),
        Case("a large β, in double precision", lambda g: (*_log_probs(g, 3, 1.0, DOUBLE), 2.0)),
        Case(
            "a policy that went far",
            _far_off,
            advice="Far on the wrong side σ is rounded to 0.",
        ),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
