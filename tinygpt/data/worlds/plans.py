"""How each kind of Brambleford's texts is put together, in the order of its words; `foretold` reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from tinygpt.data.worlds.lexicon import SENTENCES, WORDS
from tinygpt.data.worlds.village import (
    ANIMALS,
    COLOURS,
    FOODS,
    KINDS,
    LARGEST_SUM,
    LENGTHS,
    OBJECTS,
    PEOPLE,
    PLACES,
    RELATIONS,
    STRANGERS,
    VALUES,
    VOICES,
    brambleford_facts,
    fame,
)  # fmt: skip

Slots = Mapping[str, str]  # what was chosen so far
Ways = Iterable[tuple[float, "Plan", Slots]]  # probability, what comes now, and what is chosen by that
Plan = tuple["str | Callable[[Slots], Ways]", ...]  # words, {slots} to choose, and forks in the road
CHOICES = {
    "hero": PEOPLE + STRANGERS, "friend": PEOPLE + STRANGERS, "animal": ANIMALS, "other": ANIMALS,
    "trait": WORDS["traits"], "place": PLACES, "time": WORDS["times"], "colour": COLOURS, "object": OBJECTS,
    "glad": WORDS["glad"], "sorry": WORDS["sorry"], "listed": OBJECTS + ANIMALS + FOODS + COLOURS,
    "stranger": STRANGERS, **{f"some {relation}": values for relation, values in VALUES.items()},
}  # fmt: skip
DIFFERENT = {"friend": ("hero",), "other": ("animal",)}
DIFFERENT |= {f"stranger/{i}": tuple(f"stranger/{j}" for j in range(i)) for i in range(3)}


def _evenly(ways: Iterable[tuple[Plan, Slots]]) -> Ways:
    ways = list(ways)
    return [(1 / len(ways), plan, chosen) for plan, chosen in ways]


def _wording(sentence: str, **renamed: str) -> list[tuple[Plan, Slots]]:
    """Each wording of a sentence, as words and slots; slots may get other names."""
    names = {f"{{{name}}}": f"{{{new}}}" for name, new in renamed.items()}
    return [
        (tuple(names.get(part, part) for part in english.split()), {}) for english, _ in SENTENCES[sentence]
    ]


def _told(sentence: str, **renamed: str) -> Callable[[Slots], Ways]:
    """A sentence in any of its wordings."""
    ways = _evenly(_wording(sentence, **renamed))
    return lambda slots: ways


def document(slots: Slots) -> Ways:
    total = sum(weight for weight, _ in KINDS.values())
    return [(weight / total, PLANS[kind], {}) for kind, (weight, _) in KINDS.items()]


def _ending(slots: Slots) -> Ways:
    feelings = {"good": "glad", "bad": "sorry"}
    return _evenly(way for end, mood in feelings.items() for way in _wording(end, feeling=mood))


def _someone(slots: Slots) -> Ways:
    """Whom a bio is about; what is true of them is in the slots from now on."""
    weights = [fame(rank) for rank in range(len(PEOPLE))]
    for weight, (name, facts) in zip(weights, brambleford_facts().items(), strict=True):
        yield weight / sum(weights), (), {"name": name, **facts}


def _true_fact(slots: Slots) -> Ways:
    left = [relation for relation in RELATIONS if f"told {relation}" not in slots]
    for relation in left:
        for p, plan, _ in _told(relation, value=relation)(slots):
            yield p / len(left), plan, {f"told {relation}": "yes"}


def _true_answer(slots: Slots) -> Ways:
    return _evenly(way for relation in RELATIONS for way in _wording(f"ask {relation}", value=relation))


def _noted(i: int) -> Callable[[Slots], Ways]:
    """Some fact about another stranger; a note has the first wording only."""
    ways = [
        (
            _wording(relation, name=f"stranger/{i}", value=f"some {relation}/{i}")[0][0],
            {f"asked {i}": relation},
        )
        for relation in RELATIONS
    ]
    return lambda slots: _evenly(ways)


def _asked(slots: Slots) -> Ways:
    asked = [(i, slots[f"asked {i}"]) for i in range(3)]
    return _evenly(
        _wording(f"ask {relation}", name=f"stranger/{i}", value=f"some {relation}/{i}")[0]
        for i, relation in asked
    )


@lru_cache(maxsize=1)
def _every_sum() -> list[tuple[float, Plan, Slots]]:
    n, ways = LARGEST_SUM + 1, []
    for c in range(n):
        for a in range(c + 1):
            digits = {name: " ".join(f"{part:02d}") for name, part in (("a", a), ("b", c - a), ("c", c))}
            ways.append((1 / n / (c + 1), tuple(SENTENCES["sum"][0][0].format(**digits).split()), {}))
    return ways


def _sum(slots: Slots) -> Ways:
    return _every_sum()


def _list(slots: Slots) -> Ways:
    for length in LENGTHS:
        words = " ".join(f"{{listed/{i}}}" for i in range(length))
        plan = SENTENCES["list"][0][0].format(words=words).split()
        yield 1 / len(LENGTHS), (*plan, _asked_of_list), {"last": f"listed/{length - 1}"}


def _asked_of_list(slots: Slots) -> Ways:
    ends = {"first": "listed/0", "last": slots["last"]}
    return _evenly([((), {}), *(way for end, word in ends.items() for way in _wording(end, word=word))])


def _voice(i: int) -> Callable[[Slots], Ways]:
    ways = [way for voice in VOICES for way in _wording(voice, object=f"object/{i}", place=f"place/{i}")]
    return lambda slots: _evenly(ways)


PLANS: dict[str, Plan] = {
    "story": (_told("hero"), _told("find"), _ending, _told("end")),
    "bio": (_someone, _true_fact, _true_fact, _true_fact, _true_answer),
    "note": (_told("note"), _noted(0), _noted(1), _noted(2), _asked, _asked),
    "sums": (_sum, _sum, _sum),
    "lists": (_list,),
    "voices": (_voice(0), _voice(1)),
}
