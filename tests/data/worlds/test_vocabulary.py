import pytest
import torch

from tinygpt.data import answer_batch
from tinygpt.data.worlds import Words

WORDS = Words(("<pad>", "the", "cat", "sat"))


def test_words_and_ids_round_trip():
    assert WORDS.encode(" the  cat sat") == [1, 2, 3]
    assert WORDS.decode(torch.tensor([1, 2, 3])) == "the cat sat"
    assert len(WORDS) == 4


def test_it_serves_as_a_tokenizer():
    inputs, targets = answer_batch(WORDS, [("the cat", "sat")])
    assert inputs.tolist() == [[1, 2]] and targets.tolist() == [[-100, 3]]


@pytest.mark.parametrize("words", [("a", "b", "a"), ("a", "b c"), ("a", "")])
def test_words_that_could_not_be_told_apart(words):
    with pytest.raises(ValueError, match="each word must come once, without spaces"):
        Words(words)


def test_an_unknown_word_is_named():
    with pytest.raises(ValueError, match=r"no such word: 'dog'. The words are <pad> the cat sat"):
        WORDS.encode("the dog sat")
