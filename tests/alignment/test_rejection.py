"""Best of n: the best are picked, rejected answers are left out, winners teach."""

from __future__ import annotations

import pytest
import tiny_digits as digits
import torch

from tinygpt.alignment import best_of, best_of_kl, rejection_batches, roll_out
from tinygpt.training import fit, next_token_loss


def test_the_best_of_each_group_is_kept_and_of_equal_ones_the_first() -> None:
    out = roll_out(digits.careless_model(), [[1], [2, 3]], group=3, max_new_tokens=4, seed=0)
    best, high = best_of(out, torch.tensor([0.5, 2.0, 2.0, -1.0, -3.0, -2.0]), 3)
    assert high.tolist() == [2.0, -1.0]
    assert best.completions() == [out.completions()[1], out.completions()[3]]
    for kept, part in zip(best, out, strict=True):
        torch.testing.assert_close(kept, part[[1, 3]])


@pytest.mark.parametrize(("n", "group"), [(5, 3), (6, 0), (6, 4), (3, 3)])
def test_broken_groups_are_explained(n: int, group: int) -> None:
    out = roll_out(digits.careless_model(), [[1], [2]], group=3, max_new_tokens=2, seed=0)
    with pytest.raises(ValueError, match=f"6 rollouts with {n} rewards are no whole groups of {group}"):
        best_of(out, torch.zeros(n), group)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_the_distance_of_the_best_of_n_is_the_integral(n: int) -> None:
    # The best of n draws has density n u^(n−1) over the ranks u of one draw.
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = n * u ** (n - 1)
    assert best_of_kl(n) == pytest.approx((density * density.log()).mean().item(), abs=1e-4)


def test_the_distance_of_the_best_of_none_is_explained() -> None:
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        best_of_kl(0)


def test_batches_hold_winners_and_nothing_below_the_bar() -> None:
    model, options = digits.careless_model(), dict(n=4, **digits.SAMPLING)
    inputs, _ = rejection_batches(model, digits.questions, digits.right, **options).make(0)
    assert len(inputs) == 8, "one for each task"
    for number in range(3):
        batches = rejection_batches(model, digits.questions, digits.right, at_least=1.0, **options)
        inputs, targets = batches.make(number)
        assert 0 < len(inputs) < 8
        for row, target in zip(inputs.tolist(), targets, strict=True):
            assert digits.tok.decode(target[target >= 0]) == digits.tok.decode(row[:1]) + "."


def test_a_bar_that_nothing_reaches_is_explained() -> None:
    batches = rejection_batches(
        digits.careless_model(), digits.questions, digits.right, at_least=2.0, **digits.SAMPLING
    )
    with pytest.raises(
        ValueError, match=r"of 20 lists of tasks no answer .* at_least=2\.0; the best got 1\.0"
    ):
        next(iter(batches))


@pytest.mark.parametrize("seed", [0, 1])
def test_learning_from_winners_lifts_the_reward(seed: int) -> None:
    model = digits.careless_model()
    assert digits.accuracy(model) < 0.4
    source = rejection_batches(
        model, digits.questions, digits.right, at_least=1.0, seed=seed, **digits.SAMPLING
    )
    fit(model, source, next_token_loss, steps=100, lr=3e-3, precision="fp32", progress=False)
    assert digits.accuracy(model) > 0.8
