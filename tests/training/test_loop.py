"""The loop: losses against PyTorch, the schedule, accumulation, stopping, and what is refused."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from tiny_models import SHAPE, scrambled, tokens
from torch import nn

from tinygpt import data
from tinygpt.models import GPT, GPTConfig
from tinygpt.training import (
    NonFiniteLoss,
    TrainConfig,
    TrainState,
    adamw,
    fit,
    learning_rate,
    linear_cross_entropy,
    mean_loss,
    next_token_loss,
    train_steps,
)

CONFIG = GPTConfig(**SHAPE)


def batches(vocab_size: int = 31, batch_size: int = 8) -> data.Stream:
    return data.worlds.repeats(batch_size=batch_size, length=16, vocab_size=vocab_size, seed=0)


@pytest.mark.parametrize("rows_per_chunk", [1, 7, 1000])
def test_linear_cross_entropy_is_cross_entropy_with_its_gradients(rows_per_chunk: int, monkeypatch) -> None:
    def chunks(hidden, weight):
        return [slice(i, i + rows_per_chunk) for i in range(0, len(hidden), rows_per_chunk)]

    monkeypatch.setattr("tinygpt.training.losses._chunks", chunks)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(23, 8, generator=generator, requires_grad=True)
    weight = torch.randn(11, 8, generator=generator, requires_grad=True)
    targets = torch.randint(11, (23,), generator=generator)
    targets[[3, 5]] = -100
    ours = 3 * linear_cross_entropy(hidden, weight, targets)
    theirs = 3 * F.cross_entropy(hidden @ weight.T, targets)
    torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        torch.testing.assert_close(3 * linear_cross_entropy(hidden, weight, targets), theirs)
    for got, want in zip(
        torch.autograd.grad(ours, (hidden, weight)),
        torch.autograd.grad(theirs, (hidden, weight)),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


def test_the_head_is_applied_only_where_a_target_counts(monkeypatch) -> None:
    rows: list[int] = []
    monkeypatch.setattr(
        "tinygpt.training.losses._chunks",
        lambda hidden, weight: rows.append(len(hidden)) or [slice(0, len(hidden))],
    )
    hidden, weight = torch.ones(5, 8), torch.ones(11, 8, requires_grad=True)
    for targets, want in (([-100, 3, -100, -100, 0], 2), ([1, 2, 3, 4, 5], 5)):
        linear_cross_entropy(hidden, weight, torch.tensor(targets))
        with torch.no_grad():
            linear_cross_entropy(hidden, weight, torch.tensor(targets))
        assert rows == [want, want]
        rows.clear()
    assert linear_cross_entropy(hidden, weight, torch.full((5,), -100)) == 0


def test_next_token_loss_takes_any_model() -> None:
    model, ids = scrambled(CONFIG), tokens(CONFIG)
    batch = data.next_tokens(ids)
    want = F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())
    torch.testing.assert_close(next_token_loss(model, batch), want)
    torch.testing.assert_close(next_token_loss(nn.Sequential(model), batch), want)


def test_learning_rates() -> None:
    cosine = TrainConfig(steps=101, lr=1.0, warmup=10, final_lr=0.1)
    assert learning_rate(0, cosine) == 0.1
    assert learning_rate(9, cosine) == learning_rate(10, cosine) == 1.0
    assert learning_rate(55, cosine) == pytest.approx(0.55)
    assert learning_rate(100, cosine) == pytest.approx(0.1)
    wsd = TrainConfig(steps=101, lr=1.0, warmup=10, final_lr=0.0, decay=0.2, schedule="wsd")
    assert [learning_rate(s, wsd) for s in (50, 80, 90, 100)] == pytest.approx([1.0, 1.0, 0.5, 0.0])
    assert learning_rate(100, TrainConfig(steps=101, lr=1.0, schedule="constant")) == 1.0


def test_decay_is_for_matrices_only() -> None:
    model = GPT(GPTConfig(**SHAPE, norm="layernorm", bias=True))
    decayed, rest = adamw(model, TrainConfig(weight_decay=0.3)).param_groups
    assert {p.ndim for p in decayed["params"]} == {2} and decayed["weight_decay"] == 0.3
    assert {p.ndim for p in rest["params"]} == {1} and rest["weight_decay"] == 0.0


def test_one_step_is_what_pytorch_does() -> None:
    ours, theirs = GPT(CONFIG, seed=0), GPT(CONFIG, seed=0)
    config = TrainConfig(steps=1, lr=1e-2, warmup=0, clip=0.5, precision="fp32")
    step = next(iter(train_steps(ours, batches(), next_token_loss, config)))
    x, y = batches()[0]
    loss = F.cross_entropy(theirs(x).flatten(0, 1), y.flatten())
    loss.backward()
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
    adamw(theirs, config).step()
    assert step.loss == pytest.approx(loss.item(), rel=1e-5)
    assert step.grad_norm == pytest.approx(norm.item(), rel=1e-4)
    assert step.tokens == x.numel()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_accumulated_batches_are_one_large_batch() -> None:
    small, large = GPT(CONFIG, seed=0), GPT(CONFIG, seed=0)
    options = {"steps": 3, "lr": 1e-2, "warmup": 0, "precision": "fp32", "progress": False}
    one = data.Stream(
        lambda i: tuple(torch.cat(pair) for pair in zip(batches()[2 * i], batches()[2 * i + 1], strict=True))
    )
    a = fit(small, batches(), accumulate=2, **options)
    b = fit(large, one, **options)
    assert a.losses == pytest.approx(b.losses, rel=1e-4)


def test_it_learns_a_tiny_world() -> None:
    model = GPT(GPTConfig(vocab_size=4, n_layers=1, n_heads=2, d_model=32, context=16, tied=False), seed=0)
    ids = torch.arange(17) % 4
    run = fit(model, data.Stream(lambda i: data.next_tokens(ids[None])), steps=60, lr=1e-2, progress=False)
    assert run.losses[0] == pytest.approx(math.log(4), abs=0.1)
    assert run.final_loss < 0.05


def test_metrics_reach_the_steps() -> None:
    def loss(model, batch):
        value = next_token_loss(model, batch)
        return value, {"perplexity": value.exp().item()}

    run = fit(GPT(CONFIG, seed=0), batches(), loss, steps=2, progress=False)
    assert run.steps[1].metrics["perplexity"] == pytest.approx(math.exp(run.losses[1]), rel=1e-4)


def test_measurements_are_taken_before_during_and_after() -> None:
    run = fit(
        GPT(CONFIG, seed=0),
        batches(),
        steps=25,
        every=10,
        progress=False,
        measure={"training": lambda m: float(m.training), "val loss": lambda m: mean_loss(m, batches(), 1)},
    )
    assert run.series("training") == ([0, 10, 20, 25], [0.0] * 4)
    assert run.series("val loss")[1][0] == pytest.approx(run.losses[0], rel=1e-2)
    with pytest.raises(KeyError, match=r"nothing was measured as 'x'; there are \['training', 'val loss'\]"):
        run.series("x")


def test_nan_stops_with_the_step_and_the_weights_before_it() -> None:
    model = GPT(CONFIG, seed=0)

    def loss(model, batch):
        loss.calls += 1
        return next_token_loss(model, batch) * (math.nan if loss.calls == 3 else 1.0)

    loss.calls = 0
    with pytest.raises(NonFiniteLoss, match=r"step 2: the loss is nan.*weights are those before this step"):
        fit(model, batches(), loss, steps=5, progress=False)
    again = GPT(CONFIG, seed=0)
    fit(again, batches(), config=TrainConfig(steps=5), progress=False, stop=_after(2, again))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def _after(n: int, model: nn.Module) -> threading.Event:
    """An event that is set while the n-th forward pass runs."""
    event, calls = threading.Event(), [0]

    def count(*_: object) -> None:
        calls[0] += 1
        if calls[0] >= n:
            event.set()

    model.register_forward_pre_hook(count)
    return event


def test_a_stop_keeps_what_was_learnt_up_to_a_whole_step() -> None:
    stopped, whole = GPT(CONFIG, seed=0), GPT(CONFIG, seed=0)
    run = fit(
        stopped, batches(), steps=9, lr=1e-2, schedule="constant", progress=False, stop=_after(4, stopped)
    )
    fit(whole, batches(), steps=4, lr=1e-2, schedule="constant", progress=False)
    assert run.interrupted and len(run.steps) == 4
    assert all(torch.equal(a, b) for a, b in zip(stopped.parameters(), whole.parameters(), strict=True))


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C interrupts, even where the tests were started in the background, which makes it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    """Sends SIGINT and waits until Python has run its handler; two at once could count as one."""
    handler = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # an interrupt as always ends the wait by raising here
        if signal.getsignal(signal.SIGINT) is not handler:
            return
        time.sleep(0.01)
    raise AssertionError("nobody handled the signal")


def test_ctrl_c_stops_after_the_step_in_hand_and_is_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    model = GPT(CONFIG, seed=0)
    model.register_forward_pre_hook(lambda *_: press_ctrl_c())
    run = fit(model, batches(), steps=9, progress=False)
    assert run.interrupted and len(run.steps) == 1
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("heard")
def test_a_second_ctrl_c_stops_at_once() -> None:
    model = GPT(CONFIG, seed=0)

    def twice(*_: object) -> None:
        press_ctrl_c()
        press_ctrl_c()

    model.register_forward_pre_hook(twice)
    with pytest.raises(KeyboardInterrupt):
        fit(model, batches(), steps=9, progress=False)


def test_batches_that_run_out_are_explained() -> None:
    with pytest.raises(ValueError, match="the batches ran out at step 1"):
        fit(GPT(CONFIG), [batches()[0]], steps=3, progress=False)


def test_unknown_options_list_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"unknown training option \['learning_rate'\]; known are .*'lr'"):
        fit(GPT(CONFIG), batches(), learning_rate=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(steps=0), "steps must be at least 1; got 0"),
        (dict(lr=-1.0), "lr must be positive; got -1"),
        (dict(warmup=-1), "warmup must be 0 or more; got -1"),
        (dict(decay=2.0), "decay must be between 0 and 1; got 2"),
        (dict(schedule="linear"), "schedule must be one of .*'wsd'.*got 'linear'"),
        (dict(optimizer="sgd"), "optimizer must be one of .*'muon'.*got 'sgd'"),
    ],
)
def test_impossible_training_configs(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**change)


def test_nothing_to_train_is_explained() -> None:
    with pytest.raises(ValueError, match="no parameter of the model requires a gradient"):
        TrainState.start(GPT(CONFIG).requires_grad_(False), TrainConfig())


def test_second_derivatives_are_refused_rather_than_wrong() -> None:
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    loss = linear_cross_entropy(hidden, weight, torch.tensor([0, 1, 4]))
    (slope,) = torch.autograd.grad(loss.square(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_targets_that_are_no_token_are_refused_and_float64_stays_exact() -> None:
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    with pytest.raises(RuntimeError, match="out of bounds"):
        linear_cross_entropy(hidden, weight, torch.tensor([0, -1, 4]))
    exact, targets = hidden.detach().double().requires_grad_(), torch.tensor([0, 1, 4])
    for h in (exact, exact.detach()):
        got = linear_cross_entropy(h, weight.double(), targets)
        torch.testing.assert_close(got, F.cross_entropy(h @ weight.double().T, targets), rtol=1e-12, atol=0)


def test_a_head_with_a_bias_is_used_with_it() -> None:
    model, ids = scrambled(GPTConfig(**SHAPE, tied=False)), tokens(CONFIG)
    model.head = nn.Linear(32, 31)
    inputs, targets = data.next_tokens(ids)
    want = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(next_token_loss(model, (inputs, targets)), want)


def test_gradients_left_over_are_not_trained_on() -> None:
    clean, used = GPT(CONFIG, seed=0), GPT(CONFIG, seed=0)
    (100 * next_token_loss(used, batches()[7])).backward()
    steps = [fit(model, batches(), steps=1, progress=False).steps[0] for model in (clean, used)]
    assert steps[0].grad_norm == steps[1].grad_norm


def test_metrics_are_numbers_averaged_over_the_steps_batches(tmp_path) -> None:
    def loss(model, batch):
        value = next_token_loss(model, batch)
        return value, {"loss": value, "one": 1}

    path = tmp_path / "run.safetensors"
    run = fit(GPT(CONFIG, seed=0), batches(), loss, steps=2, accumulate=3, checkpoint=path, progress=False)
    assert [s.metrics["loss"] for s in run.steps] == pytest.approx(run.losses)
    assert run.steps[0].metrics["one"] == 1.0


def test_a_loss_without_a_gradient_is_explained() -> None:
    with pytest.raises(ValueError, match=r"the loss must be a tensor.*got float.*no gradient"):
        fit(GPT(CONFIG), batches(), lambda model, batch: 1.0, steps=1, progress=False)


def test_a_mean_of_too_few_batches_is_refused() -> None:
    with pytest.raises(ValueError, match="n=3 batches was asked for, and 1 came"):
        mean_loss(GPT(CONFIG), [batches()[0]], 3)
    with pytest.raises(ValueError, match="n=0"):
        mean_loss(GPT(CONFIG), batches(), 0)


def test_a_model_without_weights_has_a_loss_too() -> None:
    class Uniform(nn.Module):
        def forward(self, tokens):
            return torch.zeros(*tokens.shape, 31)

    assert mean_loss(Uniform(), batches(), 1) == pytest.approx(math.log(31))


def test_a_stop_set_before_the_start_trains_nothing() -> None:
    stop = threading.Event()
    stop.set()
    run = fit(GPT(CONFIG), batches(), steps=3, stop=stop, progress=False)
    assert run.interrupted and not run.steps


def test_ctrl_c_during_the_first_measurement_trains_nothing_and_leaves_the_callers_event_alone() -> None:
    stop = threading.Event()

    def measure(model: nn.Module) -> float:
        press_ctrl_c()
        return 1.0

    run = fit(GPT(CONFIG), batches(), steps=3, stop=stop, measure={"x": measure}, progress=False)
    assert run.interrupted and not run.steps and run.measured["x"] == [(0, 1.0)]
    assert not stop.is_set()


def test_the_model_is_left_in_evaluation_mode_after_an_error_too() -> None:
    model = GPT(CONFIG)
    with pytest.raises(ValueError, match="ran out"):
        fit(model, [], steps=1, progress=False)
    assert not model.training


@pytest.mark.parametrize("option", [{"resume": True}, {"overwrite": True}, {"every": 0}])
def test_options_that_would_do_nothing_are_refused(option: dict) -> None:
    with pytest.raises(ValueError, match=r"give checkpoint=path as well|every must be at least 1 step"):
        fit(GPT(CONFIG), batches(), steps=1, progress=False, **option)


@pytest.mark.parametrize("name", ["", "head"])
def test_hooks_on_the_logits_see_them_while_training(name: str) -> None:
    model, shapes = GPT(CONFIG), []
    model.get_submodule(name).register_forward_hook(lambda module, inputs, out: shapes.append(out.shape))
    next_token_loss(model, batches()[0])
    assert shapes == [(8, 16, 31)]
