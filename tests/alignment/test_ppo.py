"""PPO against the numbers of TRL's last one, by its definitions, and by what it learns."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import tiny_digits as digits
import torch
from tiny_models import scrambled
from torch import nn

from tinygpt.alignment import ActorCritic, PPOBatch, gae, ppo_batches, ppo_loss, token_likelihoods, whiten
from tinygpt.alignment.ppo import penalised
from tinygpt.training import fit

# TRL gave up its PPO later, so what its functions returned is kept beside the numbers they were given.
TRL = json.loads(Path(__file__).with_name("ppo_of_trl_0_11_4.json").read_text(encoding="utf-8"))
GIVEN = {name: torch.tensor(values) for name, values in TRL["given"].items()}
FOUND = {name: torch.tensor(values) for name, values in TRL["found"].items()}
OPTIONS = TRL["options"]
COUNTED = GIVEN["mask"].bool()


class Fixed(nn.Module):
    """Predicts what it is told, whatever it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.logits, self.values = nn.Parameter(GIVEN["logits"]), nn.Parameter(GIVEN["new_values"])

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.logits, self.values


def trls_batch() -> PPOBatch:
    costs = OPTIONS["kl"] * (GIVEN["log_probs"] - GIVEN["reference"])
    received = penalised(GIVEN["scores"], costs, COUNTED)
    values = GIVEN["values"] * COUNTED
    advantages = gae(received, values, COUNTED, gamma=OPTIONS["gamma"], lam=OPTIONS["lam"])
    targets = GIVEN["actions"].masked_fill(~COUNTED, -100)
    white, returns = whiten(advantages, COUNTED), advantages + values
    nothing = torch.zeros(3)
    return PPOBatch(targets, targets, GIVEN["log_probs"], white, values, returns, nothing, nothing)


def test_advantages_and_returns_are_trls() -> None:
    batch = trls_batch()
    torch.testing.assert_close(batch.advantages, FOUND["advantages"] * COUNTED, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(batch.returns, FOUND["returns"], atol=2e-6, rtol=1e-5)


def test_loss_and_gradients_are_trls() -> None:
    options, model = {name: OPTIONS[name] for name in ("clip", "value", "value_clip")}, Fixed()
    loss, metrics = ppo_loss(**options)(model, trls_batch())
    loss.backward()
    torch.testing.assert_close(loss, FOUND["policy_loss"] + FOUND["value_loss"], atol=3e-6, rtol=0.0)
    torch.testing.assert_close(model.logits.grad, FOUND["grad_logits"], atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(model.values.grad, FOUND["grad_values"], atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(metrics["clip_fraction"], FOUND["clip_fraction"], atol=1e-6, rtol=0.0)
    torch.testing.assert_close(metrics["entropy"], FOUND["entropy"], atol=3e-6, rtol=0.0)
    value_loss = FOUND["value_loss"] / options["value"]
    torch.testing.assert_close(metrics["value_loss"], value_loss, atol=5e-6, rtol=0.0)


def test_without_a_bound_values_are_fitted_by_squares_and_entropy_is_a_bonus() -> None:
    model, batch = Fixed(), trls_batch()
    plain, metrics = ppo_loss(value=0.0)(model, batch)
    errors = (GIVEN["new_values"] - batch.returns)[COUNTED].square().mean()
    torch.testing.assert_close(metrics["value_loss"], errors)
    torch.testing.assert_close(ppo_loss(value=0.7)(model, batch)[0] - plain, 0.7 * errors)
    torch.testing.assert_close(
        plain - ppo_loss(value=0.0, entropy=0.3)(model, batch)[0], 0.3 * metrics["entropy"]
    )


def test_an_actor_critic_says_what_its_policy_says() -> None:
    policy = scrambled(digits.CONFIG)
    model, ids = ActorCritic(policy), torch.randint(12, (2, 5), generator=torch.Generator().manual_seed(0))
    logits, values = model(ids)
    torch.testing.assert_close(logits, policy(ids))
    assert model.policy is policy and values.shape == (2, 5) and not values.any()
    nn.init.ones_(model.value.weight)
    torch.testing.assert_close(model(ids)[1], policy(ids, unembed=False).sum(-1))


def test_a_batch_is_what_was_drawn_with_its_rewards() -> None:
    policy, reference = digits.careless_model(), scrambled(digits.CONFIG)
    model = ActorCritic(policy)
    nn.init.normal_(model.value.weight, generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = dict(kl=0.3, gamma=0.9, lam=0.8, group=4, **digits.SAMPLING)
    batch = ppo_batches(model, reference, digits.questions, digits.right, whitened=False, **options).make(0)
    counted = batch.targets != -100
    with torch.no_grad():
        now, _ = token_likelihoods(policy, *batch[:2])
        known, _ = token_likelihoods(reference, *batch[:2])
        values = model(batch.inputs)[1] * counted
    torch.testing.assert_close(batch.log_probs, now)
    torch.testing.assert_close(batch.values, values)
    torch.testing.assert_close(batch.kl, (now - known).sum(1))
    received = -0.3 * (now - known)
    for row, places in enumerate(counted):
        received[row, places.nonzero().max()] += batch.rewards[row]
    torch.testing.assert_close(batch.advantages, gae(received, values, counted, gamma=0.9, lam=0.8))
    torch.testing.assert_close(batch.returns, batch.advantages + values)
    white = ppo_batches(model, reference, digits.questions, digits.right, **options).make(0)
    torch.testing.assert_close(white.advantages, whiten(batch.advantages, counted))
    torch.testing.assert_close(white.returns, batch.returns)
    _, metrics = ppo_loss()(model, batch)
    assert metrics["reward"] == batch.rewards.mean() and metrics["kl"] == batch.kl.mean()
    assert metrics["length"] == counted.sum() / 32 and metrics["clip_fraction"] == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_to_say_the_digit_asked_for(seed: int) -> None:
    model, reference = ActorCritic(digits.careless_model()), digits.careless_model()
    assert digits.accuracy(model.policy) < 0.4
    source = ppo_batches(
        model, reference, digits.questions, digits.right, group=8, seed=seed, **digits.SAMPLING
    )
    options = dict(lr=3e-3, weight_decay=0.0, schedule="constant", precision="fp32", progress=False)
    run = fit(model, source, ppo_loss(), steps=150, **options)
    assert digits.accuracy(model.policy) > 0.8
    first, last = run.steps[0].metrics, run.steps[-1].metrics
    assert last["entropy"] < first["entropy"] / 2 and last["kl"] > first["kl"] + 0.5
    values = model(torch.tensor([digits.tok.encode(f"{digit}=") for digit in range(10)]))[1][:, -1]
    assert abs(values.mean().item() - last["reward"]) < 0.25, "the values know what is to come"


def test_a_strong_penalty_keeps_the_policy_where_it_was() -> None:
    model, reference = ActorCritic(digits.careless_model()), digits.careless_model()
    source = ppo_batches(model, reference, digits.questions, digits.right, kl=1.0, group=8, **digits.SAMPLING)
    options = dict(lr=3e-3, schedule="constant", precision="fp32", progress=False)
    run = fit(model, source, ppo_loss(), steps=120, **options)
    # The test above goes at least 0.5 nats away, and by then reaches 1.
    assert fmean(step.metrics["kl"] for step in run.steps[-20:]) < 0.35
