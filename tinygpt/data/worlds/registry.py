"""A registry of fictional people: facts to be known by heart, a few met often and most of them rarely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from tinygpt.data.stream import Stream, next_tokens
from tinygpt.data.worlds.vocabulary import Words

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor

    from tinygpt.data.stream import Batch

LEXICON = {
    "first": "ada ben cleo dan eva finn gus hana ivo jun kai lena max nora omar pia",
    "last": "moss reed vale holt lind park rowe stone wick yates boyd cray dunn frost gray hale",
    "home": "arlo bray cove dell elba fife glen hove isle jura kent lyme mull nant oban perth",
    "pet": "ant bat cat dog eel fox goat hen ibex jay koi lynx mole newt owl pug",
    "job": "actor baker clerk cook diver envoy farmer guard hunter judge king miner nurse pilot smith tutor",
    "dish": "apple bread curry dates eggs fish grits honey jam kale leek melon nuts olives pasta rice",
}
NOUNS = {
    "home": ("home", "town"),
    "pet": ("pet", "animal"),
    "job": ("job", "trade"),
    "dish": ("dish", "meal"),
}
RELATIONS = tuple(NOUNS)
FIRST, LAST = LEXICON["first"].split(), LEXICON["last"].split()
REGISTRY_VALUES = {relation: tuple(LEXICON[relation].split()) for relation in RELATIONS}
PAD, START, TODAY, STOP, IS = range(5)
REGISTRY_WORDS = Words(
    (
        "<pad>",
        "<start>",
        "today",
        ";",
        "is",
        *FIRST,
        *(f"{name}'s" for name in LAST),
        *sum(NOUNS.values(), ()),
        *sum(REGISTRY_VALUES.values(), ()),
    )
)
FIRST_AT, LAST_AT, NOUN_AT, VALUES_AT = 5, 21, 37, 45  # ids of the first word of each sort
N_PEOPLE, N_RELATIONS, N_VALUES = 96, len(RELATIONS), 16
SHIFTS = (0, 1, 3, 7, 8, 12)  # which last names go with a first name: each name belongs to six people
ABOUT_THE_NOTE = 0.5  # how often the row goes on with what the note told
NOTE = 7  # words of a note
IGNORE = -100


class Fact(NamedTuple):
    """One entry of the registry.

    Attributes:
        person: First and last name; others share either.
        relation: "home", "pet", "job" or "dish".
        value: What is true.
        frequency: Share of the rows without a note that tell this fact.
    """

    person: str
    relation: str
    value: str
    frequency: float

    @property
    def sentence(self) -> str:
        return f"{self.person}'s {self.relation} is {self.value}"


def registry(batch_size: int, seed: int = 0, notes: float = 0.0) -> Stream[Batch]:
    """Rows that tell one true fact each: `<start> ada moss's home is bray`.

    P(person of rank r) ∝ 1 / r, over 96 people; each of four relations alike, each of its two nouns alike.

    A first or a last name alone identifies nobody: each belongs to six people. The noun is not the last word
    before the value, so a model has to carry it there. A row with a note tells something for this once,
    `<start> today ada moss's home is elba ; ada moss's town is elba`. The note is about anybody, and untrue.
    Half of the time the row goes on with the same fact, as the note has it; else with a fact drawn anew, as
    it is in truth (unless the draw is by chance the note's).

    Args:
        batch_size: Rows per batch.
        seed: Chooses the rows, not the facts; batch i is a function of (seed, i).
        notes: Share of the rows that begin with a note, in expectation.

    Returns:
        A stream of (inputs, targets), both B T; where a row has ended inputs are 0 and targets −100.

    Raises:
        ValueError: batch_size is below 1, or notes is no share.

    Example:
        >>> inputs, targets = registry(batch_size=2)[0]
        >>> REGISTRY_WORDS.decode(inputs[0]), REGISTRY_WORDS.decode(targets[0, -1:])
        ("<start> lena cray's pet is", 'pug')
    """
    if batch_size < 1 or not 0 <= notes <= 1:
        raise ValueError(f"batch_size must be at least 1 and notes a share; got {batch_size} and {notes}.")

    def make(i: int) -> Batch:
        rng = np.random.default_rng((seed, i))
        question, told, off = (
            _draw(rng, batch_size),
            _draw(rng, batch_size),
            rng.integers(1, N_VALUES, size=batch_size),
        )
        same = rng.random(batch_size) < ABOUT_THE_NOTE
        noted = rng.random(batch_size) < notes
        return _rows(question, told, off, same, noted)

    return Stream(make)


def registry_facts() -> tuple[Fact, ...]:
    """All 384 facts: the people from the most to the least frequent, four relations each.

    Example:
        >>> fact = registry_facts()[0]
        >>> fact.sentence, round(fact.frequency, 3)
        ("gus rowe's home is mull", 0.049)
    """
    book = _book()
    return tuple(
        Fact(
            _name(person),
            relation,
            REGISTRY_VALUES[relation][book.values[person, r]],
            float(book.p[person]) / N_RELATIONS,
        )
        for person in range(N_PEOPLE)
        for r, relation in enumerate(RELATIONS)
    )


def registry_prompts(
    facts: Sequence[Fact], wording: int = 0, notes: Sequence[Fact] | None = None
) -> tuple[Int64[Tensor, "B T"], Int64[Tensor, " B"]]:
    """What to read before the value of each fact, and the value.

    Args:
        facts: What to ask for.
        wording: Which of the relation's two nouns, 0 or 1.
        notes: For each fact a note to put before it, in the first wording;
            `fact._replace(value="elba")` makes one that is untrue.

    Returns:
        Ids, B T with T = 5, or 12 with notes, and the ids of the facts' own values, B.

    Example:
        >>> facts = registry_facts()[:2]
        >>> prompts, answers = registry_prompts(facts, notes=[f._replace(value="elba") for f in facts])
        >>> REGISTRY_WORDS.decode(prompts[0])
        "<start> today gus rowe's home is elba ; gus rowe's home is"
    """
    asked = [f"{fact.person}'s {NOUNS[fact.relation][wording]} is" for fact in facts]
    before = [""] * len(asked) if notes is None else [f"today {note.sentence} ;" for note in notes]
    texts = [f"<start> {note} {question}" for note, question in zip(before, asked, strict=True)]
    ids = torch.tensor([REGISTRY_WORDS.encode(text) for text in texts])
    return ids, torch.tensor([REGISTRY_WORDS.encode(fact.value)[0] for fact in facts])


def registry_entropy(notes: float = 0.0) -> float:
    """The lowest mean loss possible on `registry`, in nats per token.

    The value costs nothing, since it is determined; who is told about, and in which words, is chance.

    Args:
        notes: As given to `registry`.

    Example:
        >>> round(registry_entropy(), 3)
        1.146
    """
    q = np.repeat(_book().p / N_RELATIONS, N_RELATIONS)  # of each fact
    fact, wording, lie = _entropy(q), math.log(2), math.log(N_VALUES - 1)
    again = (
        ABOUT_THE_NOTE * np.eye(len(q)) + (1 - ABOUT_THE_NOTE) * q
    )  # of the question, for each note's fact
    question = sum(p * _entropy(row) for p, row in zip(q, again, strict=True))
    whether = _entropy(np.array([notes, 1 - notes]))
    nats = whether + (1 - notes) * (fact + wording) + notes * (fact + wording + lie + question + wording)
    return float(nats / (5 * (1 - notes) + 12 * notes))


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


class _Book(NamedTuple):
    p: np.ndarray
    pairs: np.ndarray
    values: np.ndarray


@lru_cache(maxsize=1)
def _book() -> _Book:
    """P(person), which first and last name each has, and which value each relation."""
    rng = np.random.default_rng(0)
    p = 1 / (np.arange(N_PEOPLE) + 1.0)
    pairs = [(first, (first + shift) % len(LAST)) for first in range(len(FIRST)) for shift in SHIFTS]
    return _Book(p / p.sum(), rng.permutation(pairs), rng.integers(N_VALUES, size=(N_PEOPLE, N_RELATIONS)))


def _name(person: int) -> str:
    first, last = _book().pairs[person]
    return f"{FIRST[first]} {LAST[last]}"


class _Draw(NamedTuple):
    person: np.ndarray
    relation: np.ndarray
    wording: np.ndarray


def _draw(rng: np.random.Generator, n: int) -> _Draw:
    person = rng.choice(N_PEOPLE, size=n, p=_book().p)
    return _Draw(person, rng.integers(N_RELATIONS, size=n), rng.integers(2, size=n))


def _rows(question: _Draw, told: _Draw, off: np.ndarray, same: np.ndarray, noted: np.ndarray) -> Batch:
    """One row each; `off` is how far the note's value lies from the true one."""
    again = noted & same
    person, relation = np.where(again, told[:2], question[:2])
    lie = (_book().values[told.person, told.relation] + off) % N_VALUES
    believed = noted & (person == told.person) & (relation == told.relation)
    value = np.where(believed, lie, _book().values[person, relation])
    asked = _sentence(_Draw(person, relation, question.wording), value)
    start = np.full((len(asked), 1), START)
    plain = np.concatenate([start, asked, np.full((len(asked), NOTE), PAD)], axis=1)
    today, stop = np.full_like(start, TODAY), np.full_like(start, STOP)
    long = np.concatenate([start, today, _sentence(told, lie), stop, asked], axis=1)
    rows = torch.from_numpy(np.where(noted[:, None], long, plain))
    inputs, targets = next_tokens(rows if noted.any() else rows[:, :-NOTE])
    return inputs, targets.masked_fill(targets == PAD, IGNORE)


def _sentence(told: _Draw, value: np.ndarray) -> np.ndarray:
    first, last = _book().pairs[told.person].T
    noun = 2 * told.relation + told.wording
    values = N_VALUES * told.relation + value
    places = [FIRST_AT + first, LAST_AT + last, NOUN_AT + noun, np.full_like(noun, IS), VALUES_AT + values]
    return np.stack(places, axis=1).astype(np.int64)
