"""Exercise 4 of chapter 04: the rank of the right answer at every depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
Reading = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reader:
    """The end of a small fixed model, described by plain values.

    All its weights are whole numbers, so that tokens may tie, and do so without rounding.

    Args:
        kind: "norm" (... D -> ... D: root mean square 1, then a gain) or "head" (... D -> ... V).
        seed: Chooses the weights.
        vocab_size: Number of tokens, V.
        copies: How many tokens share a column of the head, and so tie always.
    """

    kind: str
    seed: int
    vocab_size: int = 11
    copies: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        generator, D = Generator().manual_seed(self.seed), x.shape[-1]
        if self.kind == "norm":
            gain = torch.randint(1, 6, (D,), generator=generator).to(x.dtype)
            return x / x.square().mean(-1, keepdim=True).sqrt() * gain
        columns = whole(generator, D, -(-self.vocab_size // self.copies)).to(x.dtype)
        return x @ columns.repeat(1, self.copies)[:, : self.vocab_size]


def ranks_oracle(states: Tensor, norm: Reading, head: Reading, answers: Tensor) -> Tensor:
    """One place after the other, by counting in plain Python."""
    L, B, T = states.shape[:3]
    ranks = torch.zeros(L, B, T, dtype=torch.int64)
    for place in torch.cartesian_prod(*map(torch.arange, (L, B, T))).view(-1, 3).tolist():
        logits = head(norm(states[tuple(place)])).tolist()
        ranks[tuple(place)] = sum(logit > logits[answers[place[1]]] for logit in logits)
    return ranks


def ranks_attempt(
    states: Tensor,
    norm: Reading,
    head: Reading,
    answers: Tensor,
    *,
    read: str = "normed",
    count: str = "higher",
    start: int = 0,
    whose: str = "sequence",
    turned: bool = False,
) -> Tensor:
    """The ranks with a knob for each known way to go wrong."""
    L, B, T = states.shape[:3]
    if read == "last layer":
        states = states[-1:].expand_as(states)
    if read == "last position":
        states = states[:, :, -1:].expand_as(states)
    logits = head({"bare": states, "twice": norm(norm(states))}.get(read, norm(states)))
    if read == "normed at the end only":
        logits[:-1] = head(states[:-1])
    answers = {
        "sequence": lambda: answers[:, None],
        "position": lambda: answers[None, :],
        "layer": lambda: answers[:, None, None],
        "first": lambda: answers[:1, None],
        "winner": lambda: logits[-1].argmax(-1),
    }[whose]().expand(L, B, T)[..., None]
    ranks = _counted(logits, answers, count) + start
    return ranks.transpose(0, 1) if turned else ranks


def _counted(logits: Tensor, answers: Tensor, count: str) -> Tensor:
    if count.startswith("order"):
        order = logits.argsort(dim=-1, descending=count == "order", stable=True)
        return order.gather(-1, answers).squeeze(-1)
    of_answer = logits.gather(-1, answers)
    compare = {"lower": torch.lt, "at least": torch.ge, "different": torch.ne}.get(count, torch.gt)
    return compare(logits, of_answer).sum(-1)


def _between(better: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Call, tuple, Tensor], bool]:
    """Whether the answer is right up to the order of tied tokens, with this idea of better."""

    def found(call: Call, args: tuple, got: Tensor) -> bool:
        states, norm, head, answers = args
        logits = head(norm(states))
        of_answer = logits.gather(-1, answers[None, :, None, None].expand(*states.shape[:3], 1))
        above, ties = better(logits, of_answer).sum(-1), (logits == of_answer).sum(-1)
        right = torch.equal(got, (logits > of_answer).sum(-1))
        return not right and bool(((above <= got) & (got < above + ties)).all())

    return found


BOTTOM = (
    "The count runs from the bottom: 0 is the *least* likely token. Count the tokens with a *higher* logit."
)
TIES = (
    "Nearly: only where tokens tie with the answer is the rank off. Tokens with the same logit are not above "
    "the answer: count those whose logit is strictly higher."
)


def _signs(generator: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Streams of ±1, ±2 and ±4: their root mean square is a power of two, and nothing is rounded."""
    sizes = 2.0 ** torch.randint(3, (*shape[:-1], 1), generator=generator)
    return (sizes * (2 * torch.randint(2, shape, generator=generator) - 1)).to(dtype)


