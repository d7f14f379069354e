"""Averages of weights: the arithmetic, the mistakes, and that they are worth it."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_models import SHAPE, scrambled, tokens

from tinygpt import data
from tinygpt.alignment import average
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import TrainConfig, mean_loss, next_token_loss, train_steps

CONFIG = GPTConfig(**SHAPE)


def test_it_is_the_weighted_mean_of_every_weight() -> None:
    models = [scrambled(CONFIG, seed) for seed in range(3)]
    got = average(models, weights=[1, 2, 5])
    for name, weight in got.items():
        one, two, three = (model.state_dict()[name].double() for model in models)
        torch.testing.assert_close(weight, ((one + 2 * two + 5 * three) / 8).float())
    states = [model.state_dict() for model in models]
    torch.testing.assert_close(average(states), average(models, weights=[0.5] * 3))


def test_one_model_stays_as_it_is_and_nothing_is_shared_with_the_result() -> None:
    model = scrambled(CONFIG)
    before = copy.deepcopy(model.state_dict())
    alone = average([model])
    assert all(torch.equal(weight, before[name]) for name, weight in alone.items())
    for weight in alone.values():
        weight.zero_()
    assert torch.equal(model.embed.weight, before["embed.weight"])


def test_the_result_loads_and_a_tied_head_stays_tied() -> None:
    models = [scrambled(CONFIG, seed) for seed in range(2)]
    mean = GPT(CONFIG, seed=9)
    mean.load_state_dict(average(models))
    assert mean.head.weight is mean.embed.weight
    torch.testing.assert_close(mean.embed.weight, (models[0].embed.weight + models[1].embed.weight) / 2)
    assert mean(tokens(CONFIG)).isfinite().all()


def test_low_precision_is_summed_in_float32() -> None:
    states = [{"w": torch.tensor([1.0 + i / 128], dtype=torch.bfloat16)} for i in range(64)]
    exact = torch.stack([state["w"].float() for state in states]).mean(0)
    got = average(states)["w"]
    assert got.dtype == torch.bfloat16 and torch.equal(got, exact.bfloat16())


def bigrams(batch_size: int, seed: int) -> data.Stream:
    """Rows in which each token depends on the one before: quickly learnt, and noisy ever after."""
    table = torch.randn(31, 31, generator=torch.Generator().manual_seed(0)).mul(2).softmax(-1)

    def make(i: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1000 * seed + i)
        rows = [torch.randint(31, (batch_size,), generator=generator)]
        for _ in range(16):
            rows.append(torch.multinomial(table[rows[-1]], 1, generator=generator)[:, 0])
        return data.next_tokens(torch.stack(rows, dim=1))

    return data.Stream(make)


def test_the_mean_of_a_noisy_runs_end_is_better_than_each_of_its_points() -> None:
    config = TrainConfig(steps=150, lr=1e-2, schedule="constant", precision="fp32")
    model, kept = GPT(CONFIG, seed=0), []
    for step in train_steps(model, bigrams(4, seed=1), next_token_loss, config):
        if step.step >= 100 and step.step % 5 == 0:
            kept.append(copy.deepcopy(model.state_dict()))

    def loss(state: dict[str, torch.Tensor]) -> float:
        model.load_state_dict(state)
        return mean_loss(model, bigrams(256, seed=2), 1)

    assert loss(average(kept)) < min(loss(state) for state in kept)


def test_what_is_refused() -> None:
    model = scrambled(CONFIG)
    with pytest.raises(ValueError, match="got 0 models"):
        average([])
    with pytest.raises(ValueError, match=r"got 1 models and weights \[1, 2\]"):
        average([model], weights=[1, 2])
    with pytest.raises(ValueError, match="a sum that is not 0"):
        average([model, scrambled(CONFIG, 1)], weights=[1, -1])
    with pytest.raises(ValueError, match=r"models 0 and 1 are the same memory: .*copy\.deepcopy"):
        average([model.state_dict(), model.state_dict()])
    wider = scrambled(GPTConfig(**{**SHAPE, "vocab_size": 33}))
    with pytest.raises(ValueError, match=r"models 0 and 1 differ in embed\.weight"):
        average([model, wider])
    with pytest.raises(ValueError, match=r"models 0 and 1 differ in blocks\.0\.attn\.k\.weight"):
        average([model, {k: v.clone() for k, v in model.state_dict().items() if "attn.k" not in k}])
    with pytest.raises(ValueError, match="n holds whole numbers that differ"):
        average([{"n": torch.tensor(1)}, {"n": torch.tensor(2)}])
