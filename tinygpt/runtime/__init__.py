"""What this machine is and how much work a cell should do on it."""

from tinygpt.runtime.budget import Budget
from tinygpt.runtime.device import best_device, bf16_pays, matmul_speed, seed_all
from tinygpt.runtime.meminfo import Memory, memory
from tinygpt.runtime.threads import usable_cpus, use_threads

__all__ = [
    "Budget",
    "Memory",
    "best_device",
    "bf16_pays",
    "matmul_speed",
    "memory",
    "seed_all",
    "usable_cpus",
    "use_threads",
]
