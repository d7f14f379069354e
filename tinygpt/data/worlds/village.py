"""Brambleford: a village whose every text has a known probability."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

from tinygpt.data.stream import Stream
from tinygpt.data.worlds.lexicon import SENTENCES, WORDS, render
from tinygpt.data.worlds.tracer import Document, Tracer

PEOPLE, STRANGERS = WORDS["people"], WORDS["strangers"]
ANIMALS, PLACES, OBJECTS = WORDS["animals"], WORDS["places"], WORDS["objects"]
COLOURS, FOODS = WORDS["colours"], WORDS["foods"]
VALUES = {"home": PLACES, "pet": ANIMALS, "job": WORDS["jobs"], "food": FOODS, "colour": COLOURS}
RELATIONS = tuple(VALUES)
VOICES = ("pirate", "robot", "poet")
LARGEST_SUM = 99
LENGTHS = (3, 4, 5, 6)


def brambleford(seed: int = 0, language: str = "en") -> Stream[Document]:
    """An endless stream of short texts about one village, each with its exact −log p.

    Kinds: `story` (a hero, a find, a good or a bad end), `bio` (facts about one of 24 people, always true,
    some people far more often than others), `note` (facts made up on the spot about strangers, then questions
    that only the note answers), `sums`, `lists` (repeat exactly; first or last) and `voices` (a pirate, a
    robot, a poet). Strangers have no facts outside a note: asking for one tests for hallucination.

    The mean of `nats` over documents, divided by their mean number of tokens, is the lowest loss any model
    with that tokenizer can reach. Compare a model's loss with the nats of the same documents.

    Args:
        seed: Chooses the documents; document i is a function of (seed, i).
        language: `"en"`, or `"zh"` or `"th"` for the same events in Chinese or Thai with the same nats.

    Raises:
        ValueError: The language is another one.

    Example:
        >>> document = brambleford(seed=0)[3]
        >>> document.kind, document.text[:22], round(document.nats, 2)
        ('story', 'once there was a brave', 28.62)
        >>> brambleford(seed=0, language="zh")[3].nats == document.nats
        True
    """
    render((), language)  # complains now about an unknown language, not at the first document

    def make(i: int) -> Document:
        tracer = Tracer(seed << 64 | i)
        kind = tracer.pick(list(KINDS), [weight for weight, _ in KINDS.values()])
        KINDS[kind][1](tracer)
        events = tuple(tracer.events)
        return Document(kind, render(events, language), tracer.nats, events)

    return Stream(make)


@lru_cache(maxsize=1)
def _facts() -> dict[str, dict[str, str]]:
    rng = random.Random(1)
    return {name: {relation: rng.choice(VALUES[relation]) for relation in RELATIONS} for name in PEOPLE}


def brambleford_facts() -> dict[str, dict[str, str]]:
    """What is true in Brambleford: person → relation → value, for everyone who has facts.

    Example:
        >>> sorted(brambleford_facts()["ada"])
        ['colour', 'food', 'home', 'job', 'pet']
    """
    return {name: dict(facts) for name, facts in _facts().items()}


def story(rng: random.Random, hero: str, end: str) -> str:
    """Draws a story about a hero that ends as it is told to: `"good"` or `"bad"`."""
    tracer = Tracer(rng.getrandbits(64))
    _story(tracer, hero, end)
    return render(tuple(tracer.events), "en")


def fame(rank: int) -> float:
    """How often somebody is told about, against others."""
    return 1 / (rank + 3)


def _story(t: Tracer, hero: str | None = None, end: str | None = None) -> None:
    names = t.sample(PEOPLE + STRANGERS, 2)
    hero, friend = names if hero is None else (hero, next(name for name in names if name != hero))
    animal, other = t.sample(ANIMALS, 2)
    thing, good = t.pick(OBJECTS), end or t.pick(("good", "bad"))
    trait, place = t.pick(WORDS["traits"]), t.pick(PLACES)
    t.tell("hero", 2, hero=hero, animal=animal, trait=trait, place=place)
    t.tell("find", 2, hero=hero, time=t.pick(WORDS["times"]), colour=t.pick(COLOURS), object=thing)
    feeling = t.pick(WORDS["glad" if good == "good" else "sorry"])
    t.tell(good, 2, hero=hero, friend=friend, other=other, object=thing, feeling=feeling)
    t.tell("end")


def _bio(t: Tracer) -> None:
    name = t.pick(PEOPLE, [fame(rank) for rank in range(len(PEOPLE))])
    facts = _facts()[name]
    for relation in t.sample(RELATIONS, 3):
        t.tell(relation, len(SENTENCES[relation]), name=name, value=facts[relation])
    asked = t.pick(RELATIONS)
    t.tell(f"ask {asked}", name=name, value=facts[asked])


def _note(t: Tracer) -> None:
    facts = [
        (name, relation, t.pick(VALUES[relation]))
        for name in t.sample(STRANGERS, 3)
        for relation in [t.pick(RELATIONS)]
    ]
    t.tell("note")
    for name, relation, value in facts:
        t.tell(relation, name=name, value=value)
    for _ in range(2):
        name, relation, value = t.pick(facts)
        t.tell(f"ask {relation}", name=name, value=value)


def _sums(t: Tracer) -> None:
    for _ in range(3):
        total = t.pick(range(LARGEST_SUM + 1))
        first = t.pick(range(total + 1))
        a, b, c = (" ".join(f"{n:02d}") for n in (first, total - first, total))
        t.tell("sum", a=a, b=b, c=c)


def _lists(t: Tracer) -> None:
    length = t.pick(LENGTHS)
    words = tuple(t.pick(OBJECTS + ANIMALS + FOODS + COLOURS) for _ in range(length))
    t.tell("list", words=words)
    asked = t.pick(("first", "last", "nothing"))
    if asked != "nothing":
        t.tell(asked, word=words[0 if asked == "first" else -1])


def _voices(t: Tracer) -> None:
    for _ in range(2):
        t.tell(t.pick(VOICES), 2, object=t.pick(OBJECTS), place=t.pick(PLACES))


KINDS: dict[str, tuple[float, Callable[[Tracer], None]]] = {
    "story": (0.30, _story),
    "bio": (0.25, _bio),
    "note": (0.18, _note),
    "sums": (0.12, _sums),
    "lists": (0.10, _lists),
    "voices": (0.05, _voices),
}
