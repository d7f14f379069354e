"""The suite of measurements."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE

from tinygpt.models import GPT, GPTConfig
from tinygpt.training import evaluate


def tiny_gpt() -> GPT:
    return GPT(GPTConfig(**SHAPE), seed=0)


def test_one_number_keeps_its_name_and_several_get_theirs():
    suite = {"one": lambda model: 1, "more": lambda model: {"a": 2, "b": torch.tensor(3)}}
    assert evaluate(tiny_gpt(), suite) == {"one": 1.0, "more: a": 2.0, "more: b": 3.0}


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_mode_and_random_numbers_as_they_were(training):
    model = tiny_gpt().train(training)
    before = torch.get_rng_state()
    seen = evaluate(model, {"mode": lambda m: m.training, "draw": lambda m: torch.rand(()).item()})
    assert seen["mode"] == 0.0
    assert model.training == training
    assert torch.equal(torch.get_rng_state(), before)


def test_no_gradient_is_kept_and_a_failed_measurement_restores_the_mode():
    model = tiny_gpt().train()
    grads = evaluate(model, {"grad": lambda m: m(torch.tensor([[1]])).requires_grad})
    assert grads == {"grad": 0.0}
    with pytest.raises(ZeroDivisionError):
        evaluate(model, {"broken": lambda m: 1 / 0})
    assert model.training


def test_an_empty_suite_is_refused():
    with pytest.raises(ValueError, match="at least one measurement"):
        evaluate(tiny_gpt(), {})
