"""A cache of fixed shape: the model with it is the model without one, whatever each row has read."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.interp import capture
from tinygpt.models import EncoderDecoder, GPTConfig, KVCache, StaticCache


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@torch.no_grad()
def test_cached_equals_uncached_and_no_shape_changes(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)
    cache = StaticCache(config, batch_size=2, length=15)
    held, parts = [(part, part.data_ptr()) for part in (*cache.keys, *cache.values)], []
    for part in ids.split([5, 1, 3, 1, 2], dim=1):
        with capture(model, "*.attn.pattern") as seen:
            parts.append(model(part, cache))
        assert seen["blocks.0.attn.pattern"].shape == (2, 4, part.shape[1], 15)
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), atol=2e-5, rtol=1e-4)
    assert cache.used.tolist() == [12, 12]
    assert held == [(part, part.data_ptr()) for part in (*cache.keys, *cache.values)]


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@torch.no_grad()
def test_rows_go_on_each_from_its_own_place(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config, batch=3)
    cache, begun = StaticCache(config, 3, 16), [7, 2, 4]
    model(ids[:, :7], cache)
    cache.used.copy_(torch.tensor(begun))  # what a shorter row was filled up with is overwritten
    for i in range(5):
        new = torch.stack([row[n + i] for row, n in zip(ids, begun, strict=True)])
        logits = model(new[:, None], cache)
        for row, n in enumerate(begun):
            alone = model(ids[row : row + 1, : n + i + 1])[:, -1]
            torch.testing.assert_close(logits[row : row + 1, 0], alone, atol=3e-5, rtol=1e-4)


@torch.no_grad()
def test_it_forgets_goes_back_and_drops_rows() -> None:
    config = GPTConfig(**SHAPE)
    model, ids, cache = scrambled(config), tokens(config, batch=3), StaticCache(config, 3, 16)
    model(ids, cache)
    cache.reset()
    torch.testing.assert_close(model(ids, cache), model(ids), atol=2e-5, rtol=1e-4)
    cache.rewind(5)
    cache.select(torch.tensor([2, 0]))
    torch.testing.assert_close(model(ids[[2, 0], 5:], cache), model(ids[[2, 0]])[:, 5:], atol=2e-5, rtol=1e-4)
    assert cache.nbytes == KVCache(config, 2, 16).nbytes


@torch.no_grad()
def test_cross_attention_remembers_its_source() -> None:
    model = scrambled(GPTConfig(**SHAPE), kind=EncoderDecoder)
    source, ids = tokens(model.config, length=9), tokens(model.config, length=8)
    cache = StaticCache(model.config, 2, 8)
    parts = [model(source, part, cache=cache) for part in ids.split([3, 1, 4], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(source, ids), atol=2e-5, rtol=1e-4)


def test_rows_that_do_not_fit_are_refused() -> None:
    config = GPTConfig(**SHAPE)
    model, cache = scrambled(config), StaticCache(config, 2, 8)
    with pytest.raises(ValueError, match="rows of 8 tokens; one would have 12"):
        model(tokens(config), cache)
    with pytest.raises(ValueError, match="the cache is for 2 sequences; got 3"):
        model(tokens(config, batch=3, length=2), cache)
