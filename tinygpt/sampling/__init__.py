"""Sampling: which token comes next, and how to get there fast."""

from tinygpt.sampling.coding import ArithmeticDecoder, ArithmeticEncoder
from tinygpt.sampling.compress import Predictor, compress, decompress
from tinygpt.sampling.decoder import Decoder
from tinygpt.sampling.filters import Filter, apply, greedy, min_p, temperature, top_k, top_p
from tinygpt.sampling.generate import generate, pick, stream

__all__ = [
    "ArithmeticDecoder",
    "ArithmeticEncoder",
    "Decoder",
    "Filter",
    "Predictor",
    "apply",
    "compress",
    "decompress",
    "generate",
    "greedy",
    "min_p",
    "pick",
    "stream",
    "temperature",
    "top_k",
    "top_p",
]
