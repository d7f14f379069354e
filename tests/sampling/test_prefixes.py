"""Prompts that begin alike: the same text, less to read, and never more kept than allowed."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.interp import edit, zero_head
from tinygpt.models import EncoderDecoder, GPTConfig, kv_bytes
from tinygpt.sampling import PromptCache, Request, fast, generate, greedy, serve, temperature

PROMPTS = [[1, 2, 3, 4, 5], [1, 2, 3, 9], [1, 2, 3, 4, 5, 6, 7], [8], [1, 2, 3, 4], [8, 1, 2]]


def texts(model, prompts: list, **options) -> list[list[int]]:
    return [
        generate(model, one, max_new_tokens=9, seed=i, **options).tolist() for i, one in enumerate(prompts)
    ]


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_the_text_is_the_same(config: GPTConfig) -> None:
    model, cache = scrambled(config), PromptCache(scrambled(config))
    with pytest.raises(ValueError, match="prefixes were read by another model"):
        generate(model, [1], prefixes=cache)
    cache, options = PromptCache(model, max_tokens=12), {"filters": [temperature(2.0)]}
    want = texts(model, PROMPTS, **options)
    for _ in range(2):
        assert texts(model, PROMPTS, prefixes=cache, **options) == want
    batch = generate(model, PROMPTS, max_new_tokens=9, filters=[greedy()], prefixes=cache)
    plain = generate(model, PROMPTS, max_new_tokens=9, filters=[greedy()])
    assert [row.tolist() for row in batch] == [row.tolist() for row in plain]
    requests = [Request(one, 9, seed=i, **options) for i, one in enumerate(PROMPTS)]
    served = {one.request: one.ids.tolist() for one in serve(model, requests, n_slots=2, prefixes=cache)}
    assert [served[i] for i in range(6)] == want
    assert cache.tokens_reused > 0


def test_of_a_prompt_only_what_is_new_is_read() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    # The last token is read in the first step: of [8] nothing comes before it.
    cache, want = PromptCache(model), [(4, 0, 0), (4, 3, 1), (6, 7, 2), (6, 7, 2), (6, 10, 3), (8, 10, 3)]
    for prompt, (read, reused, hits) in zip(PROMPTS, want, strict=True):
        generate(model, prompt, max_new_tokens=1, prefixes=cache)
        assert (cache.tokens_read, cache.tokens_reused, cache.hits) == (read, reused, hits), prompt


def test_a_longer_prompt_takes_the_place_of_its_beginning() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    cache = PromptCache(model)
    for n, kept in ((3, 3), (9, 9), (5, 9)):
        cache.read(torch.arange(n))
        assert cache.n_tokens == kept
    assert cache.nbytes == kv_bytes(model.config, 9)
    cache.clear()
    assert cache.n_tokens == cache.nbytes == 0


def test_what_was_used_longest_ago_goes_first() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    cache = PromptCache(model, max_tokens=10)
    a, b, c = (torch.full((4,), i) for i in range(3))
    cache.read(a), cache.read(b), cache.read(a), cache.read(c)
    assert cache.n_tokens == 8
    before = cache.tokens_read
    cache.read(a), cache.read(c)
    assert cache.tokens_read == before
    cache.read(b)
    assert cache.tokens_read == before + 4
    cache.read(torch.arange(11))
    assert cache.n_tokens == 0, "more than may be kept"


def test_training_on_empties_it() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    cache = PromptCache(model)
    generate(model, PROMPTS[0], max_new_tokens=1, prefixes=cache)
    with torch.no_grad():
        model.blocks[0].attn.k.weight.mul_(2)
    want = generate(model, PROMPTS[2], max_new_tokens=9, filters=[greedy()])
    assert torch.equal(
        generate(model, PROMPTS[2], max_new_tokens=9, filters=[greedy()], prefixes=cache), want
    )
    assert cache.tokens_reused == 0


def test_a_kept_prompt_is_not_overwritten_by_the_text_after_it() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    cache, ids = PromptCache(model), tokens(model.config, batch=1)[0]
    before = [part.clone() for part in cache.read(ids[:-1]).keys]
    generate(model, ids, max_new_tokens=20, filters=[greedy()], prefixes=cache)
    after = cache.read(ids[:-1]).keys
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_what_cannot_be_kept_is_refused() -> None:
    model = scrambled(GPTConfig(**SHAPE))
    with pytest.raises(ValueError, match="prompts are kept of a GPT; got a FastModel"):
        PromptCache(fast(model))
    with pytest.raises(ValueError, match="got a Given"):
        PromptCache(scrambled(model.config, kind=EncoderDecoder).given(tokens(model.config)))
    with pytest.raises(ValueError, match="max_tokens must be 1 or more; got 0"):
        PromptCache(model, max_tokens=0)
    with (
        edit(model, {"blocks.0.attn.heads": zero_head(0)}),
        pytest.raises(ValueError, match=r"watches or edits.*Leave out prefixes"),
    ):
        generate(model, [1, 2], prefixes=PromptCache(model))
