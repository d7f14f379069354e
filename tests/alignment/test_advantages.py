"""Advantages against their definitions, summed term by term."""

from __future__ import annotations

import pytest
import torch

from tinygpt.alignment import gae, group_advantages, whiten


def rows(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rewards, values and counted places: prompts and answers of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(2, 4, 9, generator=generator)
    places = torch.arange(9)
    first, end = torch.tensor([[0], [3], [2], [5]]), torch.tensor([[9], [7], [9], [6]])
    return rewards, values, (places >= first) & (places < end)


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.7, 0.0)])
def test_gae_is_the_sum_of_discounted_surprises(gamma: float, lam: float) -> None:
    rewards, values, counted = rows()
    found = gae(rewards, values, counted, gamma=gamma, lam=lam)
    for b in range(4):
        r, v = rewards[b][counted[b]], [*values[b][counted[b]], 0.0]
        surprises = [r[t] + gamma * v[t + 1] - v[t] for t in range(len(r))]
        expected = [
            sum((gamma * lam) ** (later - t) * surprises[later] for later in range(t, len(r)))
            for t in range(len(r))
        ]
        torch.testing.assert_close(found[b][counted[b]], torch.stack(expected))
        assert not found[b][~counted[b]].any()


def test_with_lambda_1_the_advantage_is_what_came_less_what_was_expected() -> None:
    rewards, values, counted = rows(1)
    still = (rewards * counted).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(gae(rewards, values, counted, lam=1.0), (still - values) * counted)


def test_what_is_not_counted_has_no_say() -> None:
    rewards, values, counted = rows(2)
    noise = torch.randn(4, 9).masked_fill(counted, 0.0)
    expected = gae(rewards, values, counted)
    torch.testing.assert_close(gae(rewards + noise, values - noise, counted), expected)


def test_perfect_values_leave_nothing_to_learn() -> None:
    rewards, _, counted = rows(3)
    still = (rewards * counted).flip(1).cumsum(1).flip(1)
    assert gae(rewards, still, counted, lam=0.3).abs().max() < 1e-5


def test_whitened_values_have_mean_0_and_deviation_1_where_they_count() -> None:
    _, values, counted = rows(4)
    white = whiten(5 * values + 3, counted)
    assert white[counted].mean().abs() < 1e-6 and abs(white[counted].std() - 1) < 1e-5
    assert not white[~counted].any()
    with pytest.raises(ValueError, match="at least 2 counted places; got 1"):
        whiten(torch.ones(1, 2), torch.tensor([[True, False]]))


def test_group_advantages_by_hand() -> None:
    rewards = torch.tensor([1.0, 0.0, 0.0, 3.0, 5.0, 7.0])
    better = torch.tensor([2 / 3, -1 / 3, -1 / 3, -2.0, 0.0, 2.0])
    torch.testing.assert_close(group_advantages(rewards, 3, std=False), better)
    deviations = torch.tensor([(1 / 3) ** 0.5] * 3 + [2.0] * 3)
    torch.testing.assert_close(group_advantages(rewards, 3), better / (deviations + 1e-4))


def test_a_group_that_is_all_alike_teaches_nothing() -> None:
    found = group_advantages(torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 1.0]), 3)
    assert found[:3].tolist() == [0, 0, 0] and found[3:].abs().min() > 0.1


@pytest.mark.parametrize(("n", "group"), [(6, 4), (6, 1), (2, 4)])
def test_broken_groups_are_explained(n: int, group: int) -> None:
    with pytest.raises(ValueError, match=f"{n} rewards are no whole groups of {group}"):
        group_advantages(torch.zeros(n), group)
