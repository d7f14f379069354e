"""Which device computes, how fast it is, and seeds for every generator on it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import torch


def best_device() -> torch.device:
    """The fastest device present: CUDA, else Apple's MPS, else the CPU.

    Example:
        >>> best_device().type in {"cuda", "mps", "cpu"}
        True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_all(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators (PyTorch: on every device).

    Args:
        seed: 0 to 2**32 - 1, the range NumPy's generator takes.

    Raises:
        ValueError: seed is outside that range.

    Example:
        >>> seed_all(0); a = torch.rand(2); seed_all(0); bool((a == torch.rand(2)).all())
        True
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {seed}. Any such integer will do, say 0.")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def bf16_pays(device: torch.device | str) -> bool:
    """Whether matrix products in bfloat16 run faster than in float32 on this device.

    The answer comes from the hardware's own description, not from a timing, so it is the same on every run.
    CUDA needs compute capability 8.0; a CPU needs bf16 instructions (AVX512-BF16, AMX or ARMv8.6) and oneDNN,
    without which PyTorch emulates the type slowly.

    Example:
        >>> bf16_pays("mps")
        False
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        native = not _cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
        return native and torch.backends.mkldnn.is_available()
    return False


def _cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    flags = {name for name, present in capabilities.items() if present is True}
    if getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)():
        flags.add("avx512_bf16")
    try:
        rows = cpuinfo.read_text().splitlines()
    except OSError:
        return flags
    described = next((row for row in rows if row.startswith(("flags", "Features"))), ":")
    return flags | set(described.split(":", 1)[1].split())


def matmul_speed(
    device: torch.device | str, dtype: torch.dtype = torch.float32, seconds: float = 0.2
) -> float:
    """Measured speed of square matrix products, in FLOP/s (2 n³ per product).

    Args:
        device: Where to measure.
        dtype: Floating-point type of the factors.
        seconds: About how long to measure, after one product to warm up.

    Returns:
        FLOP/s reached. n is 1,024 on a CPU and 4,096 elsewhere.

    Example:
        >>> matmul_speed("cpu", seconds=0.01) > 0
        True
    """
    device = torch.device(device)
    n = 1024 if device.type == "cpu" else 4096
    x = torch.ones(n, n, device=device, dtype=dtype)
    _finished(x @ x)
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        _finished(x @ x)
        products += 1
    return 2 * n**3 * products / (time.perf_counter() - start)


def _finished(x: torch.Tensor) -> None:
    # An accelerator computes behind Python's back; reading one number waits for it.
    x[0, 0].item()
