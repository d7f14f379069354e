"""How much work a cell does here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

import torch

from tinygpt.runtime.device import best_device
from tinygpt.runtime.threads import usable_cpus, use_threads

T = TypeVar("T")
NAMES = ("ci", "laptop", "gpu")


@dataclass(frozen=True)
class Budget:
    """A size of machine: `ci` (seconds), `laptop` (minutes) or `gpu` (minutes on a T4).

    Attributes:
        name: `"ci"`, `"laptop"` or `"gpu"`.
        device: Where models of this budget live.
    """

    name: str
    device: torch.device

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"A budget is one of {', '.join(NAMES)}; got {self.name!r}. See TINYGPT_BUDGET.")

    @classmethod
    def detect(cls) -> Budget:
        """The budget of this machine; also gives PyTorch half of the CPUs, and leaves the rest to the page.

        The environment variable `TINYGPT_BUDGET` decides if it is set. Otherwise a CUDA device means `gpu`,
        anything else `laptop`. `ci` always computes on the CPU, where a run repeats bit for bit.

        PyTorch's threads wait for each other in a busy loop after every operation. Where a browser takes one
        of two cores, a small model's step took 340 ms with two threads and 25 ms with one (idle: 15 and 21).
        So a notebook gets `usable_cpus() // 2` threads; `OMP_NUM_THREADS` or `use_threads(n)` overrides that.

        Raises:
            ValueError: `TINYGPT_BUDGET` names no budget.

        Example:
            >>> Budget.detect().name in NAMES
            True
        """
        cpus = usable_cpus()
        use_threads(cpus if os.environ.get("OMP_NUM_THREADS") else max(1, cpus // 2))
        device = best_device()
        name = os.environ.get("TINYGPT_BUDGET") or ("gpu" if device.type == "cuda" else "laptop")
        return cls(name, torch.device("cpu") if name == "ci" else device)

    def pick(self, *, ci: T, laptop: T, gpu: T) -> T:
        """The value meant for this budget.

        Example:
            >>> Budget("ci", torch.device("cpu")).pick(ci=60, laptop=300, gpu=3000)
            60
        """
        return {"ci": ci, "laptop": laptop, "gpu": gpu}[self.name]
