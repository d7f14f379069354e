"""A loss curve as a small SVG: drawn in under a millisecond, so that it can be live."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

W, H, LEFT, RIGHT, TOP, BOTTOM = 640, 270, 52, 128, 34, 50
BLUE, GREEN, GREY = "#0072B2", "#009E73", "#666666"

Point = tuple[float, float]


def loss_curve(
    losses: Sequence[float],
    *,
    title: str,
    measured: Mapping[str, Sequence[tuple[int, float]]] | None = None,
    ruler: Mapping[str, float] | None = None,
    total: int | None = None,
) -> str:
    """Returns an SVG of the loss by step, with its ruler beside it.

    Args:
        losses: one per step, in nats.
        title: first line of the picture; says what is going on.
        measured: other curves on the same axes, as (step, value in nats) pairs.
        ruler: losses to compare with, in nats, drawn as dashed lines with their names.
        total: steps in all, so that the axis does not jump; None fits the data.
    """
    measured, ruler = measured or {}, ruler or {}
    last = max(total or 0, len(losses), 2)
    low, high = _range([*losses, *ruler.values(), *(v for curve in measured.values() for _, v in curve)])

    def x(step: float) -> float:
        return LEFT + (W - LEFT - RIGHT) * step / last

    def y(value: float) -> float:
        return TOP + (H - TOP - BOTTOM) * (high - value) / (high - low)

    def line(points: Sequence[Point], colour: str, width: float, opacity: float = 1.0) -> str:
        path = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points if math.isfinite(v))
        style = f'stroke="{colour}" stroke-width="{width}" opacity="{opacity}"'
        return f'<polyline points="{path}" fill="none" {style}/>'

    parts = [_frame(title)]
    parts += [_text(LEFT - 6, y(v) + 4, f"{v:g}", anchor="end") for v in _ticks(low, high)]
    parts += [_text(x(s), H - BOTTOM + 16, f"{s:g}", anchor="middle") for s in _ticks(0, last)]
    parts += _ruler_lines(ruler, y)
    parts.append(line(thinned(losses), GREY, 1, opacity=0.35))
    parts.append(line(thinned([*map(MovingAverage(), losses)]), BLUE, 2.5))
    parts += [line(points, GREEN, 2.5) for points in measured.values()]
    parts.append(_legend(["loss", *measured]))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" width="{W}" height="{H}" role="img"'
    return f'{svg} font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value to draw; from 0 where the lowest is near it."""
    values = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(values), max(values)
    low = min(low, 0.0) if low < 0.3 * high else 0.95 * low
    return low, max(high + 0.02 * abs(high), low + 1e-6)


def _frame(title: str) -> str:
    bottom, right = H - BOTTOM, W - RIGHT
    middle = (TOP + bottom) / 2
    return (
        f'<title>{escape(title)}</title><rect width="{W}" height="{H}" fill="white"/>'
        f'<text x="{LEFT}" y="20">{escape(title)}</text>'
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#222"/>'
        + _text(right, H - 6, "step", anchor="end")
        + f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">loss (nats)</text>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between low and high, about five of them."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * i, 10) for i in range(first, last + 1)]


def _ruler_lines(ruler: Mapping[str, float], y: Callable[[float], float]) -> list[str]:
    """Dashed lines with names at their right; names that would overlap are pushed apart."""
    placed, parts = -math.inf, []
    for name, value in sorted(ruler.items(), key=lambda item: -item[1]):
        placed = max(y(value) + 4, placed + 13)
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{W - RIGHT}" stroke="{GREY}" stroke-dasharray="5 4"/>')
        parts.append(_text(W - RIGHT + 5, placed, f"{name} {value:.2f}"))
    return parts


def _legend(names: Sequence[str]) -> str:
    parts, x = [], LEFT
    for i, name in enumerate(names):
        parts.append(f'<path d="M{x} {H - 10}h18" stroke="{GREEN if i else BLUE}" stroke-width="3"/>')
        parts.append(_text(x + 23, H - 6, name))
        x += 40 + 7 * len(name)
    return "".join(parts)


class MovingAverage:
    """An exponential moving average, corrected for its start as in Adam; what is not finite is left out.

    Example:
        >>> average = MovingAverage(keep=0.5)
        >>> [average(value) for value in (1.0, 1.0, 4.0)]
        [1.0, 1.0, 2.7142857142857144]
    """

    def __init__(self, keep: float = 0.9) -> None:
        self.keep, self.mean, self.weight = keep, 0.0, 0.0

    def __call__(self, value: float) -> float:
        """The average with one more value; NaN for a value that is not finite."""
        if not math.isfinite(value):
            return math.nan
        self.mean = self.keep * self.mean + (1 - self.keep) * value
        self.weight = self.keep * self.weight + (1 - self.keep)
        return self.mean / self.weight


def thinned(values: Sequence[float], most: int = 300) -> list[Point]:
    """(step, value) of at most `most` + 1 values, the last one among them; steps count from 1."""
    stride = max(1, math.ceil(len(values) / most))
    kept = [*range(0, len(values) - 1, stride), len(values) - 1] if values else []
    return [(i + 1, values[i]) for i in kept]
