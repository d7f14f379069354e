import random

import pytest
import torch

from tinygpt.data import answer_batch, lessons
from tinygpt.models import GPT, GPTConfig
from tinygpt.tokenizers import train_bpe, train_characters
from tinygpt.training import next_token_loss

TOK = train_characters("abcdef")


def test_a_row_reads_on_and_counts_its_answer_only():
    inputs, targets = answer_batch(TOK, [("ab", "cde"), ("a", "f")])
    assert inputs.tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]
    assert targets.tolist() == [[-100, 2, 3, 4], [5, -100, -100, -100]]


def test_no_token_spans_question_and_answer():
    tok = train_bpe("ab " * 9, vocab_size=257)
    (_, targets), whole = answer_batch(tok, [("a", "b")]), tok.encode("ab")
    assert len(whole) == 1 and targets.tolist() == [tok.encode("b")]


def test_what_does_not_count_has_no_gradient():
    model = GPT(GPTConfig(vocab_size=6, n_layers=1, n_heads=1, d_model=8, context=8), seed=0)
    one = answer_batch(TOK, [("ab", "c")])
    padded = tuple(rows[:1] for rows in answer_batch(TOK, [("ab", "c"), ("abcde", "f")]))
    torch.testing.assert_close(next_token_loss(model, one), next_token_loss(model, padded))


def test_lessons_are_a_function_of_seed_and_number():
    def draw(rng):
        return rng.choice("abc"), rng.choice("def")

    stream = lessons(draw, TOK, batch_size=16, seed=3)
    assert torch.equal(stream[5][0], stream.skip(5)[0][0])
    assert not torch.equal(stream[5][0], stream[6][0])
    assert not torch.equal(stream[5][0], lessons(draw, TOK, batch_size=16)[5][0])


@pytest.mark.parametrize("questions", [[], [("", "a")], [("a", "b"), ("a", "")]])
def test_nothing_to_ask_or_to_answer(questions):
    with pytest.raises(ValueError, match="at least one question"):
        answer_batch(TOK, questions)


def test_a_batch_of_none():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        lessons(lambda rng: ("a", str(random.random())), TOK, batch_size=0)
