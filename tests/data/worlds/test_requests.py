"""Requests to an assistant of the village: right answers, and nothing of the test in the training."""

from __future__ import annotations

import random

import pytest

from tinygpt.data.worlds import (
    UNKNOWN,
    brambleford_facts,
    fact_request,
    first_mistake,
    request,
    steps_of,
    story_end,
    story_wish,
    sum_request,
    terms_of,
)
from tinygpt.data.worlds.requests import REQUESTS, WORDINGS
from tinygpt.data.worlds.village import PEOPLE, RELATIONS, STRANGERS


def drawn(kinds: list[str], n: int = 400, **options: bool) -> list:
    rng = random.Random(0)
    return [request(rng, kinds, **options) for _ in range(n)]


def people_in(requests: list) -> set[str]:
    return {word for asked in requests for word in asked.question.split() if word in PEOPLE + STRANGERS}


def number(digits: str) -> int:
    return int(digits.replace(" ", ""))


def test_a_request_is_a_function_of_the_generator():
    assert request(random.Random(3)) == request(random.Random(3))


def test_every_kind_is_drawn_and_says_which_it_is():
    rng = random.Random(0)
    assert {request(rng).kind for _ in range(200)} == set(REQUESTS)


@pytest.mark.parametrize(("kind", "names"), [("fact", PEOPLE), ("stranger", STRANGERS)])
def test_people_for_tests_are_never_asked_about_in_training(kind, names):
    taught, held_out = people_in(drawn([kind])), people_in(drawn([kind], held_out=True))
    assert taught | held_out == set(names)
    assert not taught & held_out


def test_wordings_for_tests_never_come_in_training():
    for relation, (*_, last) in WORDINGS.items():
        name = PEOPLE[0]
        kept = last.format(name=name)
        assert fact_request(relation, name, "x", wording=2).question == kept
    taught = " ".join(asked.question for asked in drawn(["fact", "stranger", "note"]))
    held = " ".join(asked.question for asked in drawn(["fact", "stranger", "note"], reworded=True))
    for phrase in [f"what is the {part} of" for part in ("home", "pet", "work", "food", "colour")]:
        assert phrase in held
        assert phrase not in taught


def test_facts_are_those_of_the_village():
    for name, facts in brambleford_facts().items():
        for relation, value in facts.items():
            assert value in fact_request(relation, name, value).answer.split()
    assert fact_request("home", "oki", None) == ("stranger", "where does oki live ?", UNKNOWN)


def test_a_note_holds_its_answer():
    for asked in drawn(["note"]):
        note, _, question = asked.question.partition("note : ")[2].rpartition(" . ")
        name = next(word for word in question.split() if word in STRANGERS)
        told = [fact for fact in note.split(" . ") if name in fact.split()]
        assert any(fact.endswith(asked.answer.removesuffix(" .").split()[-1]) for fact in told)
        assert question.endswith(("?", "."))


def test_lists_are_said_as_asked():
    orders = {
        "say again": lambda words: words,
        "say backwards": lambda words: words[::-1],
        "say the first of": lambda words: words[:1],
        "say the last of": lambda words: words[-1:],
    }
    seen = set()
    for asked in drawn(["list"]):
        order, _, words = asked.question.removesuffix(" .").partition(" : ")
        assert asked.answer == " ".join(orders[order](words.split())) + " ."
        seen.add(order)
    assert seen == set(orders)


def test_sums_are_right_and_the_terms_reach_every_total():
    rng = random.Random(0)
    totals = set()
    for _ in range(2000):
        terms = terms_of(rng, rng.choice((2, 3, 5)))
        assert min(terms) >= 0
        assert number(sum_request(terms).answer.removesuffix(" .")) == sum(terms)
        totals.add(sum(terms))
    assert totals == set(range(100))


def test_steps_are_sums_of_the_village_and_end_in_the_result():
    terms = [12, 30, 9, 40]
    *steps, last = steps_of(terms).removesuffix(" .").split(" . ")
    assert last == "so 9 1"
    assert all(first_mistake(f"{step} .") is None for step in steps)
    assert sum_request(terms, think=True).answer == steps_of(terms)


def test_a_careless_step_is_wrong_in_one_digit_and_the_next_goes_on_from_it():
    wrong = 0
    for seed in range(300):
        *steps, last = (
            steps_of([10, 11, 12, 13], random.Random(seed), careless=0.3).removesuffix(" .").split(" . ")
        )
        for step in steps:
            a, b, c = (number(part) for part in step.replace("=", "+").split(" + "))
            if c != a + b:
                wrong += 1
                assert sum(x != y for x, y in zip(f"{c:02d}", f"{a + b:02d}", strict=True)) == 1
        ends = [step.split(" = ")[1] for step in steps]
        assert all(step.startswith(end) for end, step in zip(ends, steps[1:], strict=False))
        assert max(map(number, ends)) <= 99
        assert last == f"so {ends[-1]}"
    assert 0.2 < wrong / 900 < 0.4


@pytest.mark.parametrize(("mood", "end"), [("happy", "good"), ("sad", "bad")])
def test_a_story_ends_as_wished(mood, end):
    told = [asked for asked in drawn(["story"]) if mood in asked.question]
    assert len(told) > 50
    for asked in told:
        hero = asked.question.split()[-2]
        assert hero in asked.answer
        assert story_end(asked.answer) == end
    assert mood in story_wish(random.Random(0), mood)


def test_what_is_no_story_has_no_end():
    story = drawn(["story"], 1)[0].answer
    assert story_end(story) in ("good", "bad")
    assert story_end(story.replace(" the end .", "")) is None
    assert story_end("the end .") is None
    assert story_end(story.replace("the end", "the pond")) is None


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="one of fact, stranger"):
        request(random.Random(0), ["poem"])


def test_every_relation_has_three_wordings():
    assert tuple(WORDINGS) == RELATIONS
    assert all(len(set(wordings)) == 3 for wordings in WORDINGS.values())
