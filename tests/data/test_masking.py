"""Blanks: how many, of which kind, and that nothing else is asked or changed."""

from __future__ import annotations

import pytest
import torch

from tinygpt.data import Stream, masked

ROWS = torch.arange(200).repeat(500, 1)
STREAM = Stream(lambda i: (ROWS, ROWS))


def test_shares_are_those_of_bert() -> None:
    inputs, targets = masked(STREAM, mask_id=200, vocab_size=200)[0]
    chosen = targets != -100
    assert abs(chosen.float().mean() - 0.15) < 0.005
    assert torch.equal(targets[chosen], ROWS[chosen])
    assert torch.equal(inputs[~chosen], ROWS[~chosen])
    shares = [(inputs[chosen] == 200), (inputs[chosen] == ROWS[chosen])]
    assert [round(share.float().mean().item(), 1) for share in shares] == [0.8, 0.1]


def test_every_row_asks_for_something_and_batches_are_functions_of_their_number() -> None:
    stream = masked(STREAM, mask_id=200, vocab_size=200, rate=0.001, seed=3)
    assert ((stream[1][1] != -100).sum(1) >= 1).all()
    for one, again in zip(stream[1], masked(STREAM, 200, 200, 0.001, 3).skip(1)[0], strict=True):
        assert torch.equal(one, again)
    assert not torch.equal(stream[0][1], stream[1][1])
    assert not torch.equal(stream[0][1], masked(STREAM, 200, 200, 0.001, seed=4)[0][1])


@pytest.mark.parametrize("rate", [0.0, 1.0, 15])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be a share between 0 and 1; got"):
        masked(STREAM, 200, 200, rate)
    with pytest.raises(ValueError, match="mask_id must be 0 or more"):
        masked(STREAM, -1, 200)
