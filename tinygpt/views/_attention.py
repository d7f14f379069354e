"""The attention view: all heads, one large head, the tokens, and how a single weight came about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jaxtyping import Float
    from matplotlib.figure import Figure
    from torch import Tensor

    Seen = Mapping[str, Float[Tensor, "..."] | np.ndarray]
    Curve = tuple[Iterable[float], Iterable[float]]

_EXACT_BYTES = 96 * 1024  # scores of more bytes than this are left with the kernel
_TAP = re.compile(r"(?:^|\.)(\d+)\.attn\.pattern$")


@dataclass(frozen=True)
class _Frame:
    """One checkpoint: its label, its place on the x axis, patterns and perhaps scores, both L H T T."""

    label: str
    x: float
    pattern: np.ndarray
    scores: np.ndarray | None


def attention(
    seen: Seen | None,
    pieces: Sequence[str],
    *,
    batch: int = 0,
    head: tuple[int, int] | None = None,
    frames: Sequence[tuple[object, Seen]] | None = None,
    curves: Mapping[str, Curve] | None = None,
    x_label: str = "step",
) -> Attention:
    """Shows every attention head over one text, and what made any single weight.

    weight[q, k] = exp(score[q, k]) / Σ_s exp(score[q, s]) over the keys s that the mask lets query q see.

    Args:
        seen: What `capture` saw: `blocks.{i}.attn.pattern` (B H T T) for one or more layers. With
            `blocks.{i}.attn.scores` as well, a click shows the dot product behind a weight. May be None
            where `frames` is given, else it must be one of them: the one to open on.
        pieces: The T tokens as text.
        batch: Which sequence of the batch, from 0.
        head: The (layer, head) to open on.
        frames: Checkpoints as (label, seen), for a slider that needs no kernel. A label that is or holds a
            number (300, "step 300") is placed there on the x axis.
        curves: Small charts above the slider: name with unit, such as "loss (nats)" -> (x, y).
        x_label: What the x axis and the labels of frames count.

    Returns:
        A view that shows itself as the last line of a cell; see `Attention` for `html`, `save`, `selected`.

    Raises:
        ValueError: Where no pattern was captured, shapes differ, a pattern is not square, or the number of
            pieces is not T.

    Example:
        >>> import numpy as np
        >>> pattern = np.tril(np.ones((1, 2, 3, 3))) / np.arange(1, 4)[:, None]
        >>> attention({"blocks.0.attn.pattern": pattern}, ["a", "b", "c"])
        Attention view: 1 layer × 2 heads over 3 tokens, causal

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation 1.
    """
    view = Attention(x_label=x_label, batch=batch, curves=dict(curves or {}))
    view._read(seen, list(pieces), frames, head)
    return view


class Attention(View):
    """The view that `attention` returns."""

    _module = "attention"

    def __init__(self, *, x_label: str, batch: int, curves: dict[str, Curve]) -> None:
        super().__init__()
        self._x_label, self._batch, self._curves = x_label, batch, curves

    def _read(
        self,
        seen: Seen | None,
        pieces: list[str],
        frames: Sequence[tuple[object, Seen]] | None,
        head: tuple[int, int] | None,
    ) -> None:
        named = list(frames) if frames is not None else [("", seen)]
        if not named or any(one is None for _, one in named):
            raise ValueError("attention needs seen, or at least one (label, seen) in frames; got neither.")
        opened = [i for i, (_, one) in enumerate(named) if seen is None or one is seen]
        if not opened:
            raise ValueError("seen must be None or one of the frames' own dicts when frames are given.")
        self._opened = opened[-1]
        self._layers = _layers(named[0][1])
        self._pieces = pieces
        self._frames = [
            _frame(label, i, one, self._layers, self._batch) for i, (label, one) in enumerate(named)
        ]
        self._width = _head_width(named[0][1], self._layers)
        shape = self._frames[0].pattern.shape
        if any(frame.pattern.shape != shape for frame in self._frames):
            raise ValueError("Every frame must have the same layers, heads and tokens.")
        if len(pieces) != shape[-1]:
            raise ValueError(
                f"pieces must name every token; got {len(pieces)} for {shape[-1]} tokens. "
                "Try tok.pieces(ids) of the ids that the model read."
            )
        layer, column = head or (self._layers[0], 0)
        if layer not in self._layers or not 0 <= column < shape[1]:
            raise ValueError(
                f"head must be a (layer, head) that was captured; got {head}. "
                f"Layers {self._layers}, heads 0 to {shape[1] - 1}."
            )
        self._selected = [layer, column]
        self._causal = not any(np.triu(frame.pattern, 1).any() for frame in self._frames)
        self._kind, self._explained = _kind(self._frames, self._causal)

    @property
    def selected(self) -> tuple[int, int]:
        """The (layer, head) that is locked; set it to lock another one in the live view."""
        return (int(self._selected[0]), int(self._selected[1]))

    @selected.setter
    def selected(self, head: tuple[int, int]) -> None:
        layer, column = head
        if layer not in self._layers or not 0 <= column < self._frames[0].pattern.shape[1]:
            raise ValueError(f"selected must be a captured (layer, head); got {head}. Layers {self._layers}.")
        self._selected = [int(layer), int(column)]
        if self._widget is not None:
            self._widget.selected = self._selected

    def update(self, seen: Seen, pieces: Sequence[str]) -> None:
        """Shows another text or a newer model in the live view, at once.

        The static picture below a cell stays what it was when the cell ran; `html`, `save` and a new
        display show the update.

        Args:
            seen: As for `attention`; B H T T.
            pieces: The T tokens as text.
        """
        head = self.selected if self.selected[0] in _layers(seen) else None
        self._read(seen, list(pieces), None, head)
        if self._widget is not None:
            self._widget.payload = self._packed()[1]

    def _header(self) -> dict[str, Any]:
        return {
            "layers": self._layers,
            "heads": self._frames[0].pattern.shape[1],
            "tokens": self._pieces,
            "causal": self._causal,
            "kind": self._kind,
            "width": self._width,
            "hint": self._hint(),
            "frames": [{"label": frame.label, "x": frame.x} for frame in self._frames],
            "opened": self._opened,
            "selected": self._selected,
            "curves": {name: _thin(*xy) for name, xy in self._curves.items()},
            "x_label": self._x_label,
        }

    def _hint(self) -> str:
        if self._explained:
            return "The scores are too many for this page: run the cell to see them here."
        if self._frames[0].scores is not None:
            return "The captured scores do not give this pattern by a softmax."
        return 'Capture "blocks.*.attn.scores" as well to see the dot product behind it.'

    def _data(self) -> bytes:
        if self._kind == "scores":
            return _halves(
                np.stack([_mask(frame.pattern, frame.scores) for frame in self._frames]), self._causal
            )
        packed = _pack(np.stack([frame.pattern for frame in self._frames]), self._causal)
        return np.rint(packed * 255).astype(np.uint8).tobytes()

    def _answer(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        frame = self._frames[question["frame"]]
        at = (slice(question["row"], question["row"] + 1), slice(question["head"], question["head"] + 1))
        if self._explained:
            values, kind = _mask(frame.pattern[at], frame.scores[at]), "scores"
        else:
            values, kind = frame.pattern[at], "weights"
        return {"start": question["start"], "kind": kind}, _halves(values, self._causal)

    def _text(self) -> str:
        pattern = self._frames[self._opened].pattern
        rows, heads, length, _ = pattern.shape
        what = f"{rows} layer{'s' * (rows > 1)} × {heads} head{'s' * (heads > 1)} over {length} tokens"
        lines = [f"Attention view: {what}, {'causal' if self._causal else 'every key visible'}"]
        if len(self._frames) > 1:
            first, last = self._frames[0].label, self._frames[-1].label
            lines.append(f"{len(self._frames)} checkpoints, {self._x_label} {first} to {last}")
        if length > 1:
            means = {
                "the first token": pattern[:, :, 1:, 0].mean(-1),
                "the previous token": np.diagonal(pattern, -1, 2, 3).mean(-1),
                "the token itself": np.diagonal(pattern[:, :, 1:, 1:], 0, 2, 3).mean(-1),
            }
            for what, mean in means.items():
                row, head = np.unravel_index(int(mean.argmax()), mean.shape)
                lines.append(
                    f"most on {what}: L{self._layers[row]}H{head}, {mean[row, head]:.2f} of the weight"
                )
        return "\n".join(lines)

    def _figure(self) -> Figure:
        from tinygpt.views._attention_figure import figure

        frame = self._frames[self._opened]
        curves = {
            name: tuple(np.array(line, float) for line in _thin(*xy)) for name, xy in self._curves.items()
        }
        return figure(
            frame.pattern,
            self._pieces,
            self._layers,
            self.selected,
            causal=self._causal,
            curves=curves,
            x_label=self._x_label,
            at=frame.x,
        )


def _layers(seen: Seen) -> list[int]:
    layers = sorted(int(found[1]) for found in map(_TAP.search, seen) if found)
    if not layers:
        raise ValueError(
            'attention needs the patterns; none of "blocks.{i}.attn.pattern" was captured, only '
            f'{sorted(seen) or "nothing"}. Try capture(model, "blocks.*.attn.pattern").'
        )
    return layers


def _find(seen: Seen, layer: int, tap: str) -> Any:
    return next(
        (value for key, value in seen.items() if re.search(rf"(?:^|\.){layer}\.attn\.{tap}$", key)), None
    )


def _head_width(seen: Seen, layers: list[int]) -> int | None:
    """K, where the heads' outputs (B H T K) were captured too."""
    heads = _find(seen, layers[0], "heads")
    return None if heads is None else int(heads.shape[-1])


