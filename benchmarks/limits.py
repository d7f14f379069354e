"""What this machine can do at most: matrix products and copying, printed beside every report."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from benchmarks.core import Candidate, Options, machine, measure, versions

SIDE = 1024


@dataclass(frozen=True)
class Limits:
    """Attributes:
    fp32, bf16: FLOP/s of a product of 1,024 × 1,024 matrices.
    copy: bytes/s read plus bytes/s written by a copy of 64 MB.
    cached: the same for 512 KB, which stay in a core's cache.
    """

    fp32: float
    bf16: float
    copy: float
    cached: float


def limits(options: Options) -> Limits:
    """Measures and prints the limits with the machine and the versions."""
    calls = [_product(torch.float32), _product(torch.bfloat16), _copy(64 << 20), _copy(512 << 10)]
    short = Options(rounds=3 if options.quick else 7, seconds=0.03, clock=options.clock)
    samples = measure(calls, short)
    best = [c.work / median(getattr(s, options.clock) for s in samples[c.name]) for c in calls]
    found = Limits(*best)
    print(f"machine: {machine()}; {', '.join(f'{k} {v}' for k, v in versions().items())}")
    print(
        f"limits at {options.threads} thread(s): matmul fp32 {found.fp32 / 1e9:,.0f} GFLOP/s, "
        f"bf16 {found.bf16 / 1e9:,.0f} GFLOP/s; copy {found.copy / 1e9:.1f} GB/s, "
        f"in cache {found.cached / 1e9:.1f} GB/s"
    )
    return found


def _product(dtype: torch.dtype) -> Candidate:
    a, b, out = (torch.ones(SIDE, SIDE, dtype=dtype) for _ in range(3))
    return Candidate(f"matmul {dtype}", lambda: torch.mm(a, b, out=out), work=2 * SIDE**3)


def _copy(size: int) -> Candidate:
    source: Tensor = torch.ones(size // 4)
    target = torch.empty_like(source)
    return Candidate(f"copy {size}", lambda: target.copy_(source), work=2 * size)
