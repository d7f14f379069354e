"""The bug hunt of chapter 08, "It never stops": see which tokens a loss gives credit to, and mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


@dataclass(frozen=True)
class Suspect:
    """A loss of log-probabilities whose gradient is known.

    Args:
        form: "linear", "ratio" (as in GRPO), "curved" (a pull to fixed values) or "gap" (linear, and blind to
            every other place).
        seed: Chooses its weights.
    """

    form: str
    seed: int

    def __call__(self, log_probs: Tensor) -> Tensor:
        weights, before = self._inside(log_probs)
        if self.form == "curved":
            return (log_probs - before).square().sum() / 2
        values = (log_probs - before).exp() if self.form == "ratio" else log_probs
        return -(weights * values).sum()

    def _inside(self, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        weights, before = (normal(generator, *log_probs.shape, dtype=log_probs.dtype) for _ in range(2))
        if self.form == "gap":
            weights[:, ::2] = 0.0
        return weights, before


def credit_oracle(loss: Suspect, log_probs: Tensor) -> Tensor:
    """The truth, known from how the suspect was made."""
    weights, before = loss._inside(log_probs)
    if loss.form == "curved":
        return before - log_probs
    return weights * (log_probs - before).exp() if loss.form == "ratio" else weights


def credit_attempt(
    loss: Callable[[Tensor], Tensor],
    log_probs: Tensor,
    *,
    sign: float = -1.0,
    measure: str = "gradient",
    at: str = "given",
) -> Tensor:
    """The credit of each place with a knob for each known way to go wrong."""
    x = log_probs.detach().clone() if at == "given" else torch.zeros_like(log_probs)
    x.requires_grad_()
    found = sign * torch.autograd.grad(loss(x), x)[0]
    return {
        "gradient": lambda: found,
        "sign": found.sign,
        "rows": lambda: found.sum(1, keepdim=True).expand_as(found),
        "size": found.abs,
        "probability": lambda: found / log_probs.exp(),
        "share": lambda: found / found.abs().sum(),
        "coarse": lambda: _differences(loss, log_probs, sign),
    }[measure]()


def _differences(loss: Callable[[Tensor], Tensor], log_probs: Tensor, sign: float) -> Tensor:
    """What a step of a whole nat changes, place by place."""
    found, before = torch.zeros_like(log_probs), loss(log_probs)
    for place in range(log_probs.numel()):
        moved = log_probs.clone()
        moved.view(-1)[place] += 1.0
        found.view(-1)[place] = sign * (loss(moved) - before)
    return found


def _question(form: str, B: int, T: int, dtype: torch.dtype = torch.float32) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        seed = int(torch.randint(1 << 30, (), generator=generator))
        return Suspect(form, seed), -normal(generator, B, T, dtype=dtype).abs()

    return draw


credit = Exercise(
    name="credit",
    arguments=("loss", "log_probs"),
    returns="B T",
    reference=credit_oracle,
    attempt=credit_attempt,
    faults=(
        Fault(
            "sign turned",
            "This is the gradient of the loss: it is positive where the loss wants *less*. Training goes "
            "against the gradient, so credit is its opposite.",
            {"sign": 1.0},
        ),
        Fault("only the sign", "The signs are right. The sizes are wanted, too.", {"measure": "sign"}),
        Fault("only the size", "Blame and praise look alike: leave out `abs()`.", {"measure": "size"}),
        Fault(
            "one number for a row",
            "You sum over a row's places. Which token gets the credit is the question: keep them apart.",
            {"measure": "rows"},
        ),
        Fault(
            "with respect to the probability",
            "This is the derivative by the *probability*. Take it by the log-probability, as it is given.",
            {"measure": "probability"},
        ),
        Fault(
            "shares",
            "You divide by the sum of all sizes. Leave the derivative as it is, so that two losses can be "
            "compared.",
            {"measure": "share"},
        ),
        Fault(
            "at another place",
            "You take the derivative at 0. Take it at the log-probabilities that are given: a copy of them "
            "that wants gradients.",
            {"at": "zero"},
        ),
        Fault(
            "too coarse a step",
            "You move each log-probability by a whole nat, which is too far where the loss bends. "
            "`torch.autograd.grad` gives the derivative itself.",
            {"measure": "coarse"},
        ),
    ),
    cases=(
        Case("a plain sum", _question("linear", 2, 4)),
        Case("a loss that is blind to some places", _question("gap", 3, 5)),
        Case("a ratio, as in GRPO", _question("ratio", 2, 6, DOUBLE)),
        Case("a pull to fixed values", _question("curved", 3, 4)),
    ),
)


def _answer(answer: str = "mask") -> str:
    return answer


blamed = Exercise(
    name="blamed",
    arguments=(),
    returns="a word",
    reference=_answer,
    attempt=_answer,
    faults=(
        Fault(
            "nobody accused", "Put in the word for the part that you found guilty.", {"answer": "nobody yet"}
        ),
        Fault(
            "accused the rewards",
            "The rewards are right: the end is paid like the letters before it. Which token of a rewarded "
            "answer has no credit at all?",
            {"answer": "rewards"},
        ),
        Fault(
            "accused the advantages",
            "An advantage is one number for a whole row. It cannot know the last token from the others: "
            "something else leaves that one out.",
            {"answer": "advantages"},
        ),
        Fault(
            "accused the clip",
            "In your map no token has moved yet, so every ratio is 1, and nothing is clipped. The hole is "
            "there all the same.",
            {"answer": "clip"},
        ),
        Fault(
            "accused the average",
            "Dividing a row by its length changes how much credit there is, not where. Look at the last "
            "drawn place, and at the one before the first.",
            {"answer": "average"},
        ),
    ),
    cases=(Case("the part that leaves the last token out", lambda g: ()),),
)


def mended_oracle(
    log_probs: Tensor,
    before: Tensor,
    reference: Tensor,
    advantages: Tensor,
    counted: Tensor,
    clip: float,
    beta: float,
) -> Tensor:
    """One token after the other."""
    rows = []
    for row in range(len(log_probs)):
        losses = []
        for t in counted[row].nonzero().flatten().tolist():
            rho, a = (log_probs[row, t] - before[row, t]).exp(), advantages[row]
            gain = torch.minimum(rho * a, rho.clip(1 - clip, 1 + clip) * a)
            r = (reference[row, t] - log_probs[row, t]).exp()
            losses.append(beta * (r - r.log() - 1) - gain)
        rows.append(torch.stack(losses).mean())
    return torch.stack(rows).mean()


def mended_attempt(
    log_probs: Tensor,
    before: Tensor,
    reference: Tensor,
    advantages: Tensor,
    counted: Tensor,
    clip: float,
    beta: float,
    *,
    mask: str = "right",
    kl: str = "pulls",
    estimate: str = "k3",
    average: str = "row",
    keep: str = "min",
    sign: float = -1.0,
) -> Tensor:
    """GRPO's loss with a knob for each known way to go wrong."""
    ratio, share = (log_probs - before).exp(), advantages[:, None]
    held = ratio.clamp(1 - clip, 1 + clip) * share
    objective = {"min": torch.min(ratio * share, held), "held": held, "free": ratio * share}[keep]
    further = reference - log_probs
    distance = {
        "k3": further.exp() - further - 1,
        "k3 turned": (-further).exp() + further - 1,
        "k1": -further,
        "k2": further.square() / 2,
    }[estimate]
    pull = {"pulls": beta, "pushes": -beta, "none": 0.0, "full": 1.0}[kl]
    losses = sign * objective + pull * distance
    drawn = {
        "right": counted,
        "early": counted.roll(-1, dims=1),
        "late": counted.roll(1, dims=1),
        "all": torch.ones_like(counted),
    }[mask]
    if average == "row":
        return ((losses * drawn).sum(1) / drawn.sum(1)).mean()
    if average == "width":
        return (losses * drawn).mean()
    return (losses * drawn).sum() / drawn.sum()