def _question(
    L: int,
    B: int,
    T: int,
    *,
    draw: Callable[..., Tensor] = _signs,
    vocab_size: int = 11,
    copies: int = 1,
    double: bool = False,
) -> Callable[[Generator], tuple]:
    def made(generator: Generator) -> tuple:
        one, other = torch.randint(10**6, (2,), generator=generator).tolist()
        answers = torch.randperm(vocab_size, generator=generator)[:B]
        states = draw(generator, L, B, T, 8, dtype=DOUBLE if double else torch.float32)
        return states, Reader("norm", one, vocab_size), Reader("head", other, vocab_size, copies), answers

    return made


answer_ranks = Exercise(
    name="answer_ranks",
    arguments=("states", "norm", "head", "answers"),
    returns="L B T",
    reference=ranks_oracle,
    attempt=ranks_attempt,
    faults=(
        Fault(
            "norm left out",
            "The head reads the bare stream. In the model the last norm stands before the head, and its gain "
            "changes which token wins: `head(norm(states))`.",
            {"read": "bare"},
        ),
        Fault(
            "norm at the last layer only",
            "Only the last layer passes through the norm. The lens asks each layer what the *end* of the "
            "model, norm and head, makes of it.",
            {"read": "normed at the end only"},
        ),
        Fault(
            "norm twice",
            "The stream passes through the norm twice, and its gain counts twice.",
            {"read": "twice"},
        ),
        Fault(
            "last layer everywhere",
            "Every layer has the last layer's rank: read each layer's own stream.",
            {"read": "last layer"},
        ),
        Fault(
            "last position everywhere",
            "Every position has the last position's rank: read each position's own stream.",
            {"read": "last position"},
        ),
        Fault("counted from the bottom", BOTTOM, {"count": "lower"}),
        Fault("starts at 1", "The first choice has rank 0 here, and yours 1.", {"start": 1}),
        Fault(
            "the answer counts itself",
            "The answer is counted among those above it: `>=` lets it in, and its ties too. Use `>`.",
            {"count": "at least"},
        ),
        Fault("ties above the answer", TIES, {"count": "at least", "start": -1}),
        Fault(
            "argsort in place of its inverse",
            "`argsort` says which token is at place i: yours is the token that stands at place number "
            "`answer`. Wanted is the place at which the answer stands: count, or use `argsort` twice.",
            {"count": "order"},
        ),
        Fault(
            "argsort in place of its inverse",
            "`argsort` says which token is at place i, from the smallest on. Wanted is the place of the "
            "answer: count the tokens with a higher logit.",
            {"count": "order upwards"},
        ),
        Fault(
            "all other tokens counted",
            "All tokens that differ from the answer are counted, those below it too.",
            {"count": "different"},
        ),
        Fault(
            "answers laid along positions",
            "Answer number t is used at position t. There is one answer for each *sequence*: B is the "
            "second axis, `answers[None, :, None]`.",
            {"whose": "position"},
        ),
        Fault(
            "answers laid along layers",
            "Answer number l is used at layer l. There is one answer for each *sequence*: B is the second "
            "axis, `answers[None, :, None]`.",
            {"whose": "layer"},
        ),
        Fault(
            "one answer for all",
            "The first sequence's answer is used for all. Each sequence has its own.",
            {"whose": "first"},
        ),
        Fault(
            "sequences before layers",
            "The first two axes have changed places: layers come first, then sequences.",
            {"turned": True},
        ),
        Fault(
            "rank of the winner",
            "This is the rank of the token that the model *says*. Wanted is that of the right answer.",
            {"whose": "winner"},
        ),
    ),
    laws=(
        Law("ties above the answer", TIES, _between(torch.gt)),
        Law("counted from the bottom", BOTTOM, _between(torch.lt)),
    ),
    cases=(
        Case("two layers, one sequence", _question(2, 1, 3, draw=normal, double=True)),
        Case("several layers and sequences", _question(4, 3, 5, draw=normal, double=True)),
        Case("as many layers as sequences and positions", _question(4, 4, 4, draw=normal, double=True)),
        Case(
            "whole numbers, with many ties",
            _question(3, 2, 6, copies=3),
            points=2,
            advice="Ties do not count as above.",
        ),
        Case("one layer, few tokens", _question(1, 3, 2, vocab_size=5)),
    ),
    shortcuts=("tinygpt.interp",),
)