def _array(value: Any, batch: int) -> np.ndarray:
    """One sequence of a tensor or array, B H T T -> H T T, as float32 on the CPU."""
    value = (
        value.detach().float().cpu().numpy() if hasattr(value, "detach") else np.asarray(value, np.float32)
    )
    if value.ndim != 4 or value.shape[-1] != value.shape[-2]:
        raise ValueError(
            f"attention shows square patterns, B H T T; got shape {tuple(value.shape)}. "
            "A cached step or cross-attention has other queries than keys: run the whole text at once."
        )
    if not -len(value) <= batch < len(value):
        raise ValueError(f"batch must be below the batch size; got {batch} and {len(value)}.")
    return value[batch]


def _frame(label: object, index: int, seen: Seen, layers: list[int], batch: int) -> _Frame:
    if _layers(seen) != layers:
        raise ValueError(f"Every frame must have the same layers; got {layers} and {_layers(seen)}.")
    stacks = []
    for tap in ("pattern", "scores"):
        found = [_find(seen, layer, tap) for layer in layers]
        arrays = None if any(value is None for value in found) else [_array(value, batch) for value in found]
        if arrays and len({array.shape for array in arrays}) > 1:
            raise ValueError(f"Every layer must have the same heads; got {[a.shape for a in arrays]}.")
        stacks.append(None if arrays is None else np.stack(arrays))
    numbers = re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", str(label).replace(",", ""))
    return _Frame(str(label), float(numbers[-1]) if numbers else float(index), stacks[0], stacks[1])


