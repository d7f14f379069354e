"""Two small matrices side by side, expected and got, as heat maps without any plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

# Five stops of the cividis colour map, which reads the same to colour-blind eyes.
CIVIDIS = ((0, 34, 78), (65, 77, 107), (124, 123, 120), (188, 174, 108), (254, 232, 56))
LARGEST = 24


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
        panels = "".join(
            f'<figure style="display: inline-block; margin: 4px 16px 4px 0">'
            f"<figcaption>{title}<code>{self.where}</code></figcaption>"
            f"{_svg(rows, title, low, high)}</figure>"
            for title, rows in (("wanted", self.expected), ("got", self.got))
        )
        key = f"dark {_number(low)}, bright {_number(high)}, white: not a number"
        return f"<div>{panels}<div><small>{key}</small></div></div>"


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.double().tolist())


def _number(x: float) -> str:
    return f"{x:.2f}".removesuffix(".00")


def _svg(rows: tuple[tuple[float, ...], ...], title: str, low: float, high: float) -> str:
    height, width = len(rows), len(rows[0])
    side = max(8, min(28, 220 // max(height, width)))
    cells = "".join(
        f'<rect x="{j * side}" y="{i * side}" width="{side}" height="{side}" fill="{_colour(x, low, high)}">'
        f"<title>row {i}, column {j}: {_number(x)}</title></rect>"
        for i, row in enumerate(rows)
        for j, x in enumerate(row)
    )
    return (
        f'<svg role="img" aria-label="{title}: {height} rows, {width} columns" width="{width * side}" '
        f'height="{height * side}" stroke="white" stroke-width="0.5">{cells}</svg>'
    )


def _colour(x: float, low: float, high: float) -> str:
    if not isfinite(x):
        return "white"
    at = (x - low) / (high - low or 1.0) * (len(CIVIDIS) - 1)
    left = min(int(at), len(CIVIDIS) - 2)
    mix = [round(a + (b - a) * (at - left)) for a, b in zip(CIVIDIS[left], CIVIDIS[left + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mix)
