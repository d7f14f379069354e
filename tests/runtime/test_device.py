import random

import numpy as np
import pytest
import torch

from tinygpt.runtime import best_device, bf16_pays, matmul_speed, seed_all
from tinygpt.runtime import device as module


def draws() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_seed_all_repeats_every_generator_and_differs_by_seed():
    seed_all(3)
    first = draws()
    seed_all(3)
    assert draws() == first
    seed_all(4)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="from 0 to"):
        seed_all(seed)


def test_best_device_prefers_cuda_then_mps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert best_device().type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert best_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device().type == "cuda"


@pytest.mark.parametrize(
    ("flags", "pays"),
    [
        ("flags : fpu avx512_bf16", True),
        ("flags : amx_bf16", True),
        ("Features : asimd bf16", True),
        ("flags : avx2", False),
    ],
)
def test_bf16_on_cpu_follows_the_flags(monkeypatch, tmp_path, flags, pays):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    real = module._cpu_flags
    monkeypatch.setattr(module, "_cpu_flags", lambda: real(tmp_path / "cpuinfo"))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert bf16_pays("cpu") is pays
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert bf16_pays("cpu") is False


@pytest.mark.parametrize(("capability", "pays"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_on_cuda_follows_the_capability(monkeypatch, capability, pays):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert bf16_pays("cuda") is pays


def test_matmul_speed_is_that_of_a_computer():
    assert 1e8 < matmul_speed("cpu", seconds=0.02) < 1e14
