"""One model out of several: the mean of their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from tinygpt.models import uncompiled


def average(
    states: Iterable[nn.Module | Mapping[str, Tensor]], weights: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """Returns the mean of the models' weights, for `model.load_state_dict`.

    Models from one run, or trained on from one model, lie in one basin of the loss: their mean is often
    better than each of them, and costs no more to run. Models that were started apart do not mix.

    Args:
        states: models, or copies of what `state_dict` returned at different times.
        weights: one for each, not all zero in sum; None weighs all the same. Only their ratios matter.

    Raises:
        ValueError: there is none, they differ in shape or share their memory, or the weights do not fit.

    Example:
        >>> one, two = {"w": torch.tensor([0.0, 2.0])}, {"w": torch.tensor([4.0, 2.0])}
        >>> average([one, two], weights=[3, 1])
        {'w': tensor([1., 2.])}

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima", algorithm 1; Wortsman et al.
    2022, "Model Soups", section 2.
    """
    states = [_state(state) for state in states]
    shares = _shares(weights, len(states))
    _check(states)
    return {name: _mean([state[name] for state in states], shares, name) for name in states[0]}


def _state(state: nn.Module | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return uncompiled(state).state_dict() if isinstance(state, nn.Module) else state


def _shares(weights: Sequence[float] | None, n: int) -> list[float]:
    weights = [1.0] * n if weights is None else list(weights)
    total = math.fsum(weights)
    if n == 0 or len(weights) != n or not math.isfinite(total) or total == 0:
        raise ValueError(
            "average needs at least one model and a weight for each, with a sum that is not 0; "
            f"got {n} models and weights {weights}."
        )
    return [weight / total for weight in weights]


def _check(states: list[Mapping[str, Tensor]]) -> None:
    first = {name: tensor.shape for name, tensor in states[0].items()}
    seen: dict[int, int] = {}
    for i, state in enumerate(states):
        if odd := dict(first.items() ^ {name: tensor.shape for name, tensor in state.items()}.items()):
            raise ValueError(
                f"models 0 and {i} differ in {min(odd)}; only models of one shape can be averaged."
            )
        for tensor in state.values():
            if tensor.numel() and seen.setdefault(tensor.data_ptr(), i) != i:
                raise ValueError(
                    f"models {seen[tensor.data_ptr()]} and {i} are the same memory: state_dict() does not "
                    "copy, so it follows the training. Keep copy.deepcopy(model.state_dict())."
                )


def _mean(tensors: list[Tensor], shares: list[float], name: str) -> Tensor:
    if not tensors[0].is_floating_point():
        if any(not torch.equal(tensors[0], other) for other in tensors[1:]):
            raise ValueError(f"{name} holds whole numbers that differ, and their mean would be none.")
        return tensors[0].clone()
    total = torch.zeros_like(tensors[0], dtype=torch.promote_types(tensors[0].dtype, torch.float32))
    for tensor, share in zip(tensors, shares, strict=True):
        total.add_(tensor.to(total), alpha=share)
    return total.to(tensors[0].dtype)
