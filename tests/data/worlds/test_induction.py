import math

import pytest
import torch

from tinygpt.data.worlds import repeat_nats, repeat_periods, repeats


def test_second_part_repeats_the_first_with_the_stated_period():
    inputs, targets = repeats(64, length=20, vocab_size=50, seed=2)[7]
    periods = repeat_periods(64, length=20, seed=2)[7]
    assert inputs.shape == targets.shape == (64, 20) and inputs.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert set(periods.tolist()) == set(range(5, 11))
    for row, last, p in zip(inputs, targets[:, -1:], periods.tolist(), strict=True):
        tokens = torch.cat([row, last])
        assert torch.equal(tokens[p:], tokens[:-p])


def test_batches_and_seeds_differ_and_repeat():
    a, b = repeats(8)[0][0], repeats(8)[1][0]
    assert not torch.equal(a, b) and not torch.equal(a, repeats(8, seed=1)[0][0])
    assert torch.equal(b, repeats(8).skip(1)[0][0])


def test_tokens_are_uniform():
    counts = torch.bincount(repeats(4000, vocab_size=8)[0][0][:, :8].flatten(), minlength=8)
    assert (counts / counts.sum() - 1 / 8).abs().max() < 0.01


def substituted(inputs, targets, t, vocab_size):
    """Every candidate for the target at t, after the inputs up to t."""
    rows = targets.repeat_interleave(vocab_size, 0)
    rows[:, t] = torch.arange(vocab_size).repeat(len(targets))
    return torch.cat([inputs[:, :1].repeat_interleave(vocab_size, 0), rows[:, :-1]], 1), rows


def test_predictive_probabilities_sum_to_one_at_every_place():
    inputs, targets = repeats(6, length=16, vocab_size=5)[0]
    for t in range(16):
        nats = repeat_nats(*substituted(inputs, targets, t, 5), vocab_size=5)[:, t]
        torch.testing.assert_close((-nats).exp().view(6, 5).sum(1), torch.ones(6).double())


def test_nats_add_up_to_the_joint_marginal():
    inputs, targets = repeats(50, length=12, vocab_size=3)[0]
    tokens = torch.cat([inputs[:, :1], targets], 1)
    for row, nats in zip(tokens, repeat_nats(inputs, targets, vocab_size=3), strict=True):
        fits = [p for p in range(3, 7) if torch.equal(row[p:], row[:-p])]
        joint = sum(3.0**-p for p in fits) / 4
        assert nats.sum().item() + math.log(3) == pytest.approx(-math.log(joint))


def test_floor_before_during_and_after_the_surprise():
    inputs, targets = repeats(256, length=32, vocab_size=32)[0]
    nats = repeat_nats(inputs, targets)
    torch.testing.assert_close(nats[:, :7], torch.full((256, 7), math.log(32)).double())
    periods = repeat_periods(256)[0]
    at_repeat = nats.gather(1, periods[:, None] - 1)[:, 0]
    # The longest period is expected by then: it is the only one left.
    assert (at_repeat[periods < 16] > 0.5).all() and (nats[:, -1] < 1e-3).all()


def test_an_impossible_sequence_has_no_probability():
    nats = repeat_nats(torch.tensor([[0, 0, 1, 1, 1, 1]]), torch.tensor([[0, 1, 1, 1, 1, 2]]), vocab_size=3)
    assert nats[0, -1] == math.inf and not nats.isnan().any()


def test_no_predictor_beats_the_floor_on_average():
    """Knowing the period is worth log(number of periods) at most."""
    inputs, targets = repeats(2000, length=16, vocab_size=16)[0]
    total = repeat_nats(inputs, targets, vocab_size=16).sum(1).mean().item()
    free = (repeat_periods(2000, length=16)[0].double().mean().item() - 1) * math.log(16)
    assert free < total < free + math.log(5)


@pytest.mark.parametrize(("length", "vocab_size"), [(3, 8), (8, 1)])
def test_sizes_too_small(length, vocab_size):
    with pytest.raises(ValueError, match="at least 4 and vocab_size at least 2"):
        repeats(1, length=length, vocab_size=vocab_size)
