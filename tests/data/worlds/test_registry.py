"""The facts are functions of person and relation, and the probabilities are what the docstring says."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from tinygpt.data.worlds import (
    REGISTRY_VALUES,
    REGISTRY_WORDS,
    registry,
    registry_entropy,
    registry_facts,
    registry_prompts,
)

FACTS = registry_facts()
TRUE = {(fact.person, fact.relation): fact.value for fact in FACTS}
RELATION = dict(
    home="home", town="home", pet="pet", animal="pet", job="job", trade="job", dish="dish", meal="dish"
)


def texts(stream, batches=1):
    """The rows as they are read, start and padding left out."""
    for i in range(batches):
        inputs, targets = stream[i]
        for row, after in zip(inputs.tolist(), targets.tolist(), strict=True):
            n = sum(target != -100 for target in after)
            assert (
                row[1:n] == after[: n - 1] and set(row[n:]) <= {0, after[n - 1]} and set(after[n:]) <= {-100}
            )
            assert row[0] == 1
            yield REGISTRY_WORDS.decode(after[:n])


def parsed(sentence):
    first, last, noun, is_, value = sentence.split()
    assert last.endswith("'s") and is_ == "is"
    return f"{first} {last[:-2]}", RELATION[noun], value


def test_a_fact_takes_both_names():
    people = [fact.person for fact in FACTS[::4]]
    assert len(set(people)) == len(people) == 96 and len(TRUE) == len(FACTS) == 384
    for part in (0, 1):
        assert set(Counter(person.split()[part] for person in people).values()) == {6}


def test_frequencies_are_those_of_zipf():
    assert math.isclose(sum(fact.frequency for fact in FACTS), 1)
    assert [fact.frequency for fact in FACTS] == sorted((fact.frequency for fact in FACTS), reverse=True)
    assert math.isclose(FACTS[0].frequency, 10 * FACTS[39].frequency)
    counts = Counter(parsed(text)[:2] for text in texts(registry(50_000, seed=1)))
    for fact in FACTS[:40]:
        assert counts[fact.person, fact.relation] / 50_000 == pytest.approx(fact.frequency, rel=0.2)


def test_rows_without_a_note_are_true_in_either_wording():
    nouns = Counter()
    for text in texts(registry(400, seed=3), batches=2):
        person, relation, value = parsed(text)
        assert TRUE[person, relation] == value
        nouns[text.split()[2]] += 1
    assert set(nouns) == set(RELATION) and min(nouns.values()) > 60


def test_a_note_is_untrue_and_is_believed_for_its_own_fact_only():
    noted = about = 0
    for text in texts(registry(2000, seed=2, notes=0.5)):
        if not text.startswith("today"):
            assert TRUE[parsed(text)[:2]] == parsed(text)[2]
            continue
        note, question = text.removeprefix("today ").split(" ; ")
        told, asked = parsed(note), parsed(question)
        assert told[2] != TRUE[told[:2]] and told[2] in REGISTRY_VALUES[told[1]]
        assert asked[2] == (told[2] if asked[:2] == told[:2] else TRUE[asked[:2]])
        noted, about = noted + 1, about + (asked[:2] == told[:2])
    assert noted / 2000 == pytest.approx(0.5, abs=0.05)
    assert about / noted == pytest.approx(0.5, abs=0.06)


def surprise(text, notes):
    """−log p of a row, from its words."""
    frequency = {(fact.person, fact.relation): fact.frequency for fact in FACTS}
    if not text.startswith("today"):
        return -math.log((1 - notes) * frequency[parsed(text)[:2]] / 2)
    note, question = text.removeprefix("today ").split(" ; ")
    told, asked = parsed(note)[:2], parsed(question)[:2]
    p = notes * frequency[told] / 2 / 15
    return -math.log(p * (0.5 * (told == asked) + 0.5 * frequency[asked]) / 2)


@pytest.mark.parametrize("notes", [0.0, 0.3, 1.0])
def test_the_entropy_is_the_mean_surprise(notes):
    rows = list(texts(registry(20_000, seed=4, notes=notes)))
    nats, words = sum(surprise(row, notes) for row in rows), sum(len(row.split()) for row in rows)
    assert registry_entropy(notes) == pytest.approx(nats / words, rel=0.01)


def test_the_entropy_of_noted_rows_is_the_sum_over_all_of_them():
    q = np.array([fact.frequency for fact in FACTS])
    rows = q[:, None] * (0.5 * np.eye(len(q)) + 0.5 * q)  # the note's fact and the question's
    each = rows / (2 * 15 * 2)  # its two wordings and its value
    assert registry_entropy(1.0) == pytest.approx(-(rows * np.log(each)).sum() / 12, rel=1e-9)


def test_prompts_ask_for_the_facts():
    some = FACTS[5:9]
    prompts, answers = registry_prompts(some, wording=1)
    assert prompts.shape == (4, 5) and answers.shape == (4,)
    for fact, prompt, answer in zip(some, prompts, answers, strict=True):
        text = REGISTRY_WORDS.decode([*prompt, answer]).removeprefix("<start> ")
        assert parsed(text) == (fact.person, fact.relation, fact.value) and text.split()[2] != fact.relation
    noted, _ = registry_prompts(some[:1], notes=[some[1]._replace(value="ant")])
    name, note = some[0].person, some[1]
    assert REGISTRY_WORDS.decode(noted[0]) == (
        f"<start> today {note.person}'s {note.relation} is ant ; {name}'s {some[0].relation} is"
    )


def test_batches_are_functions_of_seed_and_number_and_the_facts_of_neither():
    one = registry(9, seed=1, notes=0.5)
    assert (one[5][0] == one.skip(5)[0][0]).all()
    assert not (one[5][0][:, :4] == registry(9, seed=2, notes=0.5)[5][0][:, :4]).all()


@pytest.mark.parametrize(("size", "notes"), [(0, 0.5), (4, 1.5), (4, -0.1)])
def test_arguments_out_of_range(size, notes):
    with pytest.raises(ValueError, match=f"at least 1 and notes a share; got {size} and {notes}"):
        registry(size, notes=notes)
