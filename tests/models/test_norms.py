"""Our RMSNorm against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinygpt.models.norms import RMSNorm


def pair(width: int, dtype: torch.dtype = torch.float64) -> tuple[RMSNorm, nn.RMSNorm]:
    ours, theirs = RMSNorm(width).to(dtype), nn.RMSNorm(width, eps=1e-5, dtype=dtype)
    gain = torch.randn(width, dtype=dtype, generator=torch.Generator().manual_seed(1))
    for norm in (ours, theirs):
        norm.weight.data.copy_(gain)
    return ours, theirs


def inputs(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * scale
    return x.requires_grad_()


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 0.0])
def test_values_and_gradients_are_pytorchs(shape: tuple[int, ...], scale: float) -> None:
    results = []
    for norm in pair(5):
        x = inputs(*shape, scale=scale)
        y = norm(x)
        results.append((y, *torch.autograd.grad(y.sin().sum(), (x, norm.weight))))
    torch.testing.assert_close(results[0], results[1])


def test_gradients_are_the_slopes_and_have_slopes_themselves() -> None:
    ours, _ = pair(5)
    x = inputs(2, 3, 5)

    def run(x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(ours, {"weight": gain}, x)

    assert torch.autograd.gradcheck(run, (x, ours.weight))
    assert torch.autograd.gradgradcheck(run, (x, ours.weight))


def test_without_gradients_the_value_is_the_same() -> None:
    ours, _ = pair(5)
    x = inputs(2, 3, 5)
    with torch.no_grad():
        quiet = ours(x)
    torch.testing.assert_close(ours(x), quiet)


def test_under_autocast_it_stays_in_float32() -> None:
    results = []
    for norm in pair(8, torch.float32):
        x = inputs(2, 3, 8, dtype=torch.float32)
        with torch.autocast("cpu", torch.bfloat16):
            y = norm(x)
        results.append((y, *torch.autograd.grad(y.sin().sum(), (x, norm.weight))))
    assert results[0][0].dtype == torch.float32
    torch.testing.assert_close(results[0], results[1])


def test_it_compiles_without_a_break() -> None:
    results = []
    for run in (
        torch.compile(pair(8, torch.float32)[0], backend="aot_eager", fullgraph=True),
        pair(8, torch.float32)[1],
    ):
        x = inputs(2, 3, 8, dtype=torch.float32)
        results.append(torch.autograd.grad(run(x).sin().sum(), x))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda() -> None:
    results = []
    for norm in pair(8, torch.float32):
        x = inputs(2, 3, 8, dtype=torch.float32).detach().cuda().requires_grad_()
        y = norm.cuda()(x)
        results.append((y, *torch.autograd.grad(y.sin().sum(), (x, norm.weight))))
    torch.testing.assert_close(results[0], results[1])
