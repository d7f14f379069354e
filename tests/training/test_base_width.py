"""`base_width`: rates that carry over to wider models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinygpt import capture
from tinygpt.data.worlds import repeats
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import TrainConfig, adamw, next_token_loss, train_steps

BATCHES = repeats(batch_size=8, length=16, vocab_size=31, seed=0)


def wide(width: int, **changes: object) -> GPT:
    shape = dict(n_layers=2, n_heads=width // 8, d_model=width, context=16, tied=False)
    model = GPT(GPTConfig(31, **{**shape, **changes}), seed=0)
    with torch.no_grad():
        model.head.weight.zero_()
    return model


def trained(model: GPT, steps: int, **changes: object) -> list[float]:
    options = dict(lr=0.01, warmup=0, schedule="constant", weight_decay=0.0, precision="fp32")
    config = TrainConfig(steps=steps, **{**options, **changes})
    return [step.loss for step in train_steps(model, BATCHES, next_token_loss, config)]


def test_linear_maps_have_a_smaller_rate_in_proportion_and_nothing_else_has() -> None:
    model = wide(32, position="learned", norm="layernorm", bias=True, activation="swiglu")
    names = {id(p): name for name, p in model.named_parameters()}
    scales = {
        names[id(p)]: group["scale"]
        for group in adamw(model, TrainConfig(base_width=8)).param_groups
        for p in group["params"]
    }
    assert scales.keys() == set(names.values())
    maps = {name for name, scale in scales.items() if scale == 0.25}
    parts = ("attn.q", "attn.k", "attn.v", "attn.out", "mlp.up", "mlp.down", "mlp.gate")
    assert maps == {"head.weight"} | {f"blocks.{i}.{part}.weight" for i in (0, 1) for part in parts}
    assert {scale for name, scale in scales.items() if name not in maps} == {1.0}


def test_vectors_are_still_not_decayed() -> None:
    groups = adamw(wide(16, bias=True), TrainConfig(base_width=8, weight_decay=0.3)).param_groups
    assert {(p.ndim, group["weight_decay"]) for group in groups for p in group["params"]} == {
        (2, 0.3),
        (1, 0.0),
    }


def test_the_first_step_of_a_map_is_a_share_of_that_of_a_table() -> None:
    model = GPT(wide(32).config, seed=0)  # a head of zeros would send no gradient down
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained(model, 1, base_width=8)
    moved = {name: (p - before[name]).abs().max().item() for name, p in model.named_parameters()}
    assert moved["embed.weight"] == pytest.approx(0.01, rel=0.01)
    assert moved["blocks.0.attn.v.weight"] == pytest.approx(0.01 / 4, rel=0.01)


def test_at_the_base_width_nothing_changes() -> None:
    assert trained(wide(16), 4, base_width=16) == trained(wide(16), 4)


def test_what_training_moves_does_not_grow_with_the_width() -> None:
    tokens, moved = BATCHES[1000][0], {}
    for width, base in ((16, None), (128, None), (16, 16), (128, 16)):
        model, streams = wide(width), []
        for steps in (0, 5):
            if steps:
                trained(model, steps, base_width=base)
            with torch.no_grad(), capture(model, "blocks.1.residual") as seen:
                model(tokens)
            streams.append(seen["blocks.1.residual"])
        moved[width, base] = (streams[1] - streams[0]).square().mean().sqrt().item()
    assert moved[128, None] > 3 * moved[16, None]
    assert 0.5 < moved[128, 16] / moved[16, 16] < 2


def test_what_has_no_such_rates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"build it with tied=False"):
        adamw(wide(16, tied=True), TrainConfig(base_width=8))
    with pytest.raises(ValueError, match=r"config\.d_model; Linear has none"):
        adamw(nn.Linear(2, 2), TrainConfig(base_width=8))
    with pytest.raises(ValueError, match=r'rule for AdamW; got optimizer="muon"'):
        TrainConfig(base_width=8, optimizer="muon")
    with pytest.raises(ValueError, match=r"base_width must be at least 1, or None; got 0"):
        TrainConfig(base_width=0)
