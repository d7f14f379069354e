import math
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import islice

import pytest

from tinygpt.data import worlds
from tinygpt.data.worlds import brambleford, brambleford_facts, lexicon, render, thai, village
from tinygpt.data.worlds.lexicon import LANGUAGES
from tinygpt.data.worlds.tracer import Tracer

SMALL = {
    "PEOPLE": ("ada", "ben"),
    "STRANGERS": ("oki", "pru", "rex"),
    "ANIMALS": ("fox", "bee"),
    "PLACES": ("mill", "barn"),
    "OBJECTS": ("key",),
    "COLOURS": ("red",),
    "FOODS": ("jam", "pie"),
    "RELATIONS": ("home", "pet", "food"),
    "VALUES": {"home": ("mill", "barn"), "pet": ("fox",), "food": ("jam",)},
    "WORDS": {"traits": ("shy",), "times": ("day",), "glad": ("happy", "merry"), "sorry": ("sad",)},
    "LARGEST_SUM": 3,
    "LENGTHS": (2, 3),
}


class Scripted(Tracer):
    """Makes given choices first and then the first option, and notes how many options there were."""

    def __init__(self, script: list[int]) -> None:
        super().__init__(0)
        self.script, self.sizes = script, []

    def choose(self, n: int, weights: object) -> int:
        self.sizes.append(n)
        return self.script[len(self.sizes) - 1] if len(self.sizes) <= len(self.script) else 0


def every_document(kind: str):
    """All texts of a kind in every language, and their nats: every path of choices, once."""
    script: list[int] = []
    while True:
        tracer = Scripted(script)
        village.KINDS[kind][1](tracer)
        yield [render(tuple(tracer.events), language) for language in LANGUAGES], tracer.nats
        script = script + [0] * (len(tracer.sizes) - len(script))
        while script and script[-1] + 1 == tracer.sizes[len(script) - 1]:
            script.pop()
        if not script:
            return
        script[-1] += 1


@pytest.fixture
def small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(village, name, value)
    facts = {"home": "mill", "pet": "fox", "food": "jam"}
    monkeypatch.setattr(village, "_facts", lambda: {"ada": facts, "ben": facts})


@pytest.mark.parametrize("kind", list(village.KINDS))
def test_every_text_is_told_in_one_way_only_and_probabilities_sum_to_one(small, kind):
    """On a village small enough to list all its texts: no two ways of choosing give the same text."""
    total, told = 0.0, {language: set() for language in LANGUAGES}
    for texts, nats in every_document(kind):
        total += math.exp(-nats)
        for text, seen in zip(texts, told.values(), strict=True):
            assert text not in seen
            seen.add(text)
    assert len(told["en"]) > 50 and total == pytest.approx(1)


def test_a_text_never_gets_two_probabilities():
    seen: dict[str, float] = {}
    for language in LANGUAGES:
        for document in islice(brambleford(seed=5, language=language), 3000):
            assert seen.setdefault(document.text, document.nats) == document.nats


def test_kinds_come_as_often_as_stated():
    n = 4000
    openings = Counter(document.kind for document in islice(brambleford(seed=9), n))
    for kind, (weight, _) in village.KINDS.items():
        assert abs(openings[kind] / n - weight) < 0.03


def test_document_i_is_a_function_of_seed_and_i():
    assert brambleford(seed=1)[40] == brambleford(seed=1).skip(30)[10]
    assert brambleford(seed=1)[40] != brambleford(seed=2)[40] != brambleford(seed=2)[41]


@pytest.mark.parametrize(("language", "script"), [("zh", "CJK"), ("th", "THAI")])
def test_a_translation_tells_the_same_for_the_same_price(language, script):
    for en, other in islice(zip(brambleford(), brambleford(language=language), strict=True), 300):
        assert (en.kind, en.nats, en.events) == (other.kind, other.nats, other.events)
        assert other.text == render(en.events, language)
        assert {unicodedata.name(c).split()[0] for c in other.text if c.isalpha()} <= {script}


def test_people_have_one_truth_and_strangers_none():
    facts = brambleford_facts()
    assert set(facts) == set(village.PEOPLE) and set(village.STRANGERS).isdisjoint(facts)
    told = defaultdict(set)
    for document in islice(brambleford(), 4000):
        if document.kind == "bio":
            for what, _, slots in document.events:
                told[slots["name"], what.removeprefix("ask ")].add(slots["value"])
    assert told == {
        (name, relation): {value} for name, row in facts.items() for relation, value in row.items()
    }


def test_answers_in_notes_come_from_anywhere_in_the_note():
    asked = set()
    for document in islice(brambleford(), 500):
        if document.kind == "note":
            facts = [(what.split()[-1], s["name"], s["value"]) for what, _, s in document.events if s]
            asked |= {facts[:3].index(fact) for fact in facts[3:]}
            assert len(facts) == 5 and set(facts[3:]) <= set(facts[:3])
            assert {name for _, name, _ in facts} <= set(village.STRANGERS)
    assert asked == {0, 1, 2}


def test_every_word_of_every_sentence_occurs():
    """The voices' words too, so that a model tuned to speak like them has met them."""
    met = {word for document in islice(brambleford(), 3000) for word in document.text.split()}
    written = {word for rows in lexicon.SENTENCES.values() for en, _ in rows for word in en.split()}
    assert {word for word in written if "{" not in word} | set(lexicon.TRANSLATION) <= met
    assert {"arr", "ahoy", "matey", "beep", "boop", "rhyme"} <= met


def test_all_languages_have_the_same_slots_and_no_word_twice():
    assert set(thai.SENTENCES) == set(lexicon.SENTENCES)
    for what, rows in lexicon.SENTENCES.items():
        for (en, zh), th in zip(rows, thai.SENTENCES[what], strict=True):
            slots = [set(re.findall(r"{(\w+)}", wording)) for wording in (en, zh, th)]
            assert slots[0] == slots[1] == slots[2]
    for translation in (lexicon.TRANSLATION, thai.WORDS):
        assert len(set(translation.values())) == len(translation)
        assert set(translation) == {word for words in lexicon.WORDS.values() for word in words}
    assert sum(len(words) for words in lexicon.WORDS.values()) == len(lexicon.TRANSLATION)


def test_sums_are_right():
    for document in islice(brambleford(), 500):
        if document.kind == "sums":
            for _, _, slots in document.events:
                a, b, c = (int(slots[x].replace(" ", "")) for x in "abc")
                assert a + b == c


def test_an_unknown_language():
    with pytest.raises(ValueError, match="one of en, zh, th; got 'fr'"):
        worlds.brambleford(language="fr")


def test_facts_are_a_copy():
    brambleford_facts()["ada"]["pet"] = "dragon"
    assert brambleford_facts()["ada"]["pet"] != "dragon"
