"""The model against oracles: Hugging Face's GPT-2, itself with a cache, itself with taps watched."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from tiny_models import SHAPE, VARIANTS, scrambled, tokens

from tinygpt.interp import capture
from tinygpt.models import (
    GPT,
    GPTConfig,
    KVCache,
    attention,
    cost,
    from_hf_gpt2,
    gpt2_shape,
    kv_bytes,
    step_cost,
    taps,
)
from tinygpt.sampling.passes import last_logits


@pytest.mark.parametrize("activation", ["gelu_new", "gelu"])
@pytest.mark.parametrize("n_inner", [None, 48])
def test_gpt2_weights_give_hugging_faces_logits(activation: str, n_inner: int | None) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=61,
            n_positions=24,
            n_embd=32,
            n_layer=3,
            n_head=4,
            n_inner=n_inner,
            activation_function=activation,
        )
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ids = torch.randint(61, (2, 24))
    torch.testing.assert_close(from_hf_gpt2(theirs)(ids), theirs(ids).logits, atol=1e-5, rtol=1e-5)


def test_from_hf_gpt2_refuses_what_it_cannot_represent() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1, activation_function="relu")
    with pytest.raises(ValueError, match=r"activation must be one of .*got 'relu'"):
        from_hf_gpt2(transformers.GPT2LMHeadModel(config))
    config = transformers.GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1, layer_norm_epsilon=1e-3)
    with pytest.raises(ValueError, match=r"layer_norm_epsilon must be 1e-5; got 0.001"):
        from_hf_gpt2(transformers.GPT2LMHeadModel(config))


def test_a_gpt2_with_a_head_of_its_own_keeps_its_embedding() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=1, tie_word_embeddings=False)
    theirs, ids = transformers.GPT2LMHeadModel(config).eval(), torch.arange(11)[None]
    torch.testing.assert_close(from_hf_gpt2(theirs)(ids), theirs(ids).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_cached_equals_uncached(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)
    cache = KVCache(config, batch_size=2, length=12)
    parts = [model(part, cache) for part in ids.split([5, 1, 3, 1, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), atol=2e-5, rtol=1e-4)
    assert cache.used == 12


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_rows_that_begin_later_are_read_as_if_alone(config: GPTConfig) -> None:
    model, ids, first = scrambled(config), tokens(config, batch=3), torch.tensor([0, 5, 2])
    cache = KVCache(config, batch_size=3, length=12, first=first)
    logits = torch.cat([model(part, cache) for part in ids.split([7, 1, 3, 1], dim=1)], dim=1)
    for row, start in enumerate(first):
        alone = model(ids[row : row + 1, start:])
        torch.testing.assert_close(logits[row : row + 1, start:], alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("watched", ["*.pattern", "*.scores"])
def test_padding_is_no_trap_while_somebody_watches(watched: str) -> None:
    config, first = GPTConfig(**SHAPE), torch.tensor([0, 5, 2])
    model, ids = scrambled(config), tokens(config, batch=3)
    plain = model(ids, KVCache(config, batch_size=3, length=12, first=first))
    with capture(model, watched):
        seen = model(ids, KVCache(config, batch_size=3, length=12, first=first))
    for row, start in enumerate(first):
        torch.testing.assert_close(seen[row, start:], plain[row, start:], atol=2e-5, rtol=1e-4)


def test_a_cache_goes_on_with_the_rows_that_were_selected() -> None:
    config = GPTConfig(**SHAPE, position="learned")
    model, ids, first = scrambled(config), tokens(config, batch=3), torch.tensor([0, 5, 2])
    cache, rows = KVCache(config, batch_size=3, length=12, first=first), torch.tensor([2, 0, 2, 1])
    model(ids[:, :8], cache)
    cache.select(rows)
    logits = model(ids[rows, 8:], cache)
    for i, row in enumerate(rows):
        alone = model(ids[row : row + 1, first[row] :])
        torch.testing.assert_close(logits[i], alone[0, -4:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_watching_changes_nothing_and_rows_sum_to_one(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)
    plain = model(ids)
    with capture(model, "blocks.*.attn.*") as seen:
        watched = model(ids)
    torch.testing.assert_close(watched, plain, atol=2e-5, rtol=1e-4)
    pattern, scores = seen["blocks.1.attn.pattern"], seen["blocks.1.attn.scores"]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 12))
    away = torch.arange(12)[:, None] - torch.arange(12)
    hidden = (away < 0) | (away >= (config.window or 12))
    assert (pattern[..., hidden] == 0).all()
    torch.testing.assert_close(scores.masked_fill(hidden, -torch.inf).softmax(-1), pattern)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_the_future_cannot_be_seen(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)
    changed = ids.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % config.vocab_size
    assert torch.equal(model(ids)[:, :7], model(changed)[:, :7])
    assert not torch.allclose(model(ids)[:, 7:], model(changed)[:, 7:])


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_batched_products_in_bf16_agree_with_the_fused_kernel(config: GPTConfig) -> None:
    model, ids = scrambled(config), tokens(config)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(ids).float()
    difference = (low - model(ids)).norm() / model(ids).norm()
    assert difference < 0.03


def test_without_positions_only_the_set_of_earlier_tokens_counts() -> None:
    config = GPTConfig(**SHAPE | {"n_layers": 1}, position="none")
    model, ids = scrambled(config), tokens(config)
    shuffled = ids.clone()
    shuffled[:, :5] = ids[:, [3, 0, 4, 1, 2]]
    torch.testing.assert_close(model(ids)[:, 5:], model(shuffled)[:, 5:], atol=1e-5, rtol=1e-4)
    roped = scrambled(dataclasses.replace(config, position="rope"))
    assert not torch.allclose(roped(ids)[:, 5:], roped(shuffled)[:, 5:], atol=1e-3)


def test_grouped_queries_are_full_attention_with_repeated_heads() -> None:
    config = GPTConfig(**SHAPE, n_kv_heads=2)
    grouped, full = scrambled(config), GPT(dataclasses.replace(config, n_kv_heads=None)).eval()
    state = grouped.state_dict()
    for layer, name in itertools.product(range(2), "kv"):
        key = f"blocks.{layer}.attn.{name}.weight"
        state[key] = state[key].view(2, 8, 32).repeat_interleave(2, dim=0).reshape(32, 32)
    full.load_state_dict(state)
    ids = tokens(config)
    torch.testing.assert_close(grouped(ids), full(ids), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("position", ["rope", "alibi", "none"])
def test_positions_that_can_go_beyond_the_context(position: str) -> None:
    config = GPTConfig(**SHAPE, position=position)
    assert GPT(config)(tokens(config, length=40)).isfinite().all()


def test_learned_positions_end_at_the_context() -> None:
    config = GPTConfig(**SHAPE, position="learned")
    with pytest.raises(ValueError, match="learned positions end at context=16; 17 tokens came"):
        GPT(config)(tokens(config, length=17))


def test_the_mask_is_made_only_for_a_kernel_that_needs_it(monkeypatch) -> None:
    config, made = GPTConfig(**SHAPE), []
    real = attention.attention_bias
    monkeypatch.setattr(attention, "attention_bias", lambda *a: made.append(a) or real(*a))
    model = GPT(config)
    model(tokens(config))
    assert not made
    with capture(model, "*.pattern"):
        model(tokens(config))
    assert len(made) == 1, "once for all layers"


def test_a_row_without_a_batch_is_explained() -> None:
    with pytest.raises(ValueError, match=r"B × T, got shape \(3,\).*tokens\[None\]"):
        GPT(GPTConfig(**SHAPE))(torch.tensor([1, 2, 3]))


def test_a_full_cache_is_explained() -> None:
    config = GPTConfig(**SHAPE)
    cache = KVCache(config, batch_size=2, length=4)
    with pytest.raises(ValueError, match=r"holds 4 tokens; 0 are in it and 12 more came.*length=12"):
        GPT(config)(tokens(config), cache)


def test_taps_add_nothing_to_the_state_dict() -> None:
    model = GPT(GPTConfig(**SHAPE))
    assert {"embedded", "normed", "blocks.0.attn.pattern", "blocks.1.residual"} <= set(taps(model))
    assert all(key.endswith(("weight", "bias")) for key in model.state_dict())


def test_the_seed_fixes_the_weights_and_leaves_the_global_generator_alone() -> None:
    config = GPTConfig(**SHAPE)
    before = torch.get_rng_state()
    first, second = GPT(config, seed=3), GPT(config, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(GPT(config, seed=4).embed.weight, first.embed.weight)


@pytest.mark.parametrize("config", [*VARIANTS, GPTConfig(**SHAPE, tied=False)], ids=str)
def test_cost_counts_every_parameter(config: GPTConfig) -> None:
    assert cost(config).n_parameters == GPT(config).n_parameters


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_cost_counts_the_flops_that_pytorch_counts(config: GPTConfig) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = GPT(config)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, capture(model, "*.pattern"):
        model(tokens(config, batch=1, length=config.context))
    assert counter.get_total_flops() == sum(cost(config).forward_flops.values())


def test_cost_of_memory() -> None:
    config = gpt2_shape()
    cache = KVCache(config, batch_size=1, length=8)
    assert cost(config).kv_bytes_per_token == cache.nbytes / 8
    assert cost(config).weight_bytes == 4 * 124_439_808


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@pytest.mark.parametrize(("n_before", "n_new", "batch"), [(0, 7, 1), (9, 1, 1), (9, 1, 3), (3, 4, 2)])
def test_cost_of_a_step_is_what_pytorch_counts_and_what_there_is_to_read(
    config: GPTConfig, n_before: int, n_new: int, batch: int
) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, ids = GPT(config), tokens(config, batch, n_before + n_new)
    cache, paper = (
        KVCache(config, batch, 16),
        step_cost(config, n_new=n_new, n_before=n_before, batch_size=batch),
    )
    with torch.no_grad(), capture(model, "*.pattern"):
        if n_before:
            model(ids[:, :n_before], cache)
        with FlopCounterMode(display=False) as counter:
            last_logits(model, ids[:, n_before:], cache)
    assert counter.get_total_flops() == paper.flops
    table = model.embed.weight.numel() + (
        model.position.weight.numel() if config.position == "learned" else 0
    )
    rows = batch * n_new * config.d_model * (2 if config.position == "learned" else 1)
    head = 0 if not config.tied else model.head.weight.numel()
    assert paper.weight_bytes == 4 * (model.n_parameters - table + head + rows)
    seen = n_before if config.window is None else min(n_before, config.window - 1)
    whole = dataclasses.replace(config, window=None)
    assert paper.cache_bytes == KVCache(whole, batch, seen + n_new).nbytes
    assert paper.intensity == paper.flops / (paper.weight_bytes + paper.cache_bytes)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_formula_of_the_caches_memory(config: GPTConfig, dtype: torch.dtype) -> None:
    for length in (2, 13):
        want = kv_bytes(config, length, batch_size=3, bytes_per_number=dtype.itemsize)
        assert KVCache(config, 3, length, dtype=dtype).nbytes == want


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(d_model=130), "d_model must be divisible by n_heads; got 130 and 4. Try 128 or 132."),
        (dict(n_kv_heads=3), r"n_kv_heads must divide n_heads=4; got 3. Try one of \[1, 2, 4\]"),
        (dict(position="sine"), "position must be one of .*'rope'.*got 'sine'"),
        (dict(n_layers=0), "n_layers must be a positive integer; got 0"),
        (dict(d_ff=-1), "d_ff must be 0 .* or a positive integer; got -1"),
        (dict(d_ff=85.3), "d_ff must be 0 .* or a positive integer; got 85.3"),
        (dict(n_kv_heads=2.0), "n_kv_heads must be a positive integer; got 2.0"),
        (dict(window=0), "window must be a positive integer; got 0"),
        (dict(rope_base=0), "rope_base must be positive; got 0"),
        (dict(d_model=12), "must be even; got 3"),
    ],
)
def test_configs_that_cannot_be(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTConfig(**SHAPE | change)


def test_numpys_integers_are_integers() -> None:
    config = GPTConfig(**{name: np.int64(value) for name, value in SHAPE.items()}, n_kv_heads=np.int32(2))
    assert config == GPTConfig(**SHAPE, n_kv_heads=2)
    assert GPTConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_a_compiled_model_has_the_same_taps() -> None:
    model = GPT(GPTConfig(**SHAPE))
    assert taps(torch.compile(model, backend="eager")) == taps(model)


def test_paper_and_profiler_count_the_same_step_of_a_model_without_numbers() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = gpt2_shape()
    with torch.device("meta"):
        model, ids = GPT(config), torch.zeros(1, config.context, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            model(ids).sum().backward()
    assert abs(cost(config).train_flops_per_token * config.context / counter.get_total_flops() - 1) < 0.02
