"""The snapshot for batches against the model that it was taken of."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.models import GPT, GPTConfig, KVCache
from tinygpt.sampling.stepper import Stepper

SNAPPED = [config for config in VARIANTS if config.norm_first]


@pytest.mark.parametrize("first", [None, torch.tensor([0, 4, 1])], ids=["together", "one after another"])
@pytest.mark.parametrize("config", SNAPPED, ids=str)
def test_it_goes_on_where_the_model_stopped(config: GPTConfig, first: torch.Tensor | None) -> None:
    model, ids = scrambled(config).requires_grad_(False), tokens(config, batch=3)
    theirs, ours = (KVCache(config, batch_size=3, length=12, first=first) for _ in range(2))
    model(ids[:, :6], theirs), model(ids[:, :6], ours)
    snapshot = Stepper(model, length=12)
    for t in range(6, 12):
        logits = snapshot.read(ids[:, t], ours)
        torch.testing.assert_close(logits, model(ids[:, t, None], theirs)[:, 0], atol=3e-5, rtol=1e-4)
    assert ours.used == 12
    torch.testing.assert_close(ours.keys, theirs.keys, atol=2e-5, rtol=1e-4)


def test_rows_can_be_dropped_and_the_model_can_take_over() -> None:
    config = GPTConfig(**SHAPE)
    model, ids = scrambled(config).requires_grad_(False), tokens(config, batch=3)
    cache, rows = KVCache(config, batch_size=3, length=12), torch.tensor([2, 0])
    model(ids[:, :6], cache)
    snapshot = Stepper(model, length=12)
    snapshot.read(ids[:, 6], cache)
    cache.select(rows)
    snapshot.read(ids[rows, 7], cache)
    torch.testing.assert_close(model(ids[rows, 8:], cache), model(ids[rows])[:, 8:], atol=3e-5, rtol=1e-4)


def test_training_the_model_does_not_change_the_snapshot() -> None:
    config = GPTConfig(**SHAPE, position="learned", norm="layernorm", bias=True)
    model, ids = scrambled(config).requires_grad_(False), tokens(config)
    snapshot, cache = Stepper(model, length=12), KVCache(config, batch_size=2, length=12)
    before, generator = snapshot.read(ids[:, 0], cache), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.normal_(generator=generator)
    cache.used = 0
    torch.testing.assert_close(snapshot.read(ids[:, 0], cache), before)


def test_a_post_norm_model_is_refused() -> None:
    with pytest.raises(ValueError, match="post-norm"):
        Stepper(GPT(GPTConfig(**SHAPE, norm_first=False)), length=4)
