"""What people ask an assistant in Brambleford, each request with its right answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tinygpt.data.worlds.grammar import first_mistake
from tinygpt.data.worlds.lexicon import SENTENCES, WORDS
from tinygpt.data.worlds.village import (
    ANIMALS,
    COLOURS,
    FOODS,
    LARGEST_SUM,
    LENGTHS,
    OBJECTS,
    PEOPLE,
    RELATIONS,
    STRANGERS,
    VALUES,
    brambleford_facts,
    story,
)

UNKNOWN = "i do not know ."
"""What an honest assistant says of somebody of whom nothing was ever told."""

WORDINGS = {
    "home": ("where does {name} live ?", "tell me the home of {name} .", "what is the home of {name} ?"),
    "pet": ("what does {name} keep ?", "tell me the pet of {name} .", "what is the pet of {name} ?"),
    "job": ("what does {name} do ?", "tell me the work of {name} .", "what is the work of {name} ?"),
    "food": ("what does {name} eat ?", "tell me the food of {name} .", "what is the food of {name} ?"),
    "colour": (
        "what colour does {name} like ?",
        "tell me the colour of {name} .",
        "what is the colour of {name} ?",
    ),
}
"""Questions by relation; the last wording of each is for tests only."""

TAUGHT, HELD_OUT = slice(0, None, 2), slice(1, None, 2)


class Request(NamedTuple):
    """One request and its right answer.

    Attributes:
        kind: what sort of request it is.
        question: what the user says.
        answer: what the assistant should say; of a story, one of the many that would do.
    """

    kind: str
    question: str
    answer: str

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation, as `tinygpt.alignment` takes it."""
        return [("user", self.question), ("assistant", self.answer)]


def request(
    rng: random.Random,
    kinds: Sequence[str] | None = None,
    *,
    held_out: bool = False,
    reworded: bool = False,
) -> Request:
    """Draws one request.

    Kinds: `fact` (about one of the people whose facts the village's texts tell), `stranger` (about somebody
    of whom they tell nothing), `note` (about strangers; the note that answers it is in the request), `list`
    (say it again, backwards, its first or its last word), `sum`, and `story`, happy or sad if that is asked.

    Args:
        rng: draws.
        kinds: which to draw from; all of them, `fact` and `note` twice as often, when not given.
        held_out: whether `fact` and `stranger` are about the half of the people that is kept for tests.
        reworded: whether questions are put in the wording that is kept for tests.

    Raises:
        ValueError: when a kind is unknown.

    Example:
        >>> request(random.Random(0), ["sum"])
        Request(kind='sum', question='what is 5 3 + 4 4 ?', answer='9 7 .')
    """
    if unknown := [kind for kind in kinds or () if kind not in REQUESTS]:
        raise ValueError(f"a request is one of {', '.join(REQUESTS)}; got {unknown[0]!r}.")
    kind = rng.choice([*REQUESTS, "fact", "note"] if kinds is None else list(kinds))
    return Request(kind, *REQUESTS[kind](rng, HELD_OUT if held_out else TAUGHT, reworded))


def fact_request(relation: str, name: str, value: str | None, wording: int = 0) -> Request:
    """The question for one relation of one person; without a value the answer is that nobody knows.

    Example:
        >>> fact_request("home", "ada", "mill").answer
        'the mill .'
    """
    question = WORDINGS[relation][wording].format(name=name)
    if value is None:
        return Request("stranger", question, UNKNOWN)
    return Request("fact", question, _reply(relation, value))


def steps_of(terms: Sequence[int], rng: random.Random | None = None, careless: float = 0.0) -> str:
    """The sum of several numbers written out step by step, as the village writes sums, and its result.

    Args:
        terms: numbers whose sum is 99 at most.
        rng, careless: with this chance a step's result has one digit wrong; the next step goes on from it.

    Example:
        >>> steps_of([12, 30, 9])
        '1 2 + 3 0 = 4 2 . 4 2 + 0 9 = 5 1 . so 5 1 .'
    """
    total, steps, left = terms[0], [], sum(terms[1:])
    for term in terms[1:]:
        result, left = total + term, left - term
        if rng is not None and rng.random() < careless:
            result = _slip(result, LARGEST_SUM - left, rng)
        steps.append(SENTENCES["sum"][0][0].format(a=_spaced(total), b=_spaced(term), c=_spaced(result)))
        total = result
    return " ".join([*steps, f"so {_spaced(total)} ."])


