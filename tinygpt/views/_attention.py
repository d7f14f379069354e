"""The attention view: all heads, one large head, the tokens, and how a single weight came about."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygpt.views._host import View
from tinygpt.views._patterns import (
    behind_scores,
    halves,
    kind_of,
    layers_of,
    masked_scores,
    pack,
    read_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.figure import Figure

    from tinygpt.views._patterns import Frame, Seen

    Curve = tuple[Iterable[float], Iterable[float]]


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
            `blocks.{i}.attn.scores` as well, a click shows the score behind a weight, and with `queries` and
            `keys` the dot product behind the score: capture(model, "blocks.*.attn.*"). May be None where
            `frames` is given, else it must be one of them: the one to open on.
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
        layers = layers_of(named[0][1])
        read = [read_frame(label, i, one, layers, self._batch) for i, (label, one) in enumerate(named)]
        shape = read[0].pattern.shape
        if any(frame.pattern.shape != shape for frame in read):
            raise ValueError(
                f"Frames must be alike; got L H T T of {sorted({f.pattern.shape for f in read})}."
            )
        if len(pieces) != shape[-1]:
            raise ValueError(
                f"pieces must name every token; got {len(pieces)} for {shape[-1]} tokens. "
                "Try tok.pieces(ids) of the ids that the model read."
            )
        self._selected = list(_checked(head or (layers[0], 0), layers, shape[1]))
        self._layers, self._frames, self._opened, self._pieces = layers, read, opened[-1], pieces
        proven = {
            behind_scores(one, frame, layers, self._batch)
            for (_, one), frame in zip(named, read, strict=True)
        }
        self._width, self._score = proven.pop() if len(proven) == 1 else (None, "")
        self._causal = not any(np.triu(frame.pattern, 1).any() for frame in read)
        self._kind, self._explained = kind_of(read, self._causal)

    @property
    def selected(self) -> tuple[int, int]:
        """The (layer, head) that is locked; set it to lock another one in the live view."""
        return (int(self._selected[0]), int(self._selected[1]))

    @selected.setter
    def selected(self, head: tuple[int, int]) -> None:
        self._selected = list(_checked(head, self._layers, self._frames[0].pattern.shape[1]))
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
        before = self.selected
        self._read(seen, list(pieces), None, None)
        if before[0] in self._layers and before[1] < self._frames[0].pattern.shape[1]:
            self._selected = list(before)
        if self._widget is not None:
            self._widget.payload = self._packed()[1]
            self._widget.selected = self._selected

    def _header(self) -> dict[str, Any]:
        return {
            "layers": self._layers,
            "heads": self._frames[0].pattern.shape[1],
            "tokens": self._pieces,
            "causal": self._causal,
            "kind": self._kind,
            "width": self._width,
            "score": self._score,
            "hint": self._hint(),
            "explained": self._explained,
            "tiny": self._kind == "rounded" and any(_vanish(frame.pattern) for frame in self._frames),
            "frames": [{"label": self._named(frame), "x": frame.x} for frame in self._frames],
            "opened": self._opened,
            "selected": self._selected,
            "curves": {name: _thin(*xy) for name, xy in self._curves.items()},
            "x_label": self._x_label,
        }

    def _named(self, frame: Frame) -> str:
        return f"{self._x_label} {frame.label}" if frame.label.isdecimal() else frame.label

    def _hint(self) -> str:
        if self._explained:
            return "Too many scores for a page: run the cell."
        if all(frame.scores is not None for frame in self._frames):
            return "The scores do not give this pattern by a softmax."
        return 'Capture "blocks.*.attn.scores" to see why.'

    def _data(self) -> bytes:
        if self._kind == "scores":
            scores = [masked_scores(frame.pattern, frame.scores) for frame in self._frames]
            return halves(pack(np.stack(scores), self._causal))
        packed = pack(np.stack([frame.pattern for frame in self._frames]), self._causal)
        return np.rint(packed * 255).astype(np.uint8).tobytes()

    def _answer(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        frame = self._frames[question["frame"]]
        at = (slice(question["row"], question["row"] + 1), slice(question["head"], question["head"] + 1))
        if self._explained:
            values, kind = masked_scores(frame.pattern[at], frame.scores[at]), "scores"
        else:
            values, kind = frame.pattern[at], "weights"
        return {"start": question["start"], "kind": kind}, halves(pack(values, self._causal))

    def _text(self) -> str:
        pattern = self._frames[self._opened].pattern
        rows, heads, length, _ = pattern.shape
        what = f"{rows} layer{'s' * (rows > 1)} × {heads} head{'s' * (heads > 1)} over {length} tokens"
        lines = [f"Attention view: {what}, {'causal' if self._causal else 'every key visible'}"]
        if len(self._frames) > 1:
            first, last = self._named(self._frames[0]), self._named(self._frames[-1])
            lines.append(f"{len(self._frames)} checkpoints, from {first} to {last}")
        if length > 1:
            means = {
                "the first token": pattern[:, :, 1:, 0].mean(-1),
                "the previous token": np.diagonal(pattern, -1, 2, 3).mean(-1),
                "the token itself": np.diagonal(pattern[:, :, 1:, 1:], 0, 2, 3).mean(-1),
            }
            for token, mean in means.items():
                row, head = np.unravel_index(int(mean.argmax()), mean.shape)
                share = f"{mean[row, head]:.2f} of the weight"
                lines.append(f"most on {token}: L{self._layers[row]}H{head}, {share}")
        return "\n".join(lines)

    def _still(self) -> tuple[bytes, int]:
        from tinygpt.views._attention_figure import tiles

        return tiles(self._frames[self._opened].pattern, causal=self._causal)

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


def _vanish(pattern: np.ndarray) -> bool:
    """Whether a weight that is not 0 rounds to 0 of 255."""
    return bool(((pattern > 0) & (np.rint(pattern * 255) == 0)).any())


def _checked(head: tuple[int, int], layers: list[int], heads: int) -> tuple[int, int]:
    layer, column = (int(number) for number in head)
    if layer not in layers or not 0 <= column < heads:
        raise ValueError(
            f"head must be a captured (layer, head); got {(layer, column)}. "
            f"Try one of the layers {layers} and a head from 0 to {heads - 1}."
        )
    return layer, column


def _thin(x: Iterable[float], y: Iterable[float], most: int = 400) -> list[list[float | None]]:
    """A curve of at most about `most` points, y with four significant digits; gaps (NaN) become null."""
    across, up = [float(v) for v in x], [float(v) for v in y]
    if len(across) != len(up):
        raise ValueError(f"A curve needs as many y as x; got {len(across)} x and {len(up)} y.")
    every = max(1, -(-len(across) // most))
    chosen = sorted({*range(0, len(across), every), len(across) - 1})
    return [[across[i] for i in chosen], [float(f"{up[i]:.4g}") if isfinite(up[i]) else None for i in chosen]]
