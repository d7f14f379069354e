"""Constrained decoding: what comes out matches in full, what could match is as likely as it was."""

from __future__ import annotations

import itertools
import random
import re

import pytest
import torch
from constraints import BPE, CHARACTERS, end_of, random_pattern, samples
from tiny_models import SHAPE, scrambled

from tinygpt.models import GPTConfig
from tinygpt.sampling import (
    apply,
    generate,
    matching,
    pick,
    temperature,
    token_automaton,
    top_k,
)
from tinygpt.tokenizers import CharacterTokenizer, train_bpe

KINDS = {"bpe": BPE, "characters": CHARACTERS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_samples_match_in_full_under_random_patterns(seed: int, kind: str) -> None:
    pattern, tok = random_pattern(random.Random(seed)), KINDS[kind]
    least = int(token_automaton(pattern, tok, end=end_of(tok)).fewest[0])
    for within in (least, least + 9):
        for row in samples(pattern, tok, 25, within=within, seed=seed):
            text = tok.decode_bytes(row).decode("utf-8")  # strict: half a character is no text
            assert re.fullmatch(pattern, text, re.ASCII), (pattern, text)
            assert not set(row) & set(tok.special_tokens.values())


@pytest.mark.parametrize("pattern", ["(ab|a)*c?", "a{2,3}|b+a", "[^a]?b(a|é)", ".{1,2}", "(aa)*b", ""])
def test_a_token_is_allowed_exactly_where_some_match_goes_on_with_it(pattern: str) -> None:
    tok = train_bpe(["ab ab aab é"], vocab_size=262, special_tokens=["<|end|>"])
    some = [i for i in range(262) if set(tok.decode_bytes([i])) <= set("abcé".encode())]
    automaton, end, longest = token_automaton(pattern, tok, end=261), 261, 4
    spelled = {row for n in range(longest + 1) for row in itertools.product(some, repeat=n)}
    matches = {row for row in spelled if fullmatch(pattern, tok.decode_bytes(row))}
    for row in matches:
        state = torch.tensor(0)
        for token in (*row, end):
            assert automaton.allowed(state)[token], (row, token)
            state = automaton.read(state, torch.tensor(token))
    begun = {row[:n] for row in matches for n in range(len(row) + 1)}
    for row in (row for row in begun if len(row) < longest):
        state = torch.tensor(0)
        for token in row:
            state = automaton.read(state, torch.tensor(token))
        assert bool(automaton.allowed(state)[end]) == (row in matches)
        closing = longest - len(row) + 1  # what is allowed with so many left is spelled in full above
        for token in some:
            assert bool(automaton.allowed(state, closing)[token]) == ((*row, token) in begun)


def fullmatch(pattern: str, data: bytes) -> bool:
    try:
        return re.fullmatch(pattern, data.decode("utf-8"), re.ASCII) is not None
    except UnicodeDecodeError:
        return False


def test_no_way_is_taken_that_the_tokenizer_cannot_finish() -> None:
    automaton = token_automaton("a(zz|b)|bz", CHARACTERS, end=end_of(CHARACTERS))  # it has no z
    assert samples("a(zz|b)|bz", CHARACTERS, 50, within=3) == [CHARACTERS.encode("ab")] * 50
    assert (automaton.next[0] >= 0).nonzero()[:, 0].tolist() == CHARACTERS.encode("a")
    with pytest.raises(ValueError, match="no tokens of this tokenizer spell a text that matches 'az'"):
        token_automaton("az", CHARACTERS, end=end_of(CHARACTERS))


def test_the_distribution_is_the_models_renormalised() -> None:
    logits = torch.randn(2, BPE.vocab_size, generator=torch.Generator().manual_seed(0))
    one = matching(token_automaton("[0-9]+|ab", BPE, end=end_of(BPE)))
    p = one(logits, torch.tensor([[49], [97]])).softmax(dim=-1)
    model = logits.softmax(dim=-1)
    for row, allowed in ((0, [*range(48, 58), end_of(BPE)]), (1, BPE.encode("b"))):
        want = torch.zeros_like(model[row])
        want[allowed] = model[row, allowed] / model[row, allowed].sum()
        torch.testing.assert_close(p[row], want)


def test_drawn_texts_are_as_frequent_as_the_steps_say() -> None:
    p = torch.tensor([0.5, 0.3, 0.1, 0.05, 0.05])
    tok = CharacterTokenizer(characters="abcd", specials=["<|end|>"])
    automaton, n = token_automaton("ab?c|ca", tok, end=4), 20_000
    ids, one = torch.zeros(n, 0, dtype=torch.long), matching(automaton)
    for _ in range(4):
        drawn = pick(one(p.log().expand(n, -1), ids), torch.Generator().manual_seed(ids.shape[1]))
        ids = torch.cat([ids, drawn[:, None]], dim=1)
    texts = [tok.decode(row[: row.index(4)]) for row in ids.tolist()]
    a, b = 0.5 / 0.6, 0.3 / 0.4
    expected = {"abc": a * b * n, "ac": a * (1 - b) * n, "ca": (1 - a) * n}
    assert set(texts) == set(expected)
    assert (
        sum((texts.count(text) - e) ** 2 / e for text, e in expected.items()) < 13.8
    )  # 2 degrees, p = 0.001


@pytest.mark.parametrize("rows", [[1, 2], [[1, 2], [3, 4], [5, 6]]])
def test_generate_leaves_the_prompt_alone_and_stops_at_the_end(rows: list) -> None:
    model = scrambled(GPTConfig(**(SHAPE | {"vocab_size": BPE.vocab_size, "context": 12})))
    one = matching(token_automaton("(ab|é){2,}", BPE, end=end_of(BPE)), within=25)  # beyond the context
    out = generate(
        model, rows, max_new_tokens=30, filters=[one, temperature(3.0)], stop=[end_of(BPE)], seed=1
    )
    for row in torch.atleast_2d(out)[:, 2:].tolist():
        assert re.fullmatch("(ab|é){2,}", BPE.decode(row[: row.index(end_of(BPE))]))


def test_one_filter_serves_many_texts() -> None:
    one = matching(token_automaton("abab", CHARACTERS, end=end_of(CHARACTERS)))
    flat = torch.zeros(len(CHARACTERS.characters) + 2)
    for text, following in (("ab", "a"), ("aba", "b"), ("a", "b"), ("", "a"), ("aba", "b")):
        ids = torch.tensor(CHARACTERS.encode(text), dtype=torch.long)
        assert one(flat, ids).isfinite().nonzero()[:, 0].tolist() == CHARACTERS.encode(following)


def test_what_stands_after_the_end_does_not_matter() -> None:
    end, other = end_of(CHARACTERS), CHARACTERS.special_tokens["<|other|>"]
    one = matching(token_automaton("a", CHARACTERS, end=end), within=2)
    logits = torch.zeros(4, CHARACTERS.vocab_size)
    ids = torch.tensor([[0, end, end], [0, end, other], [0, end, -1], [0, -1, -1]])
    assert one(logits, ids).isfinite().nonzero()[:, 1].tolist() == [end] * 4


def test_mistakes_are_explained() -> None:
    end = end_of(CHARACTERS)
    automaton = token_automaton("a{3}", CHARACTERS, end=end)
    with pytest.raises(
        ValueError, match="shortest match takes 4 tokens, the one that ends included; got within=3"
    ):
        matching(automaton, within=3)
    with pytest.raises(ValueError, match=r"token 1 stands where the pattern 'a\{3\}' does not allow it"):
        matching(automaton)(torch.zeros(11), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="the tokenizer has 11 tokens; got logits of 12"):
        matching(automaton)(torch.zeros(12), torch.tensor([0]))
    with pytest.raises(ValueError, match="end must be an id from 0 to 10; got 11"):
        token_automaton("a", CHARACTERS, end=11)
    with pytest.raises(ValueError, match="no token is left"):
        flat = torch.arange(11.0)[None]
        pick(apply([top_k(1), matching(automaton)], flat, torch.tensor([[0]])))