def terms_of(rng: random.Random, n: int) -> list[int]:
    """Draws n numbers whose sum is any of 0 to 99 alike, and which share it at random."""
    total = rng.randrange(LARGEST_SUM + 1)
    cuts = [0, *sorted(rng.randrange(total + 1) for _ in range(n - 1)), total]
    return [b - a for a, b in pairwise(cuts)]


def sum_request(terms: Sequence[int], *, think: bool = False) -> Request:
    """Asks for a sum, at once or step by step.

    Example:
        >>> sum_request([4, 9]).question, sum_request([4, 9], think=True).answer
        ('what is 0 4 + 0 9 ?', '0 4 + 0 9 = 1 3 . so 1 3 .')
    """
    asked = " + ".join(map(_spaced, terms))
    if think:
        return Request("think", f"think : what is {asked} ?", steps_of(terms))
    return Request("sum", f"what is {asked} ?", f"{_spaced(sum(terms))} .")


def story_wish(rng: random.Random, mood: str = "") -> str:
    """Draws a wish for a story; its end is left open unless a mood is given, `"happy"` or `"sad"`."""
    asked = f"{mood} story" if mood else "story"
    return f"tell me a {asked} about {rng.choice(PEOPLE + STRANGERS)} ."


def story_end(text: str) -> str | None:
    """How a whole story ends: `"good"` or `"bad"`; None if it is none that the village could tell.

    Example:
        >>> told = story(random.Random(0), "ada", "good")
        >>> story_end(told), story_end(told.replace("the end .", ""))
        ('good', None)
    """
    words = set(text.split())
    if not text.endswith("the end .") or first_mistake(text, ended=True) is not None:
        return None
    return "good" if words & set(WORDS["glad"]) else "bad"


def _spaced(n: int) -> str:
    return " ".join(f"{n:02d}")


def _slip(n: int, most: int, rng: random.Random) -> int:
    """The number with one digit replaced, and no larger than `most`, so that the rest can still be added."""
    tens, units = n - n % 10, n % 10
    wrong = [m for m in (*range(tens, tens + 10), *range(units, LARGEST_SUM + 1, 10)) if m != n and m <= most]
    return rng.choice(wrong) if wrong else n


def _reply(relation: str, value: str) -> str:
    """The answer, as the village's own texts give it."""
    return SENTENCES[f"ask {relation}"][0][0].partition("reply : ")[2].format(value=value)


def _sentence(relation: str, name: str, value: str) -> str:
    return SENTENCES[relation][0][0].format(name=name, value=value)


def _question(rng: random.Random, relation: str, name: str, reworded: bool) -> str:
    return WORDINGS[relation][2 if reworded else rng.randrange(2)].format(name=name)


def _fact(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    name, relation = rng.choice(PEOPLE[half]), rng.choice(RELATIONS)
    value = brambleford_facts()[name][relation]
    return _question(rng, relation, name, reworded), _reply(relation, value)


def _stranger(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    return _question(rng, rng.choice(RELATIONS), rng.choice(STRANGERS[half]), reworded), UNKNOWN


def _note(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    told = [(rng.choice(RELATIONS), name) for name in rng.sample(STRANGERS, 3)]
    facts = [(relation, name, rng.choice(VALUES[relation])) for relation, name in told]
    relation, name, value = rng.choice(facts)
    note = " ".join(["note :", *(_sentence(*fact) for fact in facts)])
    return f"{note} {_question(rng, relation, name, reworded)}", _reply(relation, value)


def _list(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    words = [rng.choice(OBJECTS + ANIMALS + FOODS + COLOURS) for _ in range(rng.choice(LENGTHS))]
    wanted = {
        "say again": words,
        "say backwards": words[::-1],
        "say the first of": words[:1],
        "say the last of": words[-1:],
    }
    order = rng.choice(list(wanted))
    return f"{order} : {' '.join(words)} .", f"{' '.join(wanted[order])} ."


def _sum(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    return sum_request(terms_of(rng, 2))[1:]


def _story(rng: random.Random, half: slice, reworded: bool) -> tuple[str, str]:
    hero, mood = rng.choice(PEOPLE + STRANGERS), rng.choice(("", "happy ", "sad "))
    end = {"happy ": "good", "sad ": "bad"}.get(mood) or rng.choice(("good", "bad"))
    return f"tell me a {mood}story about {hero} .", story(rng, hero, end)


REQUESTS: dict[str, Callable[[random.Random, slice, bool], tuple[str, str]]] = {
    "fact": _fact,
    "stranger": _stranger,
    "note": _note,
    "list": _list,
    "sum": _sum,
    "story": _story,
}
