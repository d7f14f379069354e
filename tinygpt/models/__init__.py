"""Transformers, built from parts that a chapter can take apart."""

from tinygpt.models.attention import Attention, CrossAttention
from tinygpt.models.blocks import MLP, AttentionBlock, Block, CrossBlock, GatedMLP, PostNormBlock
from tinygpt.models.cache import KVCache
from tinygpt.models.config import GPTConfig, gpt2_shape
from tinygpt.models.cost import Cost, StepCost, cost, kv_bytes, step_cost
from tinygpt.models.families import Encoder, EncoderDecoder, Given, head_is_plain
from tinygpt.models.hf import from_hf_gpt2
from tinygpt.models.positions import alibi_slopes, attention_bias, rope_angles, rotate
from tinygpt.models.static_cache import StaticCache
from tinygpt.models.tap import Tap, taps, uncompiled
from tinygpt.models.transformer import GPT

__all__ = [
    "GPT",
    "MLP",
    "Attention",
    "AttentionBlock",
    "Block",
    "Cost",
    "CrossAttention",
    "CrossBlock",
    "Encoder",
    "EncoderDecoder",
    "GPTConfig",
    "GatedMLP",
    "Given",
    "KVCache",
    "PostNormBlock",
    "StaticCache",
    "StepCost",
    "Tap",
    "alibi_slopes",
    "attention_bias",
    "cost",
    "from_hf_gpt2",
    "gpt2_shape",
    "head_is_plain",
    "kv_bytes",
    "rope_angles",
    "rotate",
    "step_cost",
    "taps",
    "uncompiled",
]
