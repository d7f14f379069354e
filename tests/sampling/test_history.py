"""Filters that look back: Hugging Face's on random logits, counting, and rows that begin late."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from tiny_models import SHAPE, scrambled

from tinygpt.models import GPT, GPTConfig
from tinygpt.sampling import (
    HistoryFilter,
    frequency_penalty,
    generate,
    greedy,
    no_repeat_ngram,
    presence_penalty,
    repetition_penalty,
)

V = 23


def logits() -> torch.Tensor:
    return 3 * torch.randn(64, V, generator=torch.Generator().manual_seed(0))


def ids(length: int = 40, vocab: int = V) -> torch.Tensor:
    return torch.randint(vocab, (64, length), generator=torch.Generator().manual_seed(1))


EVERY = [repetition_penalty(1.3), presence_penalty(0.7), frequency_penalty(0.7), no_repeat_ngram(2)]


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3, 5.0])
def test_repetition_penalty_against_hugging_face(penalty: float) -> None:
    hf = pytest.importorskip("transformers.generation.logits_process")
    want = hf.RepetitionPenaltyLogitsProcessor(penalty)(ids(12), logits())
    torch.testing.assert_close(repetition_penalty(penalty)(logits(), ids(12)), want)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [1, 3, 40])
def test_no_repeat_ngram_against_hugging_face(n: int, length: int) -> None:
    hf = pytest.importorskip("transformers.generation.logits_process")
    seen = ids(length, vocab=3)  # so few tokens that something is cut
    want = hf.NoRepeatNGramLogitsProcessor(n)(seen, logits())
    assert torch.equal(no_repeat_ngram(n)(logits(), seen), want)


def test_penalties_by_counting() -> None:
    want_presence, want_frequency = logits(), logits()
    for row, seen in enumerate(ids(30).tolist()):
        for token in range(V):
            want_presence[row, token] -= 0.7 * (token in seen)
            want_frequency[row, token] -= 0.7 * seen.count(token)
    torch.testing.assert_close(presence_penalty(0.7)(logits(), ids(30)), want_presence)
    torch.testing.assert_close(frequency_penalty(0.7)(logits(), ids(30)), want_frequency)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_a_row_that_begins_late_is_as_if_it_were_alone(one: HistoryFilter) -> None:
    seen = ids(20, vocab=4)
    padded = torch.cat([torch.full((64, 7), -1), seen], dim=1)
    assert torch.equal(one(logits(), padded), one(logits(), seen))
    assert torch.equal(one(logits()[3], seen[3]), one(logits(), seen)[3])


def test_nothing_is_cut_where_nothing_has_come() -> None:
    for one in EVERY:
        assert torch.equal(one(logits(), torch.full((64, 5), -1)), logits())


def test_generate_shows_filters_the_tokens_so_far() -> None:
    model, shown = scrambled(GPTConfig(**SHAPE)), []

    def look(logits: torch.Tensor, ids: torch.Tensor, n_new: int) -> torch.Tensor:
        shown.append((ids.tolist(), n_new))
        return logits

    out = generate(model, [[1, 2], [3, 4]], max_new_tokens=3, filters=[HistoryFilter("look", look)], seed=0)
    assert shown == [(out[:, : 2 + n].tolist(), n) for n in range(3)]


def test_generated_text_repeats_no_pair() -> None:
    out = generate(
        scrambled(GPTConfig(**SHAPE)), [1], max_new_tokens=60, filters=[no_repeat_ngram(2), greedy()]
    )
    pairs = list(pairwise(out.tolist()))
    assert len(set(pairs)) == len(pairs)
    plain = generate(scrambled(GPTConfig(**SHAPE)), [1], max_new_tokens=60, filters=[greedy()]).tolist()
    assert len(set(pairwise(plain))) < 60


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: repetition_penalty(0), "positive and finite; got 0. 1 changes nothing"),
        (lambda: presence_penalty(math.inf), "presence_penalty must be a finite number; got inf"),
        (lambda: frequency_penalty(math.nan), "frequency_penalty must be a finite number; got nan"),
        (lambda: no_repeat_ngram(0), "whole number of tokens, at least 1; got 0"),
        (lambda: no_repeat_ngram(1.5), "at least 1; got 1.5"),
    ],
)
def test_bad_parameters_are_refused_at_once(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_model_is_not_needed_to_see_that_nothing_is_left() -> None:
    model = GPT(GPTConfig(**(SHAPE | {"vocab_size": 3})))
    with pytest.raises(ValueError, match="filters cut all"):
        generate(model, [0], max_new_tokens=4, filters=[no_repeat_ngram(1)], seed=0)
