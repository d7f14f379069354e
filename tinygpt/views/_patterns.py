"""Reading captured attention into frames, and packing it for a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float
    from torch import Tensor

    Seen = Mapping[str, Float[Tensor, "..."] | np.ndarray]

_EXACT_BYTES = 96 * 1024  # scores of more bytes than this are left with the kernel
_TAP = re.compile(r"(?:^|\.)(\d+)\.attn\.pattern$")


@dataclass(frozen=True)
class Frame:
    """One checkpoint: its label, its place on the x axis, patterns and perhaps scores, both L H T T."""

    label: str
    x: float
    pattern: np.ndarray
    scores: np.ndarray | None


def layers_of(seen: Seen) -> list[int]:
    """The numbers of the layers whose patterns were captured, in order."""
    layers = sorted(int(found[1]) for found in map(_TAP.search, seen) if found)
    if not layers:
        raise ValueError(
            'attention needs the patterns; none of "blocks.{i}.attn.pattern" was captured, only '
            f'{sorted(seen) or "nothing"}. Try capture(model, "blocks.*.attn.pattern").'
        )
    return layers


def find(seen: Seen, layer: int, tap: str) -> Any:
    """What was captured at that tap of that layer, or None."""
    name = re.compile(rf"(?:^|\.){layer}\.attn\.{tap}$")
    return next((value for key, value in seen.items() if name.search(key)), None)


def behind_scores(seen: Seen, frame: Frame, layers: list[int], batch: int) -> tuple[int | None, str]:
    """K where the captured queries and keys prove score = q·k / √K, and what they prove a score to be."""
    found = [(find(seen, layer, "queries"), find(seen, layer, "keys")) for layer in layers]
    if frame.scores is None or any(q is None or k is None for q, k in found):
        return None, ""
    width, biased = int(found[0][0].shape[-1]), False
    for (queries, keys), scores, pattern in zip(found, frame.scores, frame.pattern, strict=True):
        q, k = numbers(queries, np.float32)[batch], numbers(keys, np.float32)[batch]
        k = np.repeat(k, len(q) // len(k), axis=0)  # grouped queries share keys
        dots = q @ k.swapaxes(-1, -2) / np.sqrt(width)
        if np.allclose(dots[pattern > 0], scores[pattern > 0], atol=1e-2, rtol=1e-2):
            continue
        if not _is_bias(scores - dots, pattern > 0, 2e-2 * (1 + np.abs(scores[pattern > 0]).max())):
            return None, ""
        biased = True
    return (None, "q·k ÷ √K + position bias") if biased else (width, "q·k ÷ √K")


def _is_bias(rest: np.ndarray, kept: np.ndarray, tolerance: float) -> bool:
    """Whether `rest`, H T T, is alike in a head wherever query and key stand as far apart."""
    length = rest.shape[-1]
    for apart in range(1 - length, length):
        line, at = np.diagonal(rest, apart, 1, 2), np.diagonal(kept, apart, 1, 2)
        spread = np.where(at, line, -np.inf).max(-1) - np.where(at, line, np.inf).min(-1)
        if (spread > tolerance).any():
            return False
    return length > 2  # fewer tokens leave nothing to compare


def numbers(values: Any, kind: type = np.float64) -> np.ndarray:
    """A tensor, wherever it is, an array or a list as an array of that kind."""
    return np.asarray(values.detach().float().cpu() if hasattr(values, "detach") else values, kind)


def _array(value: Any, batch: int) -> np.ndarray:
    """One sequence of a tensor or array, B H T T -> H T T, as float32 on the CPU."""
    value = numbers(value, np.float32)
    if value.ndim != 4 or value.shape[-1] != value.shape[-2]:
        raise ValueError(
            f"attention shows square patterns, B H T T; got shape {tuple(value.shape)}. "
            "A cached step or cross-attention has other queries than keys: run the whole text at once."
        )
    if not -len(value) <= batch < len(value):
        raise ValueError(f"batch must be below the batch size; got {batch} and {len(value)}.")
    # A query that may look at nothing, such as padding, has a row of NaN.
    return np.nan_to_num(value[batch], nan=0.0, posinf=np.inf, neginf=-np.inf)


def read_frame(label: object, index: int, seen: Seen, layers: list[int], batch: int) -> Frame:
    """One checkpoint, with `index` as its place on the x axis where the label holds no number."""
    if layers_of(seen) != layers:
        raise ValueError(f"Every frame must have the same layers; got {layers} and {layers_of(seen)}.")
    stacks = []
    for tap in ("pattern", "scores"):
        found = [find(seen, layer, tap) for layer in layers]
        arrays = None if any(value is None for value in found) else [_array(value, batch) for value in found]
        if arrays and len({array.shape for array in arrays}) > 1:
            raise ValueError(f"Every layer must have the same heads; got {[a.shape for a in arrays]}.")
        stacks.append(None if arrays is None else np.stack(arrays))
    digits = re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", str(label).replace(",", ""))
    return Frame(str(label), float(digits[-1]) if digits else float(index), stacks[0], stacks[1])


def masked_scores(pattern: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The scores with −∞ where the model's mask must have been: weight 0 that no underflow explains."""
    kept = np.where(pattern > 0, scores, -np.inf)
    near = scores > kept.max(-1, keepdims=True) - 80
    return np.where((pattern > 0) | ~near, scores, -np.inf).astype(np.float32)


def kind_of(frames: list[Frame], causal: bool) -> tuple[str, bool]:
    """("scores" where they fit in the page, else "rounded" weights; whether the scores explain them)."""
    if any(frame.scores is None for frame in frames):
        return "rounded", False
    for frame in frames:
        with np.errstate(over="ignore"):
            masked = masked_scores(frame.pattern, frame.scores).astype(np.float16).astype(np.float32)
        with np.errstate(invalid="ignore"):
            shares = np.exp(masked - masked.max(-1, keepdims=True))
            weights = np.nan_to_num(shares / shares.sum(-1, keepdims=True))
        if not np.allclose(weights, frame.pattern, atol=2e-2):
            return "rounded", False
    length = frames[0].pattern.shape[-1]
    per_head = length * (length + 1) // 2 if causal else length * length
    rows, heads = frames[0].pattern.shape[:2]
    size = 2 * len(frames) * rows * heads * per_head
    return ("scores" if size <= _EXACT_BYTES else "rounded"), True


def pack(values: np.ndarray, causal: bool) -> np.ndarray:
    """... T T -> ... cells, row after row; of a causal square only the keys up to the query."""
    if not causal:
        return values.reshape(*values.shape[:-2], -1)
    query, key = np.tril_indices(values.shape[-1])
    return values[..., query, key]


def halves(values: np.ndarray) -> bytes:
    """The values as float16: all high bytes, then all low bytes, which deflates better than pairs."""
    pairs = values.astype("<f2").reshape(-1).view(np.uint8).reshape(-1, 2)
    return pairs[:, 1].tobytes() + pairs[:, 0].tobytes()
