"""Exercise 1 of chapter 10: one set of numbers, scored by whole answers and by tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def scores_oracle(log_probs: Tensor, mask: Tensor) -> tuple[float, float]:
    """Answer by answer, token by token."""
    exact, nats = [], []
    for row, counted in zip(log_probs.tolist(), mask.tolist(), strict=True):
        answer = [value for value, used in zip(row, counted, strict=True) if used]
        exact.append(math.prod(map(math.exp, answer)))
        nats.append(-sum(answer) / len(answer))
    return sum(exact) / len(exact), sum(nats) / len(nats)


def scores_attempt(
    log_probs: Tensor,
    mask: Tensor,
    *,
    joined: str = "product",
    over: str = "answer",
    average: str = "answers",
    unit: str = "nats",
    hidden: str = "filled",
    swapped: bool = False,
) -> tuple[float, float]:
    """Both scores with a knob for each known way to go wrong."""
    used = {
        "answer": mask,
        "all": torch.ones_like(mask),
        "others": ~mask,
        "from the first on": mask.int().cummax(1).values.bool(),
        "one early": mask.roll(-1, dims=1),
        "one late": mask.roll(1, dims=1),
    }[over]
    kept = log_probs * used if hidden == "times" else log_probs.masked_fill(~used, 0.0)
    exact = JOINED[joined](kept, log_probs.exp(), used).mean()
    lengths = used.sum(1)
    nats = {
        "answers": -(kept.sum(1) / lengths).mean(),
        "tokens": -kept.sum() / used.sum(),
        "width": -kept.mean(),
        "sums": -kept.sum(1).mean(),
    }[average]
    nats = {
        "nats": nats,
        "bits": nats / math.log(2),
        "sign": -nats,
        "probability": (-nats).exp(),
        "mean probability": (log_probs.exp().masked_fill(~used, 0.0).sum(1) / lengths).mean(),
    }[unit]
    return (float(nats), float(exact)) if swapped else (float(exact), float(nats))


JOINED: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "product": lambda kept, p, used: kept.sum(1).exp(),
    "mean": lambda kept, p, used: p.masked_fill(~used, 0.0).sum(1) / used.sum(1),
    "geometric mean": lambda kept, p, used: (kept.sum(1) / used.sum(1)).exp(),
    "mean loss": lambda kept, p, used: (kept.sum(1) / used.sum(1)).mean().exp(),
    "logarithm": lambda kept, p, used: kept.sum(1),
    "zeros": lambda kept, p, used: (p * used).prod(1),
    "weakest": lambda kept, p, used: p.masked_fill(~used, 1.0).amin(1),
    "last": lambda kept, p, used: p.gather(1, _last(used)),
    "likely": lambda kept, p, used: ((p > 0.5) | ~used).all(1).to(p.dtype),
    "any": lambda kept, p, used: 1 - (1 - p).masked_fill(~used, 1.0).prod(1),
    "batch": lambda kept, p, used: kept.sum().exp(),
}


def _last(used: Tensor) -> Tensor:
    """The last place of each row that counts."""
    places = torch.arange(used.shape[1])
    return (places * used).amax(1, keepdim=True)


def outside_matters(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    log_probs, mask = args
    other = call(log_probs.masked_fill(~mask, -0.7), mask)
    return not all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(other, got, strict=True))


def no_product(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    half = torch.full((1, 3), -math.log(2), dtype=DOUBLE)
    return abs(call(half, torch.ones(1, 3).bool())[0] - 0.125) > 1e-6


def rows_not_alike(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    """The mean over answers is the mean of what each gets alone."""
    parts = [call(row[None], counted[None]) for row, counted in zip(*args, strict=True)]
    means = [sum(part[i] for part in parts) / len(parts) for i in range(2)]
    return not all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(means, got, strict=True))


def _answers(
    B: int,
    T: int,
    *,
    lengths: tuple[int, int],
    prompt: int = 2,
    dtype: torch.dtype = DOUBLE,
    gaps: bool = False,
) -> Callable[[Generator], tuple]:
    """Answers of so many tokens behind a prompt, and padding behind them."""

    def draw(generator: Generator) -> tuple:
        log_probs = -normal(generator, B, T, dtype=dtype).abs() * 0.6
        length = torch.randint(lengths[0], lengths[1] + 1, (B, 1), generator=generator)
        start = torch.randint(0, prompt + 1, (B, 1), generator=generator) if prompt else 0
        places = torch.arange(T)
        mask = (places >= start) & (places < start + length)
        if gaps:
            mask &= (places % 2 == 0) | (places == start)
        return log_probs, mask

    return draw


def _impossible(where: str) -> Callable[[Generator], tuple]:
    """One token of probability 0, in the answer or beside it."""

    def draw(generator: Generator) -> tuple:
        log_probs, mask = _answers(3, 8, lengths=(2, 4), prompt=1)(generator)
        mask = mask.clone()
        mask[1, 7] = False
        log_probs[1, int(mask[1].int().argmax()) if where == "inside" else 7] = -torch.inf
        return log_probs, mask

    return draw


answer_scores = Exercise(
    name="answer_scores",
    arguments=("log_probs", "mask"),
    returns="two numbers, the expected exact match and the nats per token",
    reference=scores_oracle,
    attempt=scores_attempt,
    tolerance=1e-5,
    faults=(
        Fault(
            "mean in place of product",
            "You average the probabilities of an answer's tokens. An answer is right if *every* token is: "
            "multiply them, or add their logarithms.",
            {"joined": "mean"},
        ),
        Fault(
            "geometric mean",
            "You take the exponential of the *mean* log-probability. The probability of the whole answer is "
            "the exponential of the sum.",
            {"joined": "geometric mean"},
        ),
        Fault(
            "exponential of the loss",
            "You average the loss over all answers, then take its exponential. Each answer has a probability "
            "of its own: multiply inside of answers, then average them.",
            {"joined": "mean loss"},
        ),
        Fault(
            "log-probability of the answer",
            "You add the logarithms, which is right, and leave it there. Take `exp` before you average.",
            {"joined": "logarithm"},
        ),
        Fault(
            "masked to probability 0",
            "Tokens outside have probability 0 in your product, so all of it is 0. In a product what does "
            "not count is 1; in a sum of logarithms 0.",
            {"joined": "zeros"},
        ),
        Fault(
            "weakest token",
            "You take the least likely token of each answer. All of them must be right: multiply.",
            {"joined": "weakest"},
        ),
        Fault(
            "last token", "You take the last token's probability. Multiply all of them.", {"joined": "last"}
        ),
        Fault(
            "right if likely",
            "You call a token right if its probability is above ½. The *expected* share of right answers is "
            "asked for: multiply the probabilities.",
            {"joined": "likely"},
        ),
        Fault(
            "any token right",
            "This is the chance that at least one token is right. All of them must be.",
            {"joined": "any"},
        ),
        Fault(
            "whole batch at once",
            "You multiply over all answers of the batch. Multiply inside of each answer, then average.",
            {"joined": "batch"},
        ),
        Fault(
            "prompt and padding count",
            "Every token counts. Only those with a True in `mask` belong to the answer.",
            {"over": "all"},
        ),
        Fault(
            "mask turned over",
            "Just the tokens *outside* of the answer count. True marks the answer.",
            {"over": "others"},
        ),
        Fault(
            "padding counts",
            "Everything from the answer's first token on counts. The answer ends before the padding.",
            {"over": "from the first on"},
        ),
        Fault(
            "mask one too early",
            "The mask is moved by one. `mask[b, t]` speaks about `log_probs[b, t]`.",
            {"over": "one early"},
        ),
        Fault(
            "mask one too late",
            "The mask is moved by one. `mask[b, t]` speaks about `log_probs[b, t]`.",
            {"over": "one late"},
        ),
        Fault(
            "times the mask",
            "A token outside of the answer may be impossible, and 0 · (−∞) is not a number. Use "
            "`masked_fill(~mask, 0.0)` or `torch.where`.",
            {"hidden": "times"},
        ),
        Fault(
            "mean over tokens",
            "You divide by the number of all tokens, so long answers weigh more. Average each answer first, "
            "then the answers.",
            {"average": "tokens"},
        ),
        Fault(
            "mean over the width",
            "You divide by the width of the batch. Divide each answer by how many tokens it has.",
            {"average": "width"},
        ),
        Fault(
            "nats per answer",
            "These are nats per answer. Divide by the number of its tokens.",
            {"average": "sums"},
        ),
        Fault("bits", "The second number is in bits. Nats are asked for.", {"unit": "bits"}),
        Fault(
            "minus forgotten",
            "The second number is a log-probability. A loss is its opposite.",
            {"unit": "sign"},
        ),
        Fault(
            "probability in place of nats",
            "The second number is a probability. The loss is asked for: the mean of −log p.",
            {"unit": "probability"},
        ),
        Fault(
            "mean probability in place of nats",
            "The second number is the mean probability of a token. The loss is asked for, the mean of "
            "−log p.",
            {"unit": "mean probability"},
        ),
        Fault("loss first", "Right numbers in the wrong order: exact match, then nats.", {"swapped": True}),
    ),
    laws=(
        Law(
            "tokens outside matter",
            "Your answer changes with the log-probability of a token that does not belong to the answer.",
            outside_matters,
        ),
        Law(
            "not a product",
            "Three tokens of probability ½ make an answer that is right one time in eight.",
            no_product,
        ),
        Law(
            "answers not alike",
            "Each answer counts alike: what two batches of one answer get should average to what they get "
            "together.",
            rows_not_alike,
        ),
    ),
    cases=(
        Case("answers of one token", _answers(4, 5, lengths=(1, 1))),
        Case("answers of three tokens", _answers(3, 6, lengths=(3, 3))),
        Case("answers of many lengths", _answers(5, 12, lengths=(1, 7), prompt=4)),
        Case("answers with other tokens in between", _answers(4, 9, lengths=(4, 7), gaps=True)),
        Case("one answer that fills its row", _answers(1, 4, lengths=(4, 4), prompt=0)),
        Case("an impossible token outside", _impossible("outside")),
        Case("an impossible token inside", _impossible("inside")),
        Case("long answers, in single precision", _answers(2, 60, lengths=(50, 58), dtype=torch.float32)),
    ),
)
