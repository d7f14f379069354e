import random
from collections import Counter

import pytest

from tinygpt.data.worlds import STRING_WORDS, copying, counting


@pytest.mark.parametrize("length", [1, 12, 99])
def test_a_copy_is_a_copy(length):
    rng, letters = random.Random(1), Counter()
    for _ in range(50):
        question, answer = copying(rng, length)
        text = question.split()[:-1]
        assert question.split() == [*text, "="] and answer.split() == [*text, "<end>"]
        assert len(text) == length
        letters.update(text)
    assert len(letters) == 26 or length == 1
    assert STRING_WORDS.encode(" ".join(letters))


def cut(question):
    """The letters, and the one asked for."""
    how_many, asked, colon, *letters, equals = question.split()
    assert (how_many, colon, equals) == ("how-many", ":", "=")
    return letters, asked


def test_counts_are_right_and_spread_evenly():
    rng, seen = random.Random(2), Counter()
    for _ in range(1200):
        question, answer = counting(rng, 11)
        letters, asked = cut(question)
        assert answer == f"{letters.count(asked)} <end>" and len(letters) == 11
        seen[letters.count(asked)] += 1
    assert set(seen) == set(range(12)) and min(seen.values()) > 60


@pytest.mark.parametrize("length", [1, 9, 99])
def test_steps_keep_the_tally(length):
    for seed in range(20):
        question, answer = counting(random.Random(seed), length, steps=True)
        steps, final = answer.split(" = ")
        assert (question, final) == counting(random.Random(seed), length)
        letters, asked = cut(question)
        assert [int(n) for n in steps.split()] == [letters[: i + 1].count(asked) for i in range(length)]
        assert STRING_WORDS.decode(STRING_WORDS.encode(question + " " + answer)) == question + " " + answer


@pytest.mark.parametrize("make", [copying, counting])
@pytest.mark.parametrize("length", [0, 100])
def test_length_out_of_range(make, length):
    with pytest.raises(ValueError, match=f"from 1 to 99 letters; got {length}"):
        make(random.Random(0), length)