def _mask(pattern: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The scores with −∞ where the model's mask must have been: weight 0 that no underflow explains."""
    kept = np.where(pattern > 0, scores, -np.inf)
    near = scores > kept.max(-1, keepdims=True) - 80
    return np.where((pattern > 0) | ~near, scores, -np.inf).astype(np.float32)


def _kind(frames: list[_Frame], causal: bool) -> tuple[str, bool]:
    """("scores" where they fit in the page, else "rounded" weights; whether the scores explain them)."""
    if any(frame.scores is None for frame in frames):
        return "rounded", False
    for frame in frames:
        with np.errstate(over="ignore"):
            masked = _mask(frame.pattern, frame.scores).astype(np.float16).astype(np.float32)
        shares = np.exp(masked - masked.max(-1, keepdims=True))
        if not np.allclose(shares / shares.sum(-1, keepdims=True), frame.pattern, atol=2e-2):
            return "rounded", False
    length = frames[0].pattern.shape[-1]
    per_head = length * (length + 1) // 2 if causal else length * length
    rows, heads = frames[0].pattern.shape[:2]
    size = 2 * len(frames) * rows * heads * per_head
    return ("scores" if size <= _EXACT_BYTES else "rounded"), True


def _pack(values: np.ndarray, causal: bool) -> np.ndarray:
    """... T T -> ... cells, row after row; of a causal square only the keys up to the query."""
    if not causal:
        return values.reshape(*values.shape[:-2], -1)
    query, key = np.tril_indices(values.shape[-1])
    return values[..., query, key]


def _halves(values: np.ndarray, causal: bool) -> bytes:
    """The packed values as float16: all high bytes, then all low bytes, which deflates better than pairs."""
    pairs = _pack(values, causal).astype("<f2").reshape(-1).view(np.uint8).reshape(-1, 2)
    return pairs[:, 1].tobytes() + pairs[:, 0].tobytes()


def _thin(x: Iterable[float], y: Iterable[float], most: int = 400) -> list[list[float | None]]:
    """A curve of at most about `most` points, y with four significant digits; gaps (NaN) become null."""
    across, up = [float(v) for v in x], [float(v) for v in y]
    if len(across) != len(up):
        raise ValueError(f"A curve needs as many y as x; got {len(across)} x and {len(up)} y.")
    every = max(1, -(-len(across) // most))
    chosen = sorted({*range(0, len(across), every), len(across) - 1})
    return [[across[i] for i in chosen], [float(f"{up[i]:.4g}") if isfinite(up[i]) else None for i in chosen]]
