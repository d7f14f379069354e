"""What the KV cache of a model holds, by arithmetic, and shapes of well-known models to compare with."""

from __future__ import annotations

from typing import NamedTuple

from tinygpt.models import GPTConfig, cost, gpt2_shape


class CacheShape(NamedTuple):
    """What decides how large a model's KV cache is.

    Attributes:
        n_layers: blocks, each with a cache of its own.
        n_heads: query heads per block.
        n_kv_heads: heads that have keys and values, which groups of query heads share.
        d_head: numbers in a key, and in a value.
        context: tokens that the model was made for.
        window: the last tokens that each one sees, itself included; None sees all.
        parameters: weights.
        weight_bytes: of each weight.
        source: where the numbers are from.
    """

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    context: int
    window: int | None
    parameters: int
    weight_bytes: float
    source: str

    def bytes(self, n_tokens: int, batch_size: int = 1, bytes_per_number: float = 2.0) -> float:
        """Returns the size of the cache: 2 · layers · batch · key/value heads · tokens · width · bytes.

        Args:
            n_tokens: of each sequence; of more than the window, only the last are kept.
            batch_size: sequences.
            bytes_per_number: 4 for float32, 2 for bfloat16.
        """
        kept = n_tokens if self.window is None else min(n_tokens, self.window)
        return 2 * self.n_layers * batch_size * self.n_kv_heads * kept * self.d_head * bytes_per_number


def shape_of(config: GPTConfig, source: str, *, weight_bytes: float = 2.0) -> CacheShape:
    """Returns the cache's shape, and the size of the weights, of a model of this config."""
    size = cost(config).n_parameters
    shape = (config.n_layers, config.n_heads, config.kv_heads, config.d_head, config.context)
    return CacheShape(*shape, config.window, size, weight_bytes, source)


def _llama(
    vocab: int,
    layers: int,
    heads: int,
    kv_heads: int,
    width: int,
    ff: int,
    context: int,
    window: int | None = None,
) -> GPTConfig:
    return GPTConfig(
        vocab_size=vocab,
        n_layers=layers,
        n_heads=heads,
        n_kv_heads=kv_heads,
        d_model=width,
        d_ff=ff,
        context=context,
        window=window,
        activation="swiglu",
        tied=False,
    )


_LLAMA2 = "Touvron et al. 2023, “Llama 2”, section 2.2 and table 1, and its params.json"
_LLAMA3 = "Grattafiori et al. 2024, “The Llama 3 Herd of Models”, table 3"
CACHES = {
    "GPT-2": shape_of(
        gpt2_shape(), "Radford et al. 2019, “Language Models are Unsupervised Multitask Learners”"
    ),
    "Llama 2 7B": shape_of(_llama(32_000, 32, 32, 32, 4096, 11_008, 4096), _LLAMA2),
    "Llama 2 70B": shape_of(_llama(32_000, 80, 64, 8, 8192, 28_672, 4096), _LLAMA2),
    "Mistral 7B": shape_of(
        _llama(32_000, 32, 32, 8, 4096, 14_336, 8192, 4096), "Jiang et al. 2023, “Mistral 7B”, table 1"
    ),
    "Llama 3 8B": shape_of(_llama(128_256, 32, 32, 8, 4096, 14_336, 8192), _LLAMA3),
    "Llama 3 70B": shape_of(_llama(128_256, 80, 64, 8, 8192, 28_672, 8192), _LLAMA3),
    "Llama 3.1 405B": shape_of(_llama(128_256, 126, 128, 8, 16_384, 53_248, 131_072), _LLAMA3),
}
"""Shapes of published models, weights in 2 bytes; their parameters are counted by `tinygpt.models.cost`."""
