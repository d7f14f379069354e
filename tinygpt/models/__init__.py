"""Transformers, built from parts that a chapter can take apart."""

from tinygpt.models.attention import Attention
from tinygpt.models.cache import KVCache
from tinygpt.models.config import GPTConfig, gpt2_shape
from tinygpt.models.cost import Cost, cost
from tinygpt.models.hf import from_hf_gpt2
from tinygpt.models.positions import alibi_slopes, causal_bias, rope_angles, rotate
from tinygpt.models.tap import Tap, taps, uncompiled
from tinygpt.models.transformer import GPT, MLP, AttentionBlock, Block

__all__ = [
    "GPT",
    "MLP",
    "Attention",
    "AttentionBlock",
    "Block",
    "Cost",
    "GPTConfig",
    "KVCache",
    "Tap",
    "alibi_slopes",
    "causal_bias",
    "cost",
    "from_hf_gpt2",
    "gpt2_shape",
    "rope_angles",
    "rotate",
    "taps",
    "uncompiled",
]
