"""Sampling: which token comes next, and how to get there fast."""

from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.filters import Filter, apply, greedy, min_p, temperature, top_k, top_p
from tinygpt.sampling.generate import generate, pick, stream

__all__ = [
    "Decoder",
    "Filter",
    "apply",
    "generate",
    "greedy",
    "min_p",
    "pick",
    "stream",
    "temperature",
    "top_k",
    "top_p",
]
