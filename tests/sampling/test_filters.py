"""Filters: values worked by hand, Hugging Face's warpers on random logits, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tinygpt.sampling import apply, greedy, min_p, temperature, top_k, top_p


def logits(seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(64, 97, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("value", [0.1, 0.7, 1.0, 2.5])
def test_against_hugging_face(value: float) -> None:
    hf = pytest.importorskip("transformers.generation.logits_process")
    pairs = [(temperature(value), hf.TemperatureLogitsWarper(value))]
    pairs += [(top_k(int(10 * value)), hf.TopKLogitsWarper(int(10 * value)))]
    if value < 1:
        pairs += [(top_p(value), hf.TopPLogitsWarper(value)), (min_p(value), hf.MinPLogitsWarper(value))]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours(logits()), theirs(None, logits()))


def test_by_hand() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    kept = lambda one: one(p).isfinite().tolist()  # noqa: E731
    assert kept(top_k(2)) == [True, True, False, False]
    assert kept(top_p(0.6)) == [True, True, False, False]
    assert kept(top_p(0.05)) == [True, False, False, False]
    assert kept(min_p(0.5)) == [True, True, True, False]
    assert kept(greedy()) == [True, False, False, False]
    torch.testing.assert_close(temperature(0.5)(p).softmax(-1), torch.tensor([0.16, 0.09, 0.04, 0.01]) / 0.3)


def test_order_matters() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    hot_first = apply([temperature(4.0), top_p(0.6)], p).isfinite().sum()
    cut_first = apply([top_p(0.6), temperature(4.0)], p).isfinite().sum()
    assert (hot_first, cut_first) == (3, 2)


def test_filters_do_not_change_their_input() -> None:
    before = logits()
    for one in (temperature(0.5), greedy(), top_k(3), top_p(0.5), min_p(0.1)):
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
    ],
)
def test_bad_parameters_are_refused_at_once(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_top_p_of_one_keeps_all() -> None:
    wide = 3 * torch.randn(4, 50_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(top_p(1.0)(wide), wide)


def test_top_k_takes_numpys_integers() -> None:
    assert torch.equal(top_k(np.int64(3))(logits()), top_k(3)(logits()))
