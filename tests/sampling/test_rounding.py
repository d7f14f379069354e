"""Weights in few bits: the codes by hand, what rounding keeps, and what it costs the shipped model."""

from __future__ import annotations

import pytest
import torch
from tiny_models import SHAPE, scrambled, tokens

from tinygpt.lineage import shipped
from tinygpt.lineage.suite import suite
from tinygpt.models import GPTConfig
from tinygpt.sampling import bits_per_weight, narrowest, nearest, quantise, rounded

KINDS = ("int4", "int8", "bfloat16", "float32")


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_codes_by_hand() -> None:
    weight = torch.zeros(2, 33)
    weight[0, :3], weight[0, 32], weight[1, 0] = torch.tensor([7.0, -3.4, 0.4]), 14.0, -0.875
    codes, scales = quantise(weight, "int4")
    assert codes.shape == (2, 2, 32) and scales.tolist() == [[1.0, 2.0], [0.125, 0.0]]
    assert codes[0, 0, :3].tolist() == [7, -3, 0] and codes[0, 1, 0] == 7 and codes[1, 0, 0] == -7
    assert quantise(weight, "int8").scales.shape == (2, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_again_changes_nothing(kind: str) -> None:
    once = nearest(random(40, 100), kind)
    assert torch.equal(nearest(once, kind), once)


@pytest.mark.parametrize(("kind", "largest", "size"), [("int8", 127, 100), ("int4", 7, 32)])
def test_no_weight_moves_by_more_than_half_a_step(kind: str, largest: int, size: int) -> None:
    weight = random(40, 100)
    scales = quantise(weight, kind).scales.repeat_interleave(size, 1)[:, :100]
    # A scale that was rounded down leaves the largest weight up to 2⁻⁹ of itself beyond the last step.
    room = scales * (0.5 + largest * 2**-8)
    assert ((nearest(weight, kind) - weight).abs() <= room).all()
    inner = weight.abs() < scales * (largest - 0.5)
    assert ((nearest(weight, kind) - weight).abs() <= scales / 2 * (1 + 1e-5))[inner].all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_a_rounded_model_is_an_ordinary_one_that_its_format_holds(kind: str, tied: bool) -> None:
    model = scrambled(GPTConfig(**SHAPE, tied=tied, bias=True, norm="layernorm"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = rounded(model, kind)
    assert narrowest(copy) == kind
    assert copy(tokens(model.config)).shape == (2, 12, 31)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(copy.norm.weight, model.norm.weight)
    assert (copy.head.weight is copy.embed.weight) == tied


def test_fewer_bits_cost_more_and_eight_cost_the_shipped_model_nothing() -> None:
    kept = shipped("pretrain")
    measure = suite(kept.tokenizer, n=20)["bits per byte"]
    loss = {kind: measure(rounded(kept.model, kind))["all"] for kind in KINDS}
    assert loss["bfloat16"] == loss["float32"]  # that is how it is stored
    assert abs(loss["int8"] - loss["float32"]) < 0.001
    assert loss["int8"] < loss["int4"] < loss["float32"] + 0.01


def test_a_scale_counts_among_the_bits() -> None:
    assert bits_per_weight("int4", 384) == 4 + 16 / 32
    assert bits_per_weight("int8", 384) == 8 + 16 / 384
    assert bits_per_weight("bfloat16", 384) == 16


def test_unknown_formats_are_explained() -> None:
    with pytest.raises(ValueError, match=r"the format must be one of .*got 'int2'"):
        nearest(random(2, 2), "int2")
    with pytest.raises(ValueError, match=r"kind must be one of \('int4', 'int8'\); got 'bfloat16'"):
        quantise(random(2, 2), "bfloat16")
