import math

import pytest
import torch

from tinygpt.data.worlds import brambleford, first_mistake, foretold, token_truth
from tinygpt.tokenizers import train_bpe

TEXTS = [brambleford(seed=3)[i] for i in range(60)]
TOK = train_bpe([d.text for d in TEXTS[:9]], 300, pattern=r" ?\S+|\s", special_tokens=["<|end|>"])
END = TOK.special_tokens["<|end|>"]


def test_every_kind_of_text_is_among_those_that_are_tested():
    assert {document.kind for document in TEXTS} == {"story", "bio", "note", "sums", "lists", "voices"}


@pytest.mark.parametrize("document", TEXTS, ids=lambda document: document.kind)
def test_the_words_probabilities_multiply_to_that_of_the_document(document):
    words, places = document.text.split(), foretold(document.text)
    assert all(math.isclose(sum(shares.values()), 1) for shares in places)
    nats = -sum(math.log(shares[word]) for shares, word in zip(places, [*words, ""], strict=True))
    assert math.isclose(nats, document.nats)


ONE_OF_EACH = list({document.kind: document for document in TEXTS}.values())


@pytest.mark.parametrize("document", ONE_OF_EACH, ids=lambda document: document.kind)
def test_what_it_foretells_is_what_the_grammar_allows(document):
    words = document.text.split()
    said = {word for shares in foretold(document.text)[1:-1:3] for word in shares}
    everything = {*sorted(said)[::4], *words, "zed", "9"}
    for n in (len(words) // 2, len(words)):
        before = " ".join(words[:n])
        allowed = {word for word in everything - {""} if first_mistake(f"{before} {word}") is None}
        allowed |= {""} if first_mistake(before, ended=True) is None else set()
        assert set(foretold(before)[-1]) & (everything | {""}) == allowed


def test_it_ends_at_the_first_mistake():
    wrong = "0 3 + 1 2 = 1 6 . 0 0"
    assert len(foretold(wrong)) == 1 + first_mistake(wrong)
    assert "6" not in foretold(wrong)[-1]


def test_nothing_comes_after_the_end():
    assert len(foretold(f"{TEXTS[0].text} the")) == len(TEXTS[0].text.split()) + 1


@pytest.mark.parametrize("document", TEXTS[:20], ids=lambda document: document.kind)
def test_the_tokens_probabilities_multiply_to_that_of_the_document(document):
    truth = token_truth(document.text, TOK, END)
    ids = torch.tensor([*TOK.encode(document.text), END])
    assert truth.shape == (len(ids), TOK.vocab_size)
    torch.testing.assert_close(truth.sum(1), torch.ones(len(ids)))
    assert math.isclose(-truth[range(len(ids)), ids].log().sum(), document.nats, rel_tol=1e-5)


def test_it_complains_about_mistakes_and_about_tokens_that_join_words():
    with pytest.raises(ValueError, match=r"never says '6' there"):
        token_truth("0 3 + 1 2 = 1 6 .", TOK, END)
    joined = train_bpe("the poet said", 268, pattern=r"[a-z ]+", special_tokens=["<|end|>"])
    with pytest.raises(ValueError, match="joins words"):
        token_truth("the poet said", joined, joined.special_tokens["<|end|>"])
