"""One suite of measurements, taken before and after every stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

Measurement = Callable[[Any], "float | Mapping[str, float]"]


@torch.no_grad()
def evaluate(model: nn.Module, suite: Mapping[str, Measurement]) -> dict[str, float]:
    """Returns what each measurement of a suite says of a model, in the suite's order.

    A measurement that returns several numbers by name appears as "its name: their name". The model is put
    into evaluation mode and back, and PyTorch's random generator is left as it was, so measuring a model
    while it trains does not change what it learns.

    Args:
        model: what is measured.
        suite: functions of the model by name; `fit(measure=…)` takes those that return one number.

    Raises:
        ValueError: when the suite is empty.

    Example:
        >>> from tinygpt.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=8, n_layers=1, d_model=8))
        >>> evaluate(model, {"weights": lambda m: m.n_parameters, "mode": lambda m: {"training": m.training}})
        {'weights': 856.0, 'mode: training': 0.0}
    """
    if not suite:
        raise ValueError("a suite needs at least one measurement; got none.")
    training, scores = model.training, {}
    model.eval()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            for name, measurement in suite.items():
                found = measurement(model)
                several = found.items() if isinstance(found, Mapping) else [("", found)]
                scores |= {f"{name}: {part}" if part else name: float(value) for part, value in several}
    finally:
        model.train(training)
    return scores
