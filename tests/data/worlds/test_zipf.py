import math
from itertools import product

import pytest
import torch

from tinygpt.data.worlds import ALMANAC_VOCAB_SIZE, almanac, almanac_entropy, almanac_nats

EVERYTHING = torch.tensor([(a, b, 64 + o) for a, b, o in product(range(64), range(64), range(32))])


def test_rows_are_a_start_two_names_and_an_answer():
    inputs, targets = almanac(500, seed=3)[2]
    assert inputs.dtype == targets.dtype == torch.int64 and inputs.shape == targets.shape == (500, 3)
    assert (inputs[:, 0] == ALMANAC_VOCAB_SIZE - 1).all() and torch.equal(inputs[:, 1:], targets[:, :2])
    assert targets[:, :2].max() < 64 <= targets[:, 2].min() and targets.max() < 96


def test_batches_are_functions_of_seed_and_number_and_the_facts_of_neither():
    assert torch.equal(almanac(9, seed=1)[5][1], almanac(9, seed=1).skip(5)[0][1])
    assert not torch.equal(almanac(9, seed=1)[5][1], almanac(9, seed=2)[5][1])


def test_conditional_probabilities_sum_to_one():
    p = (-almanac_nats(EVERYTHING)).exp().view(64, 64, 32, 3)
    torch.testing.assert_close(p[:, 0, 0, 0].sum(), torch.tensor(1.0).double())
    torch.testing.assert_close(p[:, :, 0, 1].sum(1), torch.ones(64).double())
    torch.testing.assert_close(p[..., 2].sum(2), torch.ones(64, 64).double())


def test_entropy_is_the_mean_of_the_nats():
    nats = almanac_nats(EVERYTHING).sum(1)
    assert ((-nats).exp() * nats).sum().item() / 3 == pytest.approx(almanac_entropy())
    assert almanac_entropy() == pytest.approx(1.578, abs=5e-4)


def test_samples_follow_the_probabilities():
    _, targets = almanac(200_000)[0]
    nats = almanac_nats(targets)
    assert nats.mean().item() == pytest.approx(almanac_entropy(), abs=0.01)
    true = nats[:, 2] < 1
    assert true.double().mean().item() == pytest.approx(0.9 + 0.1 / 32, abs=0.003)
    names = torch.bincount(targets[:, 0], minlength=64) / len(targets)
    p = (-almanac_nats(EVERYTHING[:: 64 * 32])[:, 0]).exp()
    assert (names - p).abs().max() < 0.005


def test_questions_follow_zipf():
    nats = almanac_nats(EVERYTHING[::32])[:, :2].sum(1).sort().values
    assert (nats[999] - nats[9]).item() == pytest.approx(1.3 * math.log(100))
