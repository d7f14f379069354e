"""The KV cache view: what the cache holds while text is generated, and what it costs beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.models import GPTConfig, uncompiled
from tinygpt.views._caches import CACHES, CacheShape, shape_of
from tinygpt.views._host import View
from tinygpt.views._patterns import halves
from tinygpt.views._readings import namer
from tinygpt.views._sampling_figure import visible

if TYPE_CHECKING:
    from jaxtyping import Float32, Int
    from matplotlib.figure import Figure
    from torch import Tensor

    from tinygpt.models import GPT
    from tinygpt.tokenizers import Tokenizer
    from tinygpt.views._readings import Vocabulary

OWN = "this model"
_BYTES = (4.0, 2.0, 1.0, 0.5)
_LARGEST_BATCH = 512


def kv_cache(
    model: GPT | GPTConfig,
    tokens: Int[Tensor, " T"] | Sequence[int] = (),
    vocabulary: Tokenizer | Vocabulary | None = None,
    *,
    n_prompt: int | None = None,
    n_generated: int | None = None,
    batch_size: int = 1,
    bytes_per_number: float | None = None,
) -> CacheGrowth:
    """Shows the keys and values that a model keeps while it generates, and what they cost.

    bytes = 2 · layers · batch · key/value heads · tokens · head width · bytes per number

    Args:
        model: Or its config. Well-known models stand beside it, to switch to.
        tokens: A text whose real keys and values the model computes: their norms become a heat map.
        vocabulary: The tokenizer, or the text of every id as a function or sequence.
        n_prompt: Tokens that are read in one pass, the prefill; None takes those of the text, or half the
            context.
        n_generated: Tokens that come one by one; None is a quarter of the context, or what is left of it.
        batch_size: Sequences side by side.
        bytes_per_number: Of keys and values; None takes those of the model's weights.

    Returns:
        A view that shows itself as the last line of a cell. `selected` holds the settings as the reader left
        them, and `nbytes` is the size of the cache by them.

    Raises:
        ValueError: The tokens do not fit the context, or there is no model to compute their keys.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> kv_cache(GPTConfig(vocab_size=512, n_layers=4, n_kv_heads=2, context=128))
        KV cache view: 4 layers × 2 key/value heads of 32; (64 + 32 tokens) × 1 in 4 bytes: 196,608 bytes

    Source: Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 3.3, for the size; Ainslie
    et al. 2023, "GQA", for shared heads; Beltagy et al. 2020, "Longformer", for windows.
    """
    config = model if isinstance(model, GPTConfig) else uncompiled(model).config
    ids = [int(i) for i in tokens]
    if ids and config is model:
        raise ValueError("a config computes no keys. Give the model itself, or no tokens.")
    prompt = (len(ids) or max(1, config.context // 2)) if n_prompt is None else n_prompt
    fresh = max(0, min(config.context // 4, config.context - prompt)) if n_generated is None else n_generated
    each = 4.0 if config is model else float(next(model.parameters()).element_size())
    number = each if bytes_per_number is None else float(bytes_per_number)
    if prompt < 1 or fresh < 0 or max(prompt + fresh, len(ids)) > config.context:
        raise ValueError(
            f"n_prompt must be 1 or more, n_generated 0 or more, and all fit the context of "
            f"{config.context}; got {prompt} and {fresh}, and a text of {len(ids)}."
        )
    if batch_size < 1 or not number > 0:
        raise ValueError(f"batch_size must be 1 or more, bytes positive; got {batch_size} and {number}.")
    shapes = {OWN: shape_of(config, "", weight_bytes=each), **CACHES}
    chosen = [OWN, prompt, fresh, batch_size, config.kv_heads, config.window or 0, number]
    return CacheGrowth(shapes, chosen, _named(vocabulary, ids), _norms(model, ids) if ids else None)


class CacheGrowth(View):
    """The view that `kv_cache` returns."""

    _module = "kv_cache"
    _colours = 96

    def __init__(
        self,
        shapes: dict[str, CacheShape],
        chosen: list[Any],
        pieces: list[str],
        norms: Float32[np.ndarray, "2 L G T"] | None,
    ) -> None:
        super().__init__()
        self._shapes, self._pieces, self._norms = shapes, pieces, norms
        self._selected = chosen

    @property
    def selected(self) -> dict[str, Any]:
        """The settings: model, n_prompt, n_generated, batch_size, n_kv_heads, window, bytes_per_number."""
        model, prompt, fresh, batch, heads, window, number = self._selected
        return {
            "model": str(model),
            "n_prompt": int(prompt),
            "n_generated": int(fresh),
            "batch_size": int(batch),
            "n_kv_heads": int(heads),
            "window": int(window) or None,
            "bytes_per_number": float(number),
        }

    @property
    def nbytes(self) -> float:
        """Bytes of the cache by these settings."""
        now = self.selected
        return self._shape.bytes(
            now["n_prompt"] + now["n_generated"], now["batch_size"], now["bytes_per_number"]
        )

    @property
    def _shape(self) -> CacheShape:
        """The shape of the model in hand, with the heads and the window that were set."""
        now = self.selected
        return self._shapes[now["model"]]._replace(n_kv_heads=now["n_kv_heads"], window=now["window"])

    def _header(self) -> dict[str, Any]:
        batches = sorted({2**i for i in range(_LARGEST_BATCH.bit_length())} | {self._selected[3]})
        return {
            "shapes": {name: shape._asdict() for name, shape in self._shapes.items()},
            "batches": batches,
            "numbers": sorted({*_BYTES, self._selected[6]}, reverse=True),
            "pieces": self._pieces,
            "norms": None if self._norms is None else list(self._norms.shape),
            "selected": self._selected,
        }

    def _data(self) -> bytes:
        return b"" if self._norms is None else halves(self._norms.ravel())

    def _text(self) -> str:
        shape, now = self._shape, self.selected
        tokens = f"({now['n_prompt']} + {now['n_generated']} tokens) × {now['batch_size']}"
        weights = shape.parameters * shape.weight_bytes
        kept = "" if shape.window is None else f", window {shape.window}"
        lines = [
            f"KV cache view: {shape.n_layers} layers × {shape.n_kv_heads} key/value heads of {shape.d_head}"
            f"{kept}; {tokens} in {now['bytes_per_number']:g} bytes: {self.nbytes:,.0f} bytes",
            f"model: {now['model']}; weights: {weights:,.0f} bytes; "
            f"cache / weights: {self.nbytes / weights:.3g}",
        ]
        for name, one in self._shapes.items():
            size, weights = one.bytes(one.context) / 1e9, one.parameters * one.weight_bytes / 1e9
            lines.append(
                f"{name}: {one.bytes(1) / 1e3:,.1f} kB per token in 2 bytes, {size:.3g} GB for "
                f"{one.context:,} tokens, weights {weights:.3g} GB"
            )
        return "\n".join([*lines, *self._told()])

    def _told(self) -> list[str]:
        """Mean norms by layer."""
        if self._norms is None:
            return []
        keys, values = self._norms.mean(axis=(2, 3))
        said = [
            f"L{i} keys {k:.2f} values {v:.2f}" for i, (k, v) in enumerate(zip(keys, values, strict=True))
        ]
        return ["text: " + "".join(self._pieces), "mean norms: " + ", ".join(said)]

    def _figure(self) -> Figure:
        from tinygpt.views._kv_cache_figure import figure

        now = self.selected
        return figure(now, self._shapes[now["model"]], self._shape, self._pieces, self._norms)


def _named(vocabulary: Any, ids: list[int]) -> list[str]:
    if hasattr(vocabulary, "pieces"):
        return list(vocabulary.pieces(ids))
    name = namer(vocabulary)
    return [visible(str(name(i))) for i in ids]


def _norms(model: Any, ids: list[int]) -> Float32[np.ndarray, "2 L G T"]:
    """Norms of the keys, then of the values, of every layer, head and position."""
    import torch

    from tinygpt.interp import capture

    with torch.no_grad(), capture(model, "blocks.*.attn.keys", "blocks.*.attn.values") as seen:
        model(torch.tensor([ids], device=model.device))
    layers = range(uncompiled(model).config.n_layers)
    found = [
        torch.stack([seen[f"blocks.{i}.attn.{part}"][0].float().norm(dim=-1) for i in layers])
        for part in ("keys", "values")
    ]
    return torch.stack(found).cpu().numpy()