def _credits_uncounted(call: Call, args: tuple, got: Tensor) -> bool:
    log_probs, *rest = args
    counted = rest[3]
    return not torch.allclose(call(log_probs.masked_fill(~counted, -3.0), *rest), got, atol=1e-4)


def _batch(
    B: int, T: int, *, moved: float = 0.3, credit: bool = True, beta: float = 0.5
) -> Callable[[Generator], tuple]:
    """Rows with a prompt, drawn tokens and padding, of different lengths."""

    def draw(generator: Generator) -> tuple:
        before = -normal(generator, B, T, dtype=DOUBLE).abs() - 0.3
        log_probs = before + moved * normal(generator, B, T, dtype=DOUBLE)
        reference = before + 0.5 * normal(generator, B, T, dtype=DOUBLE)
        first = torch.randint(1, 3, (B, 1), generator=generator)
        last = first + torch.randint(1, T - 3, (B, 1), generator=generator)
        places = torch.arange(T)
        advantages = normal(generator, B, dtype=DOUBLE) * credit
        return log_probs, before, reference, advantages, (places >= first) & (places <= last), 0.2, beta

    return draw


mended_loss = Exercise(
    name="mended_loss",
    arguments=("log_probs", "before", "reference", "advantages", "counted", "clip", "beta"),
    returns="a tensor with one number",
    reference=mended_oracle,
    attempt=mended_attempt,
    tolerance=1e-5,
    faults=(
        Fault(
            "mask one too early",
            "The places that count are still moved by one. `counted[b, t]` speaks about the token whose "
            "log-probability stands at `[b, t]`: the shift between inputs and targets is done already.",
            {"mask": "early"},
        ),
        Fault(
            "mask one too late",
            "The places that count are moved the other way now. They need no move at all.",
            {"mask": "late"},
        ),
        Fault(
            "prompt and padding count",
            "You average over all places. Tokens of the prompt and the padding were not drawn.",
            {"mask": "all"},
        ),
        Fault(
            "KL pushes away",
            "The distance to the reference has the wrong sign: the loss is smaller the further the policy "
            "runs. A loss is minimised, so the distance is *added*.",
            {"kl": "pushes"},
        ),
        Fault("KL left out", "The distance to the reference has no effect.", {"kl": "none"}),
        Fault("beta left out", "The distance to the reference is not weighted by `beta`.", {"kl": "full"}),
        Fault(
            "KL the other way round",
            "In r − log r − 1, r is the reference's probability over the policy's. You have it upside down.",
            {"estimate": "k3 turned"},
        ),
        Fault(
            "difference of logarithms",
            "The plain difference of log-probabilities is right on average, but noisy, and of either sign. "
            "r − log r − 1 is asked for.",
            {"estimate": "k1"},
        ),
        Fault(
            "half the square",
            "Half the squared difference is close while nothing has moved far. r − log r − 1 is asked for.",
            {"estimate": "k2"},
        ),
        Fault(
            "average over tokens",
            "You divide by the number of all tokens, so that long answers weigh more. Average each row "
            "first, then the rows.",
            {"average": "token"},
        ),
        Fault(
            "average over the width",
            "You divide by the width of the batch, prompt and padding included. Divide each row by how many "
            "tokens it drew.",
            {"average": "width"},
        ),
        Fault(
            "clipped on both sides",
            "You dropped the smaller-of-two: a token that went the wrong way can never come back.",
            {"keep": "held"},
        ),
        Fault("not clipped", "The ratio is not clipped any more.", {"keep": "free"}),
        Fault(
            "praise turned to blame",
            "The objective has the wrong sign: it is to be made large, and a loss is made small.",
            {"sign": 1.0},
        ),
    ),
    laws=(
        Law(
            "prompt or padding matters",
            "Your loss changes when the log-probability of a token changes that nobody drew.",
            _credits_uncounted,
        ),
    ),
    cases=(
        Case("a batch that has not moved", _batch(3, 8, moved=0.0)),
        Case("a batch that has moved", _batch(4, 9)),
        Case("nothing but the reference", _batch(3, 8, credit=False)),
        Case("without a reference to speak of", _batch(3, 7, moved=0.5, beta=0.0)),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
