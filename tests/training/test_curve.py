"""The curve as a browser reads it: valid, named, in place, whatever the numbers."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tinygpt.training.curve import BOTTOM, LEFT, RIGHT, TOP, H, W, loss_curve

SVG = "{http://www.w3.org/2000/svg}"
NAN = math.nan


def drawn(losses=(3.0, 2.0, 1.0), *, title: str = "a run", **options) -> ElementTree.Element:
    return ElementTree.fromstring(loss_curve(losses, title=title, **options))


def texts(svg: ElementTree.Element) -> dict[str, tuple[float, float]]:
    return {t.text or "": (float(t.get("x", 0)), float(t.get("y", 0))) for t in svg.iter(f"{SVG}text")}


def curves(svg: ElementTree.Element) -> list[list[tuple[float, float]]]:
    lines = [line.get("points", "").split() for line in svg.iter(f"{SVG}polyline")]
    return [[tuple(map(float, point.split(","))) for point in line] for line in lines]


def test_the_curve_is_where_the_axes_say() -> None:
    svg = drawn([4.0, 3.0, 2.0, 1.0], total=10)
    raw = curves(svg)[0]
    names = texts(svg)
    assert raw[0][0] == pytest.approx(LEFT + (W - LEFT - RIGHT) * 0.1, abs=0.1)
    assert raw[1][0] == pytest.approx(names["2"][0], abs=0.1)  # the tick of step 2
    for (_, y), loss in zip(raw, "4321", strict=True):
        tick = next(place for place in places(svg, loss) if place[0] < LEFT)
        assert y == pytest.approx(tick[1] - 4, abs=0.11)


def places(svg: ElementTree.Element, text: str) -> list[tuple[float, float]]:
    found = [t for t in svg.iter(f"{SVG}text") if t.text == text]
    return [(float(t.get("x", 0)), float(t.get("y", 0))) for t in found]


LONG = {f"ruler {i}": 3.0 - i / 100 for i in range(6)}


@pytest.mark.parametrize(
    "ruler", [{"uniform": 5.2, "bigram": 3.9}, LONG, {"a": 0.01, "b": 0.0, "c": 0.02, "d": 3.0}], ids=len
)
def test_ruler_names_are_all_there_and_do_not_overlap(ruler: dict[str, float]) -> None:
    svg = drawn(ruler=ruler)
    found = {name: place for name, place in texts(svg).items() if place[0] > W - RIGHT}
    assert set(found) == {f"{name} {value:.2f}" for name, value in ruler.items()}
    heights = sorted(y for _, y in found.values())
    assert all(b - a >= 12.9 for a, b in pairwise(heights))
    assert heights[0] > 0 and heights[-1] <= H
    dashed = [p for p in svg.iter(f"{SVG}path") if p.get("stroke-dasharray")]
    assert len(dashed) == len(ruler)


NUMBERS = [
    *([], [2.0], [2.0, 2.0, 2.0], [0.0, 0.0], [-3.0, -4.0], [1e30, 1.0]),
    *([NAN], [NAN, 2.0, NAN, 1.0], [math.inf, 2.0]),
]


@pytest.mark.parametrize("losses", NUMBERS, ids=str)
def test_any_numbers_give_a_valid_picture_within_its_frame(losses: list[float]) -> None:
    svg = drawn(losses)
    assert "nan" not in (source := ElementTree.tostring(svg, "unicode")) and "inf" not in source
    for x, y in (point for curve in curves(svg) for point in curve):
        assert LEFT - 0.1 <= x <= W - RIGHT + 0.1 and TOP - 0.1 <= y <= H - BOTTOM + 0.1


def test_a_nan_leaves_the_smooth_curve_after_it() -> None:
    smooth = curves(drawn([3.0, NAN, 2.0, 1.0]))[1]
    assert [round((x - LEFT) / (W - LEFT - RIGHT) * 4) for x, _ in smooth] == [1, 3, 4]


def test_title_and_names_are_escaped() -> None:
    svg = drawn(title='a < b & "c"', ruler={"<r>": 1.0}, measured={"<loss>": [(0, 1.0), (3, 2.0)]})
    assert svg.find(f"{SVG}title").text == 'a < b & "c"'
    assert {'a < b & "c"', "<r> 1.00", "<loss>"} <= set(texts(svg))


def test_measurements_are_drawn_beside_the_loss() -> None:
    without, svg = drawn(), drawn(measured={"val loss": [(0, 3.0), (3, 1.5)]})
    assert len(curves(svg)) == len(curves(without)) + 1
    assert [x for x, _ in curves(svg)[-1]] == [LEFT, W - RIGHT]


def test_a_long_run_is_thinned_but_keeps_its_ends_and_stays_quick() -> None:
    losses = [3 + 1 / (i + 1) for i in range(100_000)]
    started = time.perf_counter()
    raw = curves(drawn(losses))[0]
    assert time.perf_counter() - started < 1.0
    assert len(raw) <= 301
    assert (raw[0][0], raw[-1][0]) == (pytest.approx(LEFT, abs=0.1), W - RIGHT)
