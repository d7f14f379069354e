"""Muon: against the singular vectors, against PyTorch's own, and which weights it is for."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE
from torch import nn

from tinygpt import data
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import TrainConfig, TrainState, fit, muon, next_token_loss, train_steps
from tinygpt.training.orthogonal import A, B, C, Muon, orthogonalised

CONFIG = GPTConfig(**SHAPE)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(6, 6), (12, 5), (5, 12)])
def test_singular_vectors_stay_and_singular_values_follow_the_polynomial(shape: tuple[int, int]) -> None:
    matrices = normal(3, *shape)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.square().sum(-1, keepdim=True).sqrt()
    for _ in range(5):
        values = A * values + B * values**3 + C * values**5
    expected = left @ (values[..., None] * right)
    torch.testing.assert_close(orthogonalised(matrices), expected, atol=1e-4, rtol=1e-4)
    assert 0.6 < values.min() < values.max() < 1.3


def test_a_gradient_of_zeros_makes_no_step() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_several_steps_are_those_of_pytorch(dtype: torch.dtype) -> None:
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch.optim.Muon came with PyTorch 2.9")
    shapes = [(16, 16), (32, 8), (16, 16), (8, 32)]
    ours, theirs = ([nn.Parameter(normal(*shape)) for shape in shapes] for _ in range(2))
    start = [p.detach().clone() for p in ours]
    group = {"params": ours, "orthogonal": True, "weight_decay": 0.3}
    mine = Muon([group], lr=0.02, dtype=dtype)
    reference = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = normal(*a.shape).roll(step, 0) * (step + 1)
            b.grad = a.grad.clone()
        mine.step()
        reference.step()
    for a, b, before in zip(ours, theirs, start, strict=True):
        moved = (b - before).abs().max().item()
        torch.testing.assert_close(a, b, rtol=0, atol=0.03 * moved)  # PyTorch's products are in bfloat16


def test_matrices_inside_blocks_step_orthogonally_and_the_rest_as_adamw() -> None:
    model = GPT(GPTConfig(**SHAPE, norm="layernorm", bias=True, position="learned", tied=False))
    names = {parameter: name for name, parameter in model.named_parameters()}
    inside, matrices, vectors = muon(model, TrainConfig(weight_decay=0.3)).param_groups
    found = {tuple(names[p].split(".")[-2:]) for p in inside["params"]}
    kinds = ("q", "k", "v", "out", "up", "down")
    assert inside["orthogonal"] and found == {(kind, "weight") for kind in kinds}
    assert {names[p] for p in matrices["params"]} == {"embed.weight", "position.weight", "head.weight"}
    assert {p.ndim for p in vectors["params"]} == {1}
    assert not (matrices["orthogonal"] or vectors["orthogonal"])
    assert [g["weight_decay"] for g in (inside, matrices, vectors)] == [0.3, 0.3, 0.0]
    assert sum(len(g["params"]) for g in (inside, matrices, vectors)) == len(names)


def test_what_is_not_orthogonal_steps_as_adamw_does() -> None:
    finals = {}
    for name in ("adamw", "muon"):
        model = GPT(CONFIG, seed=0)
        state = TrainState.start(model, TrainConfig(optimizer=name, lr=0.01))
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        state.optimizer.step()
        finals[name] = model
    for (name, a), b in zip(finals["adamw"].named_parameters(), finals["muon"].parameters(), strict=True):
        assert torch.equal(a, b) == (a.ndim == 1 or "blocks." not in name)


def test_frozen_weights_stay_and_no_matrix_is_explained() -> None:
    model = GPT(CONFIG, seed=0)
    model.blocks[0].requires_grad_(False)
    before = [p.clone() for p in model.blocks[0].parameters()]
    steps = train_steps(model, batches(), next_token_loss, TrainConfig(steps=2, optimizer="muon"))
    assert len(list(steps)) == 2
    assert all(torch.equal(a, b) for a, b in zip(before, model.blocks[0].parameters(), strict=True))
    model.blocks.requires_grad_(False)
    with pytest.raises(ValueError, match=r'matrices inside blocks to train; there are none\. Use "adamw"'):
        TrainState.start(model, TrainConfig(optimizer="muon"))


def test_the_steps_of_a_schedule_reach_every_group() -> None:
    model = GPT(CONFIG, seed=0)
    config = TrainConfig(steps=1, optimizer="muon", lr=0.5, warmup=10)
    state = TrainState.start(model, config)
    next(train_steps(model, batches(), next_token_loss, config, state=state))
    assert {group["lr"] for group in state.optimizer.param_groups} == {0.05}


def test_it_learns_a_tiny_world() -> None:
    model = GPT(GPTConfig(vocab_size=4, n_layers=1, n_heads=2, d_model=32, context=16), seed=0)
    stream = data.Stream(lambda i: data.next_tokens(torch.arange(17)[None] % 4))
    run = fit(model, stream, steps=60, lr=1e-2, optimizer="muon", progress=False)
    assert run.losses[0] > 1.2 and run.losses[-1] < 0.05


def batches() -> data.Stream:
    return data.worlds.repeats(batch_size=8, length=16, vocab_size=31, seed=0)
