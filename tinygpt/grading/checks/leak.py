"""The bug hunt of chapter 03, "Better than perfect": find who reads the future, and name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Case, Exercise, Fault

VOCAB = 11


@dataclass(frozen=True)
class Suspect:
    """A small fixed function from tokens to features whose positions read each other in a known way.

    It is described by two plain values, so that a judge can rebuild it in another process.

    Args:
        habit: "past" (and present), "itself", "next" (one position ahead), "wrap" (one behind; the first
            position reads the last) or "all".
        seed: Chooses the features of the tokens.
    """

    habit: str
    seed: int

    def __call__(self, tokens: Tensor) -> Tensor:
        features = normal(torch.Generator().manual_seed(self.seed), VOCAB, 3, dtype=torch.float64)
        return torch.einsum("TS,BSD->BTD", self._weights(tokens.shape[1]), features[tokens])

    def _weights(self, T: int) -> Tensor:
        """How much position t (row) takes from position s (column)."""
        eye = torch.eye(T, dtype=torch.float64)
        if self.habit in ("past", "all"):
            every = torch.ones(T, T, dtype=torch.float64)
            return (every.tril() if self.habit == "past" else every) / T
        shift = {"itself": 0, "next": -1, "wrap": 1}[self.habit]
        other = eye.roll(shift, dims=0)
        return (eye + (other.tril(1) if self.habit == "next" else other)) / 2


def reads_oracle(function: Suspect, tokens: Tensor, vocab_size: int) -> Tensor:
    """The truth, known from how the suspect was made."""
    return function._weights(len(tokens)) != 0


def reads_attempt(
    function: Callable[[Tensor], Tensor],
    tokens: Tensor,
    vocab_size: int,
    *,
    transposed: bool = False,
    part: str = "all",
    measure: str = "size",
    restores: bool = True,
) -> Tensor:
    """The dependence map with a knob for each known way to go wrong."""
    T = len(tokens)
    before = function(tokens[None])[0]
    found = torch.zeros(T, T, dtype=torch.bool)
    other = tokens.clone()
    for s in range(T):
        other = tokens.clone() if restores else other
        other[s] = (other[s] + 1) % vocab_size
        change = function(other[None])[0] - before
        found[:, s] = _moved(change, before, measure)
    found = found.T if transposed else found
    return {"all": found, "future": found.triu(1), "not itself": found & ~torch.eye(T, dtype=torch.bool)}[
        part
    ]


def _moved(change: Tensor, before: Tensor, measure: str) -> Tensor:
    if measure == "winner":
        return (before + change).argmax(-1) != before.argmax(-1)
    if measure == "sum":
        return change.sum(-1) > 1e-5
    if measure == "all":
        return (change.abs() > 1e-5).any().expand(len(change))
    return change.abs().amax(-1) > 1e-5


def _question(habit: str) -> Callable[[Generator], tuple]:
    """A suspect and six tokens, whatever the habit: nothing but its answers tells it."""

    def draw(generator: Generator) -> tuple:
        seed, *tokens = torch.randint(VOCAB, (7,), generator=generator).tolist()
        return Suspect(habit, seed), torch.tensor(tokens), VOCAB

    return draw


reads = Exercise(
    name="reads",
    arguments=("function", "tokens", "vocab_size"),
    returns="T T",
    reference=reads_oracle,
    attempt=reads_attempt,
    faults=(
        Fault(
            "rows and columns swapped",
            "The map is transposed: row t says what position t reads, column s who reads token s.",
            {"transposed": True},
        ),
        Fault(
            "changes pile up",
            "The changes pile up: before you change token s, put token s − 1 back. Start from a fresh "
            "`tokens.clone()` each time.",
            {"restores": False},
        ),
        Fault(
            "only the winner watched",
            "You compare the argmax. A leak may move every number and leave the largest one the largest: "
            "compare the numbers themselves.",
            {"measure": "winner"},
        ),
        Fault(
            "changes cancel",
            "The changes are summed with their signs, so rises and falls cancel. Take `abs()` first.",
            {"measure": "sum"},
        ),
        Fault(
            "past left out",
            "Only the future is in the map. The map is about all pairs: reading the past is allowed, and is "
            "true.",
            {"part": "future"},
        ),
        Fault(
            "itself left out",
            "A position reads its own token too: keep the diagonal.",
            {"part": "not itself"},
        ),
        Fault(
            "any change anywhere",
            "You ask whether the whole output changed. Ask it for each position t on its own: reduce over "
            "the last axis only.",
            {"measure": "all"},
        ),
    ),
    cases=(
        Case("positions that keep to themselves", _question("itself")),
        Case("an average over the past", _question("past")),
        Case("one position ahead", _question("next")),
        Case("a first position that reads the last", _question("wrap")),
        Case("everybody reads everybody", _question("all")),
    ),
)


def _answer(answer: str = "mix") -> str:
    return answer


culprit = Exercise(
    name="culprit",
    arguments=(),
    returns="a word",
    reference=_answer,
    attempt=_answer,
    faults=(
        Fault(
            "nobody accused", "Put in the word for the part that you found guilty.", {"answer": "nobody yet"}
        ),
        Fault(
            "accused attention",
            "The attention's mask is innocent: the map of `embedded`, which is computed before any "
            "attention, already has entries above the diagonal. Where does the first one appear?",
            {"answer": "attention"},
        ),
        Fault(
            "accused the targets",
            "Targets cannot show up in a map of what the *model* reads, and this model's map has entries "
            "above the diagonal. The targets are the inputs moved on by one, as they should be.",
            {"answer": "targets"},
        ),
        Fault(
            "accused the data",
            "The validation sequences are drawn with a seed of their own, and not even having seen them "
            "would let a model guess fresh random tokens in the first period, where this one is best.",
            {"answer": "data"},
        ),
        Fault(
            "accused the floor",
            "The floor is exact: nobody can guess a fresh uniform token with less than log V nats on "
            "average. Compare the loss of the very first positions with log V.",
            {"answer": "floor"},
        ),
    ),
    cases=(Case("the part that lets the future in", lambda g: ()),),
)
