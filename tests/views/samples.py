"""Made-up attention for the tests: heads with the shapes that real ones take, no model."""

from __future__ import annotations

import numpy as np

TEXT = """the cat sat on the mat and the dog saw that the cat sat on the mat again
so it ran to the door and back to the"""
WORDS = TEXT.split()


def scores(layers: int, heads: int, length: int, *, sharp: float = 4.0, seed: int = 0) -> np.ndarray:
    """Scores L H T T: heads look at the token before, the first, the same word's successor or nowhere."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(layers, heads, length, length)).astype(np.float32)
    words = pieces(length)
    same = np.array([[k > 0 and words[k - 1] == words[q] for k in range(length)] for q in range(length)])
    looks = [
        np.eye(length, k=-1),
        np.eye(length, length) * 0 + (np.arange(length) == 0),
        same,
        np.zeros((length, length)),
    ]
    for layer in range(layers):
        for head in range(heads):
            values[layer, head] += sharp * looks[(head + layer) % 4]
    return values


def softmax(values: np.ndarray) -> np.ndarray:
    shares = np.exp(values - values.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def seen(
    layers: int,
    heads: int,
    length: int,
    *,
    causal: bool = True,
    keep_scores: bool = True,
    sharp: float = 4.0,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """What `capture` would return for a model of that shape, batch 1."""
    raw = scores(layers, heads, length, sharp=sharp, seed=seed)
    mask = np.triu(np.ones((length, length), bool), 1) & causal
    pattern = softmax(np.where(mask, -np.inf, raw))
    result = {f"blocks.{i}.attn.pattern": pattern[i][None] for i in range(layers)}
    if keep_scores:
        result |= {f"blocks.{i}.attn.scores": raw[i][None] for i in range(layers)}
    return result


def with_queries(heads: int, length: int, *, width: int, groups: int = 1) -> dict[str, np.ndarray]:
    """What `capture` would return for one layer, queries and keys too; `groups` query heads share keys."""
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(1, heads, length, width)).astype(np.float32)
    keys = rng.normal(size=(1, heads // groups, length, width)).astype(np.float32)
    raw = queries @ np.repeat(keys, groups, axis=1).swapaxes(-1, -2) / np.sqrt(width)
    pattern = softmax(np.where(np.triu(np.ones((length, length), bool), 1), -np.inf, raw))
    named = {"queries": queries, "keys": keys, "scores": raw, "pattern": pattern}
    return {f"blocks.0.attn.{tap}": value.astype(np.float32) for tap, value in named.items()}


def pieces(length: int) -> list[str]:
    return [WORDS[i % len(WORDS)] for i in range(length)]


def combinations(heads: int, tokens: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Losses (2^heads) and next-token probabilities (2^heads, tokens); two heads depend on each other."""
    rng = np.random.default_rng(seed)
    off = np.arange(2**heads)[:, None] >> np.arange(heads) & 1
    losses = 1.4 + off @ rng.uniform(0.02, 0.6, heads) + 0.8 * off[:, 0] * off[:, -1]
    return losses, softmax(off @ rng.normal(size=(heads, tokens)) + rng.normal(size=tokens) * 2)
