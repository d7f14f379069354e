import random

import pytest

from tinygpt.data.worlds import letter_lesson, letter_pieces
from tinygpt.tokenizers import train_bpe

PIECES = letter_pieces()


def test_pieces_differ_and_half_of_them_hold_the_letter():
    assert len(set(PIECES)) == len(PIECES) == 60
    counts = [piece.count("r") for piece in PIECES]
    assert (counts.count(0), counts.count(1), counts.count(2)) == (27, 28, 5)
    assert letter_pieces(seed=2) != PIECES == letter_pieces(seed=1)


@pytest.mark.parametrize("n", [7, 60, 185])
def test_the_range_of_n_is_exact(n):
    assert len(set(letter_pieces(n))) == n
    for wrong in (6, 186):
        with pytest.raises(ValueError, match=f"from 7 to 185 pieces; got {wrong}"):
            letter_pieces(wrong)


def test_a_tokenizer_of_the_pieces_cuts_every_word_between_them():
    merges = next(n for n in range(150, 0, -1) if _trained(n))
    tok = _trained(merges)
    for first in PIECES:
        for second in PIECES:
            assert tok.pieces(tok.encode(first + second)) == [first, second]


def _trained(merges):
    try:
        return train_bpe(PIECES, vocab_size=256 + merges)
    except ValueError:
        return None


def test_answers_are_right():
    rng = random.Random(4)
    for _ in range(200):
        question, answer = letter_lesson("count", rng, PIECES)
        assert int(answer) == question.count("r")
        question, answer = letter_lesson("spell", rng, PIECES)
        assert answer.replace(" ", "") == question[:-1] + "="
        question, answer = letter_lesson("think", rng, PIECES)
        spelt, count = answer.split("=")
        assert spelt.replace(" ", "") == question[:-1] and int(count) == spelt.count("r")


def test_a_tally_is_of_the_letters_and_not_of_the_word_before_them():
    rng = random.Random(5)
    different = 0
    for _ in range(200):
        question, answer = letter_lesson("tally", rng, PIECES)
        word, spelt = question.split(":")
        assert int(answer) == spelt.count("r")
        different += word.count("r") != spelt.count("r")
    assert different > 80


def test_another_kind():
    with pytest.raises(ValueError, match="count, spell, tally or think; got 'sing'"):
        letter_lesson("sing", random.Random(0), PIECES)
