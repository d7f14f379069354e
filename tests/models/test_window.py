"""A window: against Hugging Face's Mistral, against what may reach whom, and with a cache that forgets."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_models import SHAPE, WINDOWED, scrambled, tokens

from tinygpt.interp import capture
from tinygpt.models import GPT, Encoder, GPTConfig, KVCache
from tinygpt.sampling import Decoder, beam_search, fast, generate, greedy
from tinygpt.sampling.stepper import Stepper
from tinygpt.training import next_token_loss

LONG = [dataclasses.replace(config, context=64) for config in WINDOWED]


def reached(model: torch.nn.Module, ids: torch.Tensor) -> list[tuple[int, int]]:
    """The first and last position whose output changes with the token in the middle."""
    other, middle = ids.clone(), ids.shape[1] // 2
    other[:, middle] = (ids[:, middle] + 1) % model.config.vocab_size
    changed = (model(ids) != model(other)).any(-1).any(0).nonzero()[:, 0] - middle
    return [(int(changed[0]), int(changed[-1]))]


def test_it_is_mistrals() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    shape = dict(vocab_size=31, hidden_size=32, intermediate_size=40, num_hidden_layers=2)
    heads = dict(num_attention_heads=4, num_key_value_heads=2, sliding_window=5, rms_norm_eps=1e-5)
    theirs = transformers.MistralForCausalLM(
        transformers.MistralConfig(**shape, **heads, attn_implementation="eager")
    )
    state = {key.removeprefix("model."): value * 4 for key, value in theirs.state_dict().items()}
    theirs.load_state_dict({key: 4 * value for key, value in theirs.state_dict().items()})
    ours = GPT(GPTConfig(**SHAPE, n_kv_heads=2, d_ff=40, activation="swiglu", tied=False, window=5))
    names = [("embed_tokens", "embed"), ("layers", "blocks"), ("self_attn", "attn"), ("_proj", "")]
    names += [("attn.o", "attn.out"), ("input_layernorm", "attn_norm")]
    names += [("post_attention_layernorm", "mlp_norm"), ("lm_head", "head")]
    for old, new in names:
        state = {key.replace(old, new): value for key, value in state.items()}
    ours.load_state_dict(state)
    ids = tokens(ours.config, length=40)
    torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)
    ours.config = dataclasses.replace(ours.config, window=None)
    assert not torch.allclose(ours(ids), theirs(ids).logits, atol=1e-2)


@pytest.mark.parametrize("config", WINDOWED, ids=str)
def test_a_token_reaches_as_far_as_the_window_in_each_block(config: GPTConfig) -> None:
    for n in (1, 2):
        model = scrambled(dataclasses.replace(config, n_layers=n, context=64))
        assert reached(model, tokens(config, length=32)) == [(0, n * (config.window - 1))]


def test_an_encoder_sees_as_far_to_the_other_side() -> None:
    model = scrambled(GPTConfig(**SHAPE | {"n_layers": 1}, window=4), kind=Encoder)
    assert reached(model, tokens(model.config, length=15)) == [(-3, 3)]


@pytest.mark.parametrize("config", LONG, ids=str)
@pytest.mark.parametrize("parts", [[1] * 40, [30, 1, 1, 7, 1], [2, 1, 4, 3, 9, 1, 20], [40]], ids=str)
@torch.no_grad()
def test_a_cache_that_forgets_gives_the_same(config: GPTConfig, parts: list[int]) -> None:
    model, ids, first = scrambled(config), tokens(config, batch=3, length=40), torch.tensor([0, 11, 2])
    for begins in (None, first):
        cache = KVCache(config, batch_size=3, length=40, first=begins)
        logits = torch.cat([model(part, cache) for part in ids.split(parts, dim=1)], dim=1)
        for row, start in enumerate([0] * 3 if begins is None else first):
            alone = model(ids[row : row + 1, start:])
            torch.testing.assert_close(logits[row : row + 1, start:], alone, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("config", LONG, ids=str)
@torch.no_grad()
def test_rows_are_selected_after_something_was_forgotten(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config, batch=3, length=30)
    cache, rows = KVCache(config, 3, 30, first=torch.tensor([0, 9, 2])), torch.tensor([2, 1, 1])
    model(ids[:, :12], cache)
    cache.select(rows)
    alone = model(ids[2:, 2:])[:, 10:]
    torch.testing.assert_close(model(ids[rows, 12:], cache)[:1], alone, atol=3e-5, rtol=1e-4)


def test_the_cache_is_as_small_as_the_window() -> None:
    config = GPTConfig(**SHAPE, n_kv_heads=2, window=4)
    assert KVCache(config, 3, 64).nbytes == 2 * 2 * 3 * 2 * 4 * 8 * 4
    assert KVCache(config, 3, 2).nbytes == KVCache(config, 3, 64).nbytes / 2
    whole = dataclasses.replace(config, window=None)
    assert KVCache(whole, 3, 64).nbytes == 16 * KVCache(config, 3, 64).nbytes


@pytest.mark.parametrize("config", LONG, ids=str)
def test_snapshots_look_no_further(config: GPTConfig) -> None:
    model, ids = scrambled(config).requires_grad_(False), tokens(config, batch=3, length=30)
    decoder, stepper = Decoder(model), Stepper(model, length=30)
    cache = KVCache(config, 3, 30, first=torch.tensor([0, 2, 1]))
    model(ids[:, :9], cache), decoder.read(ids[0, :9])
    for t in range(9, 30):
        want = model(ids[:1, : t + 1])[:, -1]
        torch.testing.assert_close(decoder.read(ids[0, t : t + 1]), want, atol=3e-5, rtol=1e-4)
        stepped = stepper.read(ids[:, t], cache)
        torch.testing.assert_close(stepped[:1], want, atol=3e-5, rtol=1e-4)
        torch.testing.assert_close(stepped[1:2], model(ids[1:2, 2 : t + 1])[:, -1], atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("config", LONG, ids=str)
def test_text_goes_on_as_the_plain_model_says(config: GPTConfig) -> None:
    model, row = scrambled(config), torch.tensor([1, 2, 3])
    for _ in range(30):
        row = torch.cat([row, model(row[None])[0, -1].argmax()[None]])
    options = {"max_new_tokens": 30, "filters": [greedy()]}
    assert torch.equal(generate(model, [1, 2, 3], **options), row)
    assert torch.equal(generate(model, [[1, 2, 3], [5]], **options)[0], row)
    assert fast(model) is model
    assert torch.equal(beam_search(model, [1, 2, 3], n_beams=1, max_new_tokens=30).sequences[0], row)


def test_with_a_cache_the_pattern_is_of_what_is_kept() -> None:
    config = GPTConfig(**SHAPE, window=4)
    model, ids, cache = scrambled(config), tokens(config), KVCache(config, 2, 12)
    with torch.no_grad(), capture(model, "*.pattern") as seen:
        model(ids)
    whole = seen["blocks.1.attn.pattern"]
    with torch.no_grad(), capture(model, "*.pattern") as seen:
        model(ids[:, :10], cache), model(ids[:, 10:], cache)
    torch.testing.assert_close(seen["blocks.1.attn.pattern"], whole[:, :, 10:, 7:])


def test_it_can_be_trained() -> None:
    model = GPT(GPTConfig(**SHAPE, window=4), seed=0)
    ids = tokens(model.config, batch=8, length=16)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(40):
        losses.append(next_token_loss(model, (ids[:, :-1], ids[:, 1:])))
        optimizer.zero_grad(), losses[-1].backward(), optimizer.step()
    assert losses[-1] < losses[0] / 2
