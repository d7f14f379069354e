"""One small model of every kind, for tests that must hold for all of them."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from tinygpt.models import GPT, GPTConfig
from tinygpt.models.transformer import Transformer

SHAPE = dict(vocab_size=31, n_layers=2, n_heads=4, d_model=32, context=16)
POSITIONS = ("learned", "rope", "alibi", "none")
VARIANTS = [
    GPTConfig(
        **SHAPE, position=position, norm=norm, n_kv_heads=kv, bias=bias, d_ff=d_ff, activation=activation
    )
    for position, (norm, kv, bias, d_ff, activation) in itertools.product(
        POSITIONS,
        [
            ("rmsnorm", None, False, None, "gelu"),
            ("layernorm", 2, True, 48, "gelu_tanh"),
            ("layernorm", 1, False, 0, "relu2"),
        ],
    )
]
WINDOWED = [
    GPTConfig(**SHAPE, position=position, n_kv_heads=kv, window=window)
    for (position, kv), window in itertools.product(zip(POSITIONS, (None, 2, 1, 4), strict=True), (1, 4))
]
VARIANTS += [
    *WINDOWED[1::2],
    GPTConfig(**SHAPE, norm_first=False),
    GPTConfig(**SHAPE, activation="swiglu", d_ff=40),
]


def scrambled(config: GPTConfig, seed: int = 0, kind: type[Transformer] = GPT) -> Any:
    """A model whose weights are all random and large, gains and biases too, so that no part can hide."""
    model = kind(config, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise * (0.3 if parameter.ndim == 1 else 0.1))
    return model


def tokens(config: GPTConfig, batch: int = 2, length: int = 12) -> torch.Tensor:
    return torch.randint(config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(1))
