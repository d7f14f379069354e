"""Two small matrices side by side, expected and got, as heat maps without any plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

# Five stops of the cividis colour map, which reads the same to colour-blind eyes.
CIVIDIS = ((0, 34, 78), (65, 77, 107), (124, 123, 120), (188, 174, 108), (254, 232, 56))
LARGEST = 12


@dataclass(frozen=True)
class Picture:
    """What was expected and what came, as two matrices of one shape."""

    expected: tuple[tuple[float, ...], ...]
    got: tuple[tuple[float, ...], ...]
    where: str

    @staticmethod
    def of(got: Any, expected: Any) -> Picture | None:
        """A picture of the place where two tensors differ most, or None where none would help."""
        if not (isinstance(got, Tensor) and isinstance(expected, Tensor) and got.shape == expected.shape):
            return None
        if (
            got.is_complex()
            or expected.ndim < 2
            or max(expected.shape[-2:]) > LARGEST
            or expected.numel() == 0
        ):
            return None
        gap = (got.double() - expected.double()).abs().nan_to_num(nan=torch.inf).flatten(-2).amax(-1)
        place = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape)) if gap.ndim else ()
        where = f"[{', '.join(map(str, place))}]" if place else ""
        return Picture(_rows(expected[place]), _rows(got[place]), where)

    def __str__(self) -> str:
        width = max(len(_number(x)) for row in (*self.expected, *self.got) for x in row)
        lines = []
        for title, rows in (("wanted", self.expected), ("got", self.got)):
            lines.append(f"{title}{self.where}")
            lines += ["  " + " ".join(_number(x).rjust(width) for x in row) for row in rows]
        return "\n".join(lines)

    def html(self) -> str:
        finite = [x for row in (*self.expected, *self.got) for x in row if isfinite(x)]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        panels = (("wanted", self.expected), ("got", self.got))
        return "".join(_table(f"{title}{self.where}", rows, low, high) for title, rows in panels)


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.double().tolist())


def _number(x: float) -> str:
    return f"{x:.2f}".removesuffix(".00") if abs(x) < 1e6 or not isfinite(x) else f"{x:.1e}"


def _table(title: str, rows: tuple[tuple[float, ...], ...], low: float, high: float) -> str:
    """A table, not a drawing: it can be read aloud, and survives where a notebook is not trusted."""
    body = "".join(f"<tr>{''.join(_cell(x, low, high) for x in row)}</tr>" for row in rows)
    style = "display: inline-table; margin: 4px 16px 4px 0; border-collapse: collapse"
    return f'<table style="{style}"><caption style="text-align: left">{title}</caption>{body}</table>'


def _cell(x: float, low: float, high: float) -> str:
    colour = _colour(x, low, high)
    style = f"background-color: {colour}; color: {_ink(colour)}; padding: 4px; font-size: 10px"
    return f'<td style="{style}; text-align: right">{_number(x)}</td>'


def _colour(x: float, low: float, high: float) -> str:
    if not isfinite(x):
        return "#ffffff"
    at = (x / 2 - low / 2) / (high / 2 - low / 2 or 1.0) * (len(CIVIDIS) - 1)  # no gap is infinite
    left = min(int(at), len(CIVIDIS) - 2)
    mix = [round(a + (b - a) * (at - left)) for a, b in zip(CIVIDIS[left], CIVIDIS[left + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mix)


def _ink(colour: str) -> str:
    """Black or white, whichever stands out more; where they change, both have a contrast of 4.6."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    light = sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if light > 0.179 else "white"
