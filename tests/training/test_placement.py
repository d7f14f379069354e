"""Batches of every kind reach the device, and precisions are those that exist."""

from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from torch import nn

from tinygpt.training.placement import autocast, device_of, elements, to_device

Pair = namedtuple("Pair", "inputs targets")
IDS = torch.arange(6).view(2, 3)


@pytest.mark.parametrize(
    "batch", [IDS, (IDS, IDS), [IDS, 3], Pair(IDS, IDS), {"note": "x", "pair": Pair(IDS, None)}]
)
def test_a_batch_keeps_its_kind_on_the_way(batch) -> None:
    moved = to_device(batch, torch.device("meta"))
    assert type(moved) is type(batch)
    assert elements(moved) == elements(batch) == 6

    def devices(part) -> set[str]:
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, (tuple, list)) else ()
        return {part.device.type} if isinstance(part, torch.Tensor) else set().union(*map(devices, parts))

    assert devices(moved) == {"meta"}


def test_what_holds_no_tensor_has_no_elements() -> None:
    assert elements("text") == elements([1, 2]) == elements(None) == 0


def test_a_model_is_where_its_first_weight_or_buffer_is() -> None:
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    counts = nn.Module()
    counts.register_buffer("table", torch.zeros(2, device="meta"))
    assert device_of(counts).type == "meta"
    assert device_of(nn.Identity()).type == "cpu"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"precision must be one of .*'bf16'.*got 'fp16'"):
        autocast(torch.device("cpu"), "fp16")
