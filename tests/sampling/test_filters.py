"""Filters: values worked by hand, Hugging Face's warpers on random logits, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tinygpt.sampling import (
    apply,
    banned,
    greedy,
    logit_bias,
    min_p,
    temperature,
    top_k,
    top_n_sigma,
    top_p,
    typical,
)


def logits(seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(64, 97, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 0.95, 1.0, 2.5])
def test_against_hugging_face(value: float) -> None:
    hf = pytest.importorskip("transformers.generation.logits_process")
    pairs = [(temperature(value), hf.TemperatureLogitsWarper(value))]
    pairs += [(top_k(int(10 * value)), hf.TopKLogitsWarper(int(10 * value)))]
    bias = {0: value, 5: -value, 96: -math.inf}
    pairs += [(logit_bias(bias), hf.SequenceBiasLogitsProcessor({(i,): b for i, b in bias.items()}))]
    pairs += [(banned([3, 50]), hf.SuppressTokensLogitsProcessor([3, 50]))]
    if value < 1:
        pairs += [(top_p(value), hf.TopPLogitsWarper(value)), (min_p(value), hf.MinPLogitsWarper(value))]
        pairs += [(typical(value), hf.TypicalLogitsWarper(value))]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours(logits()), theirs(None, logits()), msg=ours.__name__)


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 0.95])
def test_with_ties_as_many_stay_as_hugging_face_keeps(value: float) -> None:
    """Which of two equal tokens goes is left to the sort; how many go, and how likely they are, is not."""
    hf = pytest.importorskip("transformers.generation.logits_process")
    coarse = logits().round()
    pairs = [(top_k(int(20 * value)), hf.TopKLogitsWarper(int(20 * value)))]
    pairs += [(top_p(value), hf.TopPLogitsWarper(value)), (min_p(value), hf.MinPLogitsWarper(value))]
    pairs += [(typical(value), hf.TypicalLogitsWarper(value))]
    for ours, theirs in pairs:
        got, want = ours(coarse).sort(dim=-1).values, theirs(None, coarse).sort(dim=-1).values
        torch.testing.assert_close(got, want, msg=ours.__name__)


def every_filter() -> list:
    cuts = [top_k(3), top_p(0.5), min_p(0.1), typical(0.5), top_n_sigma(1.0)]
    return [*cuts, temperature(0.5), greedy(), logit_bias({1: 2.0}), banned([1])]


@pytest.mark.parametrize("one", every_filter(), ids=lambda one: one.__name__)
def test_a_row_is_filtered_as_if_it_were_alone(one) -> None:
    batch = logits().view(4, 16, 97)
    torch.testing.assert_close(one(batch)[2, 5], one(batch[2, 5]))


@pytest.mark.parametrize("one", every_filter(), ids=lambda one: one.__name__)
def test_a_token_cut_before_is_as_if_it_were_not_there(one) -> None:
    left, cut = logits() + 5, torch.full((64, 30), -math.inf)
    got = one(torch.cat([left, cut], dim=1))
    torch.testing.assert_close(got, torch.cat([one(left), cut], dim=1))


@pytest.mark.parametrize("n", [0.3, 1.0, 2.0])
def test_top_n_sigma_is_the_papers_whatever_the_temperature(n: float) -> None:
    for row in logits().double():
        values = row.tolist()
        mean = sum(values) / len(values)
        sigma = math.sqrt(sum((x - mean) ** 2 for x in values) / len(values))
        want = [x >= max(values) - n * sigma for x in values]
        assert top_n_sigma(n)(row).isfinite().tolist() == want
        assert apply([temperature(3.0), top_n_sigma(n)], row).isfinite().tolist() == want


def test_by_hand() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    kept = lambda one: one(p).isfinite().tolist()  # noqa: E731
    assert kept(top_k(2)) == [True, True, False, False]
    assert kept(top_p(0.6)) == [True, True, False, False]
    assert kept(top_p(0.05)) == [True, False, False, False]
    assert kept(min_p(0.5)) == [True, True, True, False]
    assert kept(greedy()) == [True, False, False, False]
    # H = 1.28 nats; the tokens' surprises are 0.92, 1.20, 1.61 and 2.30.
    assert kept(typical(0.2)) == [False, True, False, False]
    assert kept(typical(0.4)) == [False, True, True, False]
    assert kept(typical(0.6)) == [True, True, True, False]
    torch.testing.assert_close(temperature(0.5)(p).softmax(-1), torch.tensor([0.16, 0.09, 0.04, 0.01]) / 0.3)


def test_order_matters() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    hot_first = apply([temperature(4.0), top_p(0.6)], p).isfinite().sum()
    cut_first = apply([top_p(0.6), temperature(4.0)], p).isfinite().sum()
    assert (hot_first, cut_first) == (3, 2)


def test_filters_do_not_change_their_input() -> None:
    before = logits()
    for one in every_filter():
        given = before.clone()
        one(given)
        assert torch.equal(given, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: temperature(0), "temperature must be positive.*got 0.*greedy"),
        (lambda: temperature(math.inf), "temperature must be positive and finite; got inf"),
        (lambda: top_k(0), "at least 1; got 0"),
        (lambda: top_p(0), r"probability in \(0, 1\]; got 0"),
        (lambda: top_p(1.1), "got 1.1"),
        (lambda: min_p(-0.1), r"ratio in \[0, 1\]; got -0.1"),
        (lambda: typical(0), r"probability in \(0, 1\]; got 0"),
        (lambda: top_n_sigma(0), "positive number of standard deviations; got 0"),
        (lambda: logit_bias({3: math.nan}), "must be a finite number.*got {3: nan}"),
        (lambda: logit_bias({3: math.inf}), "must be a finite number"),
        (lambda: logit_bias({97: 1.0})(logits()), r"must be from 0 to 96; got \[97\]"),
        (lambda: banned([-1])(logits()), r"must be from 0 to 96; got \[-1\]"),
    ],
)
def test_bad_parameters_are_refused_at_once(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("one", [top_p(1.0), typical(1.0)], ids=lambda one: one.__name__)
def test_a_mass_of_one_keeps_all(one) -> None:
    wide = 3 * torch.randn(4, 50_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one(wide), wide)


def test_no_bias_changes_nothing() -> None:
    assert torch.equal(logit_bias({})(logits()), logits())


def test_top_k_takes_numpys_integers() -> None:
    assert torch.equal(top_k(np.int64(3))(logits()), top_k(3)(logits()))
