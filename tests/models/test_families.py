"""Encoder and encoder-decoder against PyTorch's own transformer, and against themselves with a cache."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from pathlib import Path

import pytest
import torch
from tiny_models import SHAPE, scrambled, tokens
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tinygpt.interp import capture
from tinygpt.models import GPT, Encoder, EncoderDecoder, GPTConfig, KVCache, cost, taps
from tinygpt.sampling import generate, greedy
from tinygpt.training import load, next_token_loss, save

ORIGINAL = GPTConfig(**SHAPE, position="learned", norm="layernorm", bias=True, activation="relu", d_ff=48)
ORDERS = {"pre-norm": ORIGINAL, "post-norm": dataclasses.replace(ORIGINAL, norm_first=False)}
POSITIONS = ("learned", "rope", "alibi", "none")
PADDING = torch.arange(12) >= torch.tensor([[12], [7]])  # the second row has 7 tokens


def pytorchs(model: EncoderDecoder) -> nn.Transformer:
    """`torch.nn.Transformer` with the weights of an encoder-decoder."""
    c = model.config
    theirs = nn.Transformer(
        c.d_model,
        c.n_heads,
        c.n_layers,
        c.n_layers,
        c.ff_width,
        dropout=0.0,
        batch_first=True,
        norm_first=c.norm_first,
    ).eval()
    state: dict[str, Tensor] = {}
    for half, kind in itertools.product(("encoder", "decoder"), ("weight", "bias")):
        part = getattr(model, half)
        state[f"{half}.norm.{kind}"] = getattr(part.norm, kind)
        for i, block in enumerate(part.blocks):
            cross = [("multihead_attn", block.cross)] if half == "decoder" else []
            for name, attention in [("self_attn", block.attn), *cross]:
                joined = [getattr(linear, kind) for linear in (attention.q, attention.k, attention.v)]
                state[f"{half}.layers.{i}.{name}.in_proj_{kind}"] = torch.cat(joined)
                state[f"{half}.layers.{i}.{name}.out_proj.{kind}"] = getattr(attention.out, kind)
            norms = [block.attn_norm, *([block.cross_norm] if cross else []), block.mlp_norm]
            for n, norm in enumerate(norms, start=1):
                state[f"{half}.layers.{i}.norm{n}.{kind}"] = getattr(norm, kind)
            state[f"{half}.layers.{i}.linear1.{kind}"] = getattr(block.mlp.up, kind)
            state[f"{half}.layers.{i}.linear2.{kind}"] = getattr(block.mlp.down, kind)
    theirs.load_state_dict(state, strict=True)
    return theirs


def embedded(model: EncoderDecoder, ids: Tensor) -> Tensor:
    return model.embed(ids) + model.position.weight[: ids.shape[1]]


@pytest.mark.parametrize("order", ORDERS)
def test_an_encoder_decoder_is_pytorchs_transformer(order: str) -> None:
    model = scrambled(ORDERS[order], kind=EncoderDecoder)
    source, target = tokens(model.config, length=12), tokens(model.config, length=9)
    theirs = pytorchs(model)(
        embedded(model, source),
        embedded(model, target),
        tgt_mask=torch.ones(9, 9, dtype=torch.bool).triu(1),
        src_key_padding_mask=PADDING,
        memory_key_padding_mask=PADDING,
    )
    ours = model(source, target, PADDING, unembed=False)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(ours, model(source, target, unembed=False), atol=1e-3), "padding must count"


@pytest.mark.parametrize("order", ORDERS)
def test_an_encoder_is_pytorchs_encoder(order: str) -> None:
    both = scrambled(ORDERS[order], kind=EncoderDecoder)
    model = Encoder(both.config)
    kept = {k.removeprefix("encoder."): v for k, v in both.state_dict().items() if "decoder" not in k}
    model.load_state_dict(kept, strict=True)
    ids = tokens(model.config)
    theirs = pytorchs(both).encoder(embedded(both, ids), src_key_padding_mask=PADDING)
    ours = model(ids, PADDING, unembed=False)
    torch.testing.assert_close(ours[~PADDING], theirs[~PADDING], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_an_encoder_sees_both_sides_but_no_padding(position: str) -> None:
    config = GPTConfig(**SHAPE, position=position, n_kv_heads=2)
    model, ids = scrambled(config, kind=Encoder), tokens(config)
    changed = ids.clone()
    changed[:, -1] += 1
    changed %= config.vocab_size
    assert not torch.allclose(model(ids)[:, 0], model(changed)[:, 0])
    assert torch.equal(model(ids, PADDING)[1, :7], model(changed, PADDING)[1, :7])
    short = model(ids[1:, :7])
    torch.testing.assert_close(model(ids, PADDING)[1:, :7], short, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("norm_first", [True, False])
def test_cross_attention_with_a_cache_equals_without(position: str, norm_first: bool) -> None:
    config = GPTConfig(**SHAPE, position=position, norm_first=norm_first, n_kv_heads=2)
    model, source, ids = scrambled(config, kind=EncoderDecoder), tokens(config), tokens(config, length=9)
    cache = KVCache(config, batch_size=2, length=9)
    parts = [model(source, part, PADDING, cache) for part in ids.split([4, 1, 3, 1], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), model(source, ids, PADDING), atol=2e-5, rtol=1e-4)


def test_the_source_is_encoded_once_per_cache() -> None:
    config = GPTConfig(**SHAPE)
    model, source = scrambled(config, kind=EncoderDecoder), tokens(config)
    calls: list[int] = []
    model.encoder.norm.register_forward_hook(lambda *_: calls.append(1))
    cache = KVCache(config, batch_size=2, length=9)
    for part in tokens(config, length=9).split(3, dim=1):
        model(source, part, cache=cache)
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["watched scores", "watched pattern", "bfloat16"])
def test_every_path_through_attention_agrees(kind: str) -> None:
    config = GPTConfig(**SHAPE, position="alibi")
    model, source, ids = scrambled(config, kind=EncoderDecoder), tokens(config), tokens(config, length=9)
    plain = model(source, ids, PADDING)
    if kind == "bfloat16":
        with torch.autocast("cpu", torch.bfloat16):
            low = model(source, ids, PADDING).float()
        assert (low - plain).norm() < 0.03 * plain.norm()
        return
    with capture(model, f"*.{kind.split()[1]}", "*.pattern") as seen:
        watched = model(source, ids, PADDING)
    torch.testing.assert_close(watched, plain, atol=2e-5, rtol=1e-4)
    pattern = seen["decoder.blocks.1.cross.pattern"]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 9))
    assert (pattern[1, :, :, 7:] == 0).all(), "no attention to padding"


def test_generating_translates_row_by_row_as_the_full_model_would() -> None:
    config = GPTConfig(**SHAPE)
    model, source = scrambled(config, kind=EncoderDecoder), tokens(config)
    ids = generate(model.given(source, PADDING), [[1], [1]], max_new_tokens=8, filters=[greedy()])
    again = model(source, ids[:, :-1], PADDING).argmax(-1)
    assert torch.equal(again, ids[:, 1:])


def test_the_usual_loss_serves_both() -> None:
    config = GPTConfig(**SHAPE)
    ids = tokens(config)
    batch = (ids[:, :-1], ids[:, 1:])
    for model in (scrambled(config, kind=Encoder), scrambled(config, kind=EncoderDecoder).given(ids)):
        want = nn.functional.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())
        torch.testing.assert_close(next_token_loss(model, batch), want)


@pytest.mark.parametrize("kind", [GPT, Encoder, EncoderDecoder])
@pytest.mark.parametrize("activation", ["gelu_tanh", "swiglu"])
def test_models_can_be_sent_to_another_process(kind: type, activation: str) -> None:
    model = scrambled(GPTConfig(**SHAPE, activation=activation), kind=kind)
    again = pickle.loads(pickle.dumps(model))
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))


def test_a_gated_layer_is_its_formula() -> None:
    model = scrambled(GPTConfig(**SHAPE, activation="swiglu", d_ff=20))
    mlp, x = model.blocks[0].mlp, torch.randn(2, 3, 32)
    gate, up, down = mlp.gate.weight, mlp.up.weight, mlp.down.weight
    want = ((x @ gate.T) * torch.sigmoid(x @ gate.T) * (x @ up.T)) @ down.T
    torch.testing.assert_close(mlp(x), want)


def test_each_half_writes_as_loudly_as_its_depth_allows() -> None:
    model = EncoderDecoder(GPTConfig(vocab_size=9, n_layers=4, d_model=256), seed=0)
    for half, writes in (("encoder", 8), ("decoder", 12)):
        std = getattr(model, half).blocks[0].attn.out.weight.std()
        torch.testing.assert_close(std, torch.tensor((256 * writes) ** -0.5), rtol=0.02, atol=0.0)


@pytest.mark.parametrize("family", ["encoder", "encoder-decoder"])
@pytest.mark.parametrize("config", [ORIGINAL, GPTConfig(**SHAPE, n_kv_heads=2, tied=False)], ids=str)
def test_cost_counts_what_pytorch_counts(family: str, config: GPTConfig) -> None:
    model = (Encoder if family == "encoder" else EncoderDecoder)(config)
    bill = cost(config, family=family)
    assert bill.n_parameters == model.n_parameters
    sequences = [tokens(config, batch=1, length=config.context)] * (1 if family == "encoder" else 2)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        model(*sequences)
    assert counter.get_total_flops() == sum(bill.forward_flops.values())


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"family must be one of .*got 'bert'"):
        cost(ORIGINAL, family="bert")


@pytest.mark.parametrize("kind", [Encoder, EncoderDecoder])
def test_a_checkpoint_knows_its_family(kind: type, tmp_path: Path) -> None:
    model = scrambled(GPTConfig(**SHAPE), kind=kind)
    kept = load(save(tmp_path / "model.safetensors", model)).model
    assert type(kept) is kind
    assert all(map(torch.equal, model.state_dict().values(), kept.state_dict().values()))


def test_cross_taps_are_named() -> None:
    names = taps(EncoderDecoder(GPTConfig(**SHAPE)))
    assert {"encoder.blocks.0.attn.pattern", "decoder.blocks.1.cross.pattern", "decoder.normed"} <= set(names)


def test_attention_alone_cannot_be_post_norm_or_cross() -> None:
    with pytest.raises(ValueError, match="post-norm blocks need a feed-forward layer"):
        GPTConfig(**SHAPE, norm_first=False, d_ff=0)
    with pytest.raises(ValueError, match="an encoder-decoder needs feed-forward layers"):
        EncoderDecoder(GPTConfig(**SHAPE, d_ff=0))
