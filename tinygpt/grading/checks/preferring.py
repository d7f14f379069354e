"""Exercise 1 of chapter 07: the loss of a reward model."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def pair_loss_oracle(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Cross-entropy over the two scores of each pair, where the first is the right class."""
    scores = torch.stack([chosen, rejected], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def pair_loss_attempt(
    chosen: Tensor,
    rejected: Tensor,
    *,
    curve: str = "−log σ",
    margin: str = "chosen − rejected",
    over: str = "mean",
) -> Tensor:
    """The loss with a knob for each known way to go wrong."""
    if margin == "each by itself":
        losses = F.softplus(-chosen) + F.softplus(rejected)
    elif margin == "of the means":
        losses = F.softplus(rejected.mean() - chosen.mean())[None]
    else:
        losses = CURVES[curve](MARGINS[margin](chosen, rejected))
    if over == "mean of σ":
        return -(-losses).exp().mean().log()
    return losses.sum() if over == "sum" else losses.mean()


CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "−log σ": lambda m: F.softplus(-m),
    "naive": lambda m: -torch.log(1 / (1 + torch.exp(-m))),
    "naive, log of a sum": lambda m: torch.log(1 + torch.exp(-m)),
    "naive, log of σ": lambda m: -torch.sigmoid(m).log(),
    "log σ": F.logsigmoid,
    "σ": torch.sigmoid,
    "−σ": lambda m: -torch.sigmoid(m),
    "1 − σ": lambda m: torch.sigmoid(-m),
    "bits": lambda m: F.softplus(-m) / log(2),
    "hinge": lambda m: torch.relu(1 - m),
    "square": lambda m: torch.sigmoid(-m).square(),
    "straight": lambda m: -m,
}
MARGINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "chosen − rejected": lambda chosen, rejected: chosen - rejected,
    "rejected − chosen": lambda chosen, rejected: rejected - chosen,
    "sum": lambda chosen, rejected: chosen + rejected,
    "ratio": lambda chosen, rejected: chosen / rejected,
    "chosen": lambda chosen, rejected: chosen,
}


def needs_more_than_the_difference(call: Call, args: tuple, got: Tensor) -> bool:
    chosen, rejected = args
    return not torch.allclose(call(chosen + 2, rejected + 2), got, atol=1e-4, equal_nan=True)


def knows_without_knowing(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether equal scores give something else than log 2."""
    chosen, _ = args
    return abs(float(call(chosen, chosen.clone())) - log(2)) > 1e-4


OVERFLOW = (
    "Right for small margins, inf for a pair that is badly wrong: exp overflows, or the logarithm meets a 0. "
    "`torch.nn.functional.logsigmoid` does not."
)


def _scores(generator: Generator, B: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return normal(generator, B, dtype=dtype) + 0.5, normal(generator, B, dtype=dtype)


def _far_apart(generator: Generator) -> tuple[Tensor, Tensor]:
    chosen, rejected = _scores(generator, 4)
    return chosen + torch.tensor([200.0, -200.0, 0.0, 0.0]), rejected


pair_loss = Exercise(
    name="pair_loss",
    arguments=("chosen", "rejected"),
    returns="a number, as a tensor without axes",
    reference=pair_loss_oracle,
    attempt=pair_loss_attempt,
    faults=(
        Fault(
            "sides swapped",
            "You reward the *rejected* answer: the margin is chosen − rejected.",
            {"margin": "rejected − chosen"},
        ),
        Fault(
            "no logarithm",
            "This is the probability of the choice. The loss is minus its *logarithm*.",
            {"curve": "σ"},
        ),
        Fault(
            "no logarithm",
            "This is minus the probability of the choice. The loss is minus its *logarithm*.",
            {"curve": "−σ"},
        ),
        Fault(
            "no logarithm",
            "This is the probability of the *other* choice. The loss is −log of the probability of the one "
            "that was made.",
            {"curve": "1 − σ"},
        ),
        Fault(
            "minus forgotten", "The sign is missing: a loss is −log, and never negative.", {"curve": "log σ"}
        ),
        Fault("sum in place of mean", "The losses of the pairs are added. Take their mean.", {"over": "sum"}),
        Fault(
            "mean before the logarithm",
            "You average the probabilities and take one logarithm. Each pair has a logarithm of its own; the "
            "mean comes last.",
            {"over": "mean of σ"},
        ),
        Fault(
            "one margin for all",
            "You average the scores first. Each pair has a margin and a loss of its own; the mean "
            "comes last.",
            {"margin": "of the means"},
        ),
        Fault(
            "each answer by itself",
            "You ask of each answer whether it is good. A pair says only which of the two is *better*: take "
            "the difference of the scores, then one sigmoid.",
            {"margin": "each by itself"},
        ),
        Fault("rejected left out", "`rejected` has no effect: subtract it.", {"margin": "chosen"}),
        Fault("scores added", "The scores are added. What counts is their difference.", {"margin": "sum"}),
        Fault(
            "scores divided",
            "The scores are divided. They may be negative or 0; what counts is their difference.",
            {"margin": "ratio"},
        ),
        Fault("overflow", OVERFLOW, {"curve": "naive"}),
        Fault("overflow", OVERFLOW, {"curve": "naive, log of a sum"}),
        Fault("overflow", OVERFLOW, {"curve": "naive, log of σ"}),
        Fault("bits", "This is the loss in bits. Nats are wanted: `torch.log`.", {"curve": "bits"}),
        Fault(
            "hinge",
            "This is the hinge loss of a support vector machine. Here it is −log σ of the margin.",
            {"curve": "hinge"},
        ),
        Fault(
            "squared error",
            "This is a squared error of the probability. Take −log of it.",
            {"curve": "square"},
        ),
        Fault(
            "no sigmoid",
            "This is minus the margin, which can be made as small as you like. −log σ of it stays above 0.",
            {"curve": "straight"},
        ),
    ),
    laws=(
        Law(
            "needs more than the difference",
            "With 2 added to all scores your loss changes. Bradley and Terry's model knows differences only: "
            "no score is good in itself.",
            needs_more_than_the_difference,
        ),
        Law(
            "not log 2 for equal scores",
            "For two equal scores the choice has probability ½, so the loss is log 2. Yours is not.",
            knows_without_knowing,
        ),
    ),
    cases=(
        Case("three pairs, whole scores", lambda g: (whole(g, 3), whole(g, 3) - 0.5)),
        Case("thirty-two pairs", lambda g: _scores(g, 32)),
        Case("one pair, in double precision", lambda g: _scores(g, 1, DOUBLE)),
        Case("scores that are far apart", _far_apart, advice="exp(200) is too large for a float32."),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
