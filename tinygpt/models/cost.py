"""What a model costs: parameters, FLOPs and memory, on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygpt.models.config import GPTConfig

FAMILIES = ("gpt", "encoder", "encoder-decoder")


@dataclass(frozen=True)
class Cost:
    """The bill of a model; every field is exact arithmetic on the config.

    Attributes:
        parameters: weights by part (`embedding`, `positions`, `attention`, `feed_forward`, `norms`,
            `head`); a tied head counts 0.
        forward_flops: FLOPs of one forward pass over `context` tokens, by part; a multiply-add is 2.
        train_flops_per_token: 3 × forward (the backward pass costs twice the forward), per token.
        weight_bytes: memory of the weights.
        training_bytes: weights, gradients and the two AdamW moments, all float32.
        kv_bytes_per_token: growth of the KV cache per token and sequence.
    """

    parameters: dict[str, int]
    forward_flops: dict[str, int]
    train_flops_per_token: float
    weight_bytes: int
    training_bytes: int
    kv_bytes_per_token: int

    @property
    def n_parameters(self) -> int:
        """All weights together."""
        return sum(self.parameters.values())


def cost(config: GPTConfig, *, family: str = "gpt", bytes_per_weight: int = 4) -> Cost:
    """Returns what a model of this shape costs.

    Args:
        config: the shape.
        family: "gpt", "encoder", or "encoder-decoder", which reads a source of `context` tokens and writes as
            many; its cost per token is per token written.
        bytes_per_weight: 4 for float32, 2 for bfloat16; used for weights and the KV cache.

    Example:
        >>> from tinygpt.models import gpt2_shape
        >>> cost(gpt2_shape()).n_parameters
        124439808

    Raises:
        ValueError: when there is no such family.

    Source: counts of matrix products as in Kaplan et al. 2020, table 1, with the attention products
    counted in full (T × T, as a kernel without causal skipping computes them).
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {FAMILIES}; got {family!r}.")
    two = family == "encoder-decoder"
    parameters = _parameters(config, two)
    flops = _forward_flops(config, two)
    total = sum(parameters.values())
    return Cost(
        parameters=parameters,
        forward_flops=flops,
        train_flops_per_token=3 * sum(flops.values()) / config.context,
        weight_bytes=bytes_per_weight * total,
        training_bytes=4 * 4 * total,
        kv_bytes_per_token=2 * config.n_layers * config.kv_heads * config.d_head * bytes_per_weight,
    )


def kv_bytes(config: GPTConfig, length: int, *, batch_size: int = 1, bytes_per_number: int = 4) -> int:
    """Returns the memory of a `KVCache`: 2 · layers · B · G · min(length, window) · K · bytes per number.

    Args:
        config: the shape.
        length: longest sequence, in tokens.
        batch_size: number of sequences, B.
        bytes_per_number: 4 for float32, 2 for bfloat16.

    Example:
        >>> from tinygpt.models import gpt2_shape
        >>> kv_bytes(gpt2_shape(), 1024) // 2**20  # MiB
        72
    """
    kept = length if config.window is None else min(length, config.window)
    return 2 * config.n_layers * batch_size * config.kv_heads * kept * config.d_head * bytes_per_number


