"""A loss curve as a small SVG: drawn in under a millisecond, so that it can be live."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

W, H, LEFT, RIGHT, TOP, BOTTOM = 640, 260, 52, 128, 34, 40
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#666666"


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
    last = max(total or 0, len(losses), 2) - 1
    values = [
        v
        for v in (*losses, *ruler.values(), *(v for c in measured.values() for _, v in c))
        if math.isfinite(v)
    ]
    low, high = min(values, default=0.0), max(values, default=1.0)
    low, high = min(low, 0.0) if low < 0.3 * high else low * 0.95, high * 1.02 or 1.0

    def x(step: float) -> float:
        return LEFT + (W - LEFT - RIGHT) * step / last

    def y(value: float) -> float:
        return TOP + (H - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [
        _frame(title),
        *(_tick_y(v, y(v)) for v in _ticks(low, high)),
        *(_tick_x(s, x(s)) for s in _ticks(0, last)),
    ]
    parts += _ruler_lines(ruler, y)
    parts.append(_line([(x(i), y(v)) for i, v in _thinned(losses)], GREY, 1, opacity=0.35))
    parts.append(_line([(x(i), y(v)) for i, v in _thinned(_smooth(losses))], BLUE, 2.5))
    for points in measured.values():
        parts.append(_line([(x(s), y(v)) for s, v in points], ORANGE, 2.5, dots=True))
    parts.append(_legend(["loss", *measured]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" width="{W}" height="{H}" role="img">'
        + (f"<title>{escape(title)}</title>" + "".join(parts) + "</svg>")
    )


def _frame(title: str) -> str:
    bottom, right = H - BOTTOM, W - RIGHT
    return (
        f'<rect width="{W}" height="{H}" fill="white"/>'
        f'<g font-family="system-ui, sans-serif" font-size="13" fill="#222">'
        f'<text x="{LEFT}" y="20" font-weight="600">{escape(title)}</text>'
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#222"/>'
        f'<text x="{(LEFT + right) / 2}" y="{H - 6}" text-anchor="middle">step</text>'
        f'<text transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">loss (nats)</text></g>'
    )


def _tick_x(step: float, at: float) -> str:
    return f'<text x="{at:.1f}" y="{H - BOTTOM + 16}" font-family="sans-serif" font-size="12" text-anchor="middle">{step:g}</text>'


def _tick_y(value: float, at: float) -> str:
    return f'<text x="{LEFT - 6}" y="{at + 4:.1f}" font-family="sans-serif" font-size="12" text-anchor="end">{value:g}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between low and high, about five of them."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * i, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _ruler_lines(ruler: Mapping[str, float], y: object) -> list[str]:
    """Dashed lines with names at their right; names that would overlap are pushed apart."""
    placed, parts = -math.inf, []
    for name, value in sorted(ruler.items(), key=lambda item: -item[1]):
        at = y(value)
        placed = max(at + 4, placed + 13)
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{W - RIGHT}" stroke="{GREY}" stroke-dasharray="5 4"/>'
            f'<text x="{W - RIGHT + 5}" y="{placed:.1f}" font-family="sans-serif" font-size="12" fill="#444">'
            f"{escape(name)} {value:.2f}</text>"
        )
    return parts


def _line(
    points: list[tuple[float, float]], colour: str, width: float, *, opacity: float = 1, dots: bool = False
) -> str:
    points = [(a, b) for a, b in points if math.isfinite(b)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" opacity="{opacity}"/>'
    return line + "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points if dots
    )


def _legend(names: list[str]) -> str:
    text, at = [], LEFT + 12
    for name, colour in zip(names, (BLUE, *[ORANGE] * len(names)), strict=False):
        text.append(f'<path d="M{at} {TOP + 4}h18" stroke="{colour}" stroke-width="3"/>')
        text.append(
            f'<text x="{at + 23}" y="{TOP + 8}" font-family="sans-serif" font-size="12">{escape(name)}</text>'
        )
        at += 40 + 7 * len(name)
    return "".join(text)


def _smooth(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Exponential moving average, corrected for its start as in Adam."""
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out


def _thinned(values: Sequence[float], most: int = 300) -> list[tuple[int, float]]:
    """At most `most` + 1 of the points, the last one among them."""
    stride = max(1, math.ceil(len(values) / most))
    kept = [(i, values[i]) for i in range(0, len(values), stride)]
    return [*kept, (len(values) - 1, values[-1])] if values else []
