"""Tasks, rewards and batches that depend on what the model has learnt by then."""

from __future__ import annotations

from itertools import islice

import pytest
import tiny_digits as digits
import torch

from tinygpt.alignment import (
    ActorCritic,
    OnPolicy,
    RewardModel,
    add_lora,
    grpo_batches,
    grpo_loss,
    ppo_batches,
    remove_lora,
    tasks,
)
from tinygpt.alignment.policy import play
from tinygpt.models import GPT
from tinygpt.training import fit


def test_tasks_take_prompts_as_text_or_as_ids() -> None:
    stream = tasks(lambda rng: ("3=" if rng.random() < 0.5 else [2, 11], None), digits.tok, 20)
    assert {tuple(prompt) for prompt, _ in stream[0]} == {tuple(digits.tok.encode("3=")), (2, 11)}
    assert stream[1] == stream[1] != stream[2]


def test_rewards_are_those_of_each_rows_own_task() -> None:
    model = digits.careless_model()
    rollouts, rewards = play(model, digits.questions, digits.right, 3, group=4, seed=0, **digits.SAMPLING)
    for row, (text, reward) in enumerate(zip(rollouts.texts(digits.tok), rewards.tolist(), strict=True)):
        assert reward == (text == digits.questions[3][row // 4][1])
    assert 0 < rewards.mean() < 1


def test_a_reward_model_can_judge() -> None:
    model, rewarder = digits.careless_model(), RewardModel(digits.careless_model())
    torch.nn.init.normal_(rewarder.score.weight, generator=torch.Generator().manual_seed(0))
    rollouts, rewards = play(
        model,
        digits.questions,
        lambda rollouts, truths: rewarder(rollouts.inputs, rollouts.targets),
        0,
        group=4,
        seed=0,
        **digits.SAMPLING,
    )
    torch.testing.assert_close(rewards, rewarder(rollouts.inputs, rollouts.targets).detach())
    assert not rewards.requires_grad


def test_a_reference_that_would_learn_too_is_refused() -> None:
    model = digits.careless_model()
    given = (digits.questions, digits.right)
    with pytest.raises(ValueError, match="the reference is the model that is trained"):
        grpo_batches(model, *given, reference=model, **digits.SAMPLING).make(0)
    with pytest.raises(ValueError, match="the reference is the model that is trained"):
        ppo_batches(ActorCritic(model), model, *given, **digits.SAMPLING).make(0)


def test_a_policy_can_learn_by_an_adapter_alone() -> None:
    model, base = digits.careless_model(), digits.careless_model()
    add_lora(model, rank=8, targets="blocks.*", seed=0)
    source = grpo_batches(model, digits.questions, digits.right, updates=2, **digits.SAMPLING)
    options = dict(lr=3e-3, schedule="constant", precision="fp32", progress=False)
    fit(model, source, grpo_loss(), steps=100, **options)
    # Not more: the frozen head, whose rows are short in a model this unsure, bounds how sure it can become.
    assert digits.accuracy(model) > digits.accuracy(base) + 0.08
    remove_lora(model)
    for ours, theirs in zip(model.parameters(), base.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_every_number_and_every_seed_draws_something_else() -> None:
    model, options = GPT(digits.CONFIG, seed=0), dict(group=8, **digits.SAMPLING)
    same_tasks = tasks(lambda rng: ("1=", "1"), digits.tok, 4)
    said = [
        tuple(map(tuple, play(model, same_tasks, digits.right, n, seed=seed, **options)[0].completions()))
        for n, seed in [(0, 0), (1, 0), (0, 1), (2**32, 0), (0, 2**32)]
    ]
    assert len(set(said)) == 5


@pytest.mark.parametrize(
    "reward", [lambda *_: [1.0], lambda *_: torch.zeros(32, 1), lambda *_: [float("nan")] * 32]
)
def test_a_reward_that_is_none_is_explained(reward) -> None:
    with pytest.raises(ValueError, match="one finite number for each of 32 rows"):
        play(digits.careless_model(), digits.questions, reward, 0, group=4, seed=0, **digits.SAMPLING)


def test_batches_are_made_when_asked_for_and_used_as_often_as_said() -> None:
    made = []
    batches = OnPolicy(lambda i: made.append(i) or i, updates=3)
    assert list(islice(batches, 7)) == [0, 0, 0, 1, 1, 1, 2] and made == [0, 1, 2]
    assert list(islice(batches.skip(4), 4)) == [1, 1, 2, 2] and made[3:] == [1, 2]
    assert list(islice(batches.skip(2).skip(2), 4)) == [1, 1, 2, 2]
    with pytest.raises(ValueError, match="at least once; got updates=0"):
        OnPolicy(made.append, updates=0)


def test_the_policy_that_answers_is_the_one_that_has_learnt() -> None:
    model = GPT(digits.CONFIG, seed=0)
    batches = grpo_batches(model, digits.questions, digits.right, **digits.SAMPLING)
    before = batches.make(0)
    with torch.no_grad():
        model.embed.weight.mul_(3.0)
    assert not torch.equal(batches.make(0).targets, before.targets)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path) -> None:
    def run(steps: int, stop: int, name: str) -> list[float]:
        model = digits.careless_model()
        batches = grpo_batches(model, digits.questions, digits.right, updates=2, **digits.SAMPLING)
        options = dict(
            lr=1e-3, schedule="constant", progress=False, checkpoint=tmp_path / name, precision="fp32"
        )
        fit(model, batches, grpo_loss(), steps=stop, **options)
        return fit(model, batches, grpo_loss(), steps=steps, resume=True, **options).losses

    assert run(8, 4, "a") == run(8, 8, "b")