@dataclass(frozen=True)
class StepCost:
    """What one forward pass of `generate` computes, and what it must fetch from memory to do so.

    Attributes:
        flops: a multiply-add is 2.
        weight_bytes: each matrix read once, whatever the batch; of the tables, the rows of the tokens.
        cache_bytes: keys and values of the tokens in sight, read or written once.
    """

    flops: int
    weight_bytes: int
    cache_bytes: int

    @property
    def bytes(self) -> int:
        """All bytes; activations are not counted, which stay close to the processor."""
        return self.weight_bytes + self.cache_bytes

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, in FLOPs per byte.

        Where a processor computes P FLOPs and fetches M bytes a second, the pass takes at least
        max(flops / P, bytes / M): below an intensity of P / M it waits for memory (the roofline of Williams
        et al. 2009).
        """
        return self.flops / self.bytes


def step_cost(
    config: GPTConfig,
    *,
    n_new: int = 1,
    n_before: int = 0,
    batch_size: int = 1,
    bytes_per_weight: float = 4,
    bytes_per_number: float = 4,
) -> StepCost:
    """Returns the cost of reading `n_new` tokens after `n_before` that are in the cache, in each of B rows.

    With n_new = 1 that is decoding, with n_before = 0 it is reading the prompt. For T new tokens that look at
    S keys, P weights in the blocks' matrices, and the logits of the last token alone:
    B · (2·P·T + 4·layers·T·S·D + 2·D·V) FLOPs.

    Args:
        config: the shape.
        n_new: tokens that come at once, 1 or more.
        n_before: tokens that came before.
        batch_size: number of sequences, B.
        bytes_per_weight: 4 for float32, 2 for bfloat16, 1 for int8.
        bytes_per_number: of the cache.

    Example:
        >>> from tinygpt.models import gpt2_shape
        >>> one, eight = (step_cost(gpt2_shape(), n_before=512, batch_size=n) for n in (1, 8))
        >>> round(one.intensity, 2), round(eight.intensity, 2)
        (0.5, 2.67)
    """
    c, rows = config, batch_size * n_new
    seen = n_before if c.window is None else min(n_before, c.window - 1)
    blocks = c.n_layers * (2 * c.d_model * (c.d_model + c.kv_heads * c.d_head))
    blocks += c.n_layers * _ff_matrices(c) * c.d_model * c.ff_width
    products = 4 * c.n_layers * rows * (seen + n_new) * c.d_model
    head = c.d_model * c.vocab_size
    parts = _parameters(c, two=False)
    tables = c.d_model * rows * (2 if c.position == "learned" else 1)
    weights = parts["attention"] + parts["feed_forward"] + parts["norms"] + head + tables
    per_token = 2 * c.n_layers * c.kv_heads * c.d_head
    return StepCost(
        flops=2 * blocks * rows + products + 2 * head * batch_size,
        weight_bytes=round(bytes_per_weight * weights),
        cache_bytes=round(bytes_per_number * per_token * batch_size * (seen + n_new)),
    )


def _parameters(c: GPTConfig, two: bool) -> dict[str, int]:
    """With `two` halves: attention three times per layer (cross-attention too), feed-forward layers twice."""
    D, F, L, kv = c.d_model, c.ff_width, c.n_layers, c.kv_heads * c.d_head
    bias, matrices = int(c.bias), _ff_matrices(c)
    norms = 2 + 5 * L if two else 1 + L * (2 if F else 1)
    gain = D * (2 if c.norm == "layernorm" and c.bias else 1)
    attention = 2 * D * D + 2 * D * kv + bias * (2 * D + 2 * kv)
    feed_forward = matrices * D * F + bias * ((matrices - 1) * F + D) if F else 0
    return {
        "embedding": c.vocab_size * D,
        "positions": c.context * D if c.position == "learned" else 0,
        "attention": (3 if two else 1) * L * attention,
        "feed_forward": (2 if two else 1) * L * feed_forward,
        "norms": norms * gain,
        "head": 0 if c.tied else c.vocab_size * D,
    }


def _forward_flops(c: GPTConfig, two: bool) -> dict[str, int]:
    D, F, L, T = c.d_model, c.ff_width, c.n_layers, c.context
    kv, attentions = c.kv_heads * c.d_head, 3 if two else 1
    return {
        "attention_projections": attentions * L * T * 2 * (2 * D * D + 2 * D * kv),
        "attention_products": attentions * L * T * 2 * (2 * T * D),
        "feed_forward": (2 if two else 1) * L * T * 2 * (_ff_matrices(c) * D * F),
        "head": T * 2 * D * c.vocab_size,
    }


def _ff_matrices(c: GPTConfig) -> int:
    return 3 if c.activation == "swiglu" else 2
