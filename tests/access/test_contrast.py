"""Text stands out 4.5 to 1, what is drawn 3 to 1, in both themes, by the colours that are set in the code."""

from __future__ import annotations

import re
from importlib import resources
from itertools import product
from pathlib import Path

import nbformat
import pytest
from views.pages import contrast

from tinygpt.grading import excerpt, markup, picture
from tinygpt.views import _cells_figure

ROOT = Path(__file__).parents[2]
HEX = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b")
PAGES = {"light": "#ffffff", "dark": "#111111"}  # JupyterLab's two
# Okabe and Ito (2008): told apart by all kinds of colour vision.
OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def script(name: str) -> str:
    return resources.files("tinygpt.views").joinpath(f"{name}.js").read_text(encoding="utf-8")


def theme(name: str, dark: bool) -> dict[str, str]:
    """The colours that a view's script sets, in one theme; the dark one changes some of them."""
    sheets = re.findall(r":?host(\(\[data-dark\]\))?\{([^}]*--[^}]*)\}", script(name))
    chosen = [body for is_dark, body in sheets if dark or not is_dark]
    return dict(re.findall(rf"--([\w-]+):({HEX.pattern})", ";".join(chosen)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_colours_of_all_views(dark: bool) -> None:
    colours = theme("host", dark)
    assert {"ink", "soft", "paper", "masked", "query", "key", "fill"} <= set(colours)
    for ink, ground in product(("ink", "soft"), ("paper", "masked")):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["ink"], colours["fill"]) >= 4.5
    pressed = "#0b0e11" if dark else "#fff"
    assert pressed in script("host") and contrast(colours["query"], pressed) >= 4.5
    for drawn in ("query", "key"):
        assert contrast(colours[drawn], colours["paper"]) >= 3
        assert contrast(colours[drawn], colours["masked"]) >= 3


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_lines_and_parts(dark: bool) -> None:
    paper = theme("host", dark)["paper"]
    lines = HEX.findall(script("host").split("export const LINES = ")[1].splitlines()[0])
    assert tuple(lines) == _cells_figure.LINES and len(lines) == 4
    parts = {f"--{name}": colour for name, colour in theme("model_map", dark).items()}
    assert len(parts) >= 6
    for colour in (*lines, *parts.values()):
        assert contrast(colour, paper) >= 3, colour


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_results_and_quizzes(page: str) -> None:
    for colour in (markup.GOOD, markup.BAD):
        assert contrast("#ffffff", colour) >= 4.5
        assert contrast(colour, page) >= 3
        assert colour in markup.mark("word", colour == markup.GOOD)
    assert contrast(HEX.findall(excerpt.PARTS)[0], page) >= 3


def test_a_heat_map_is_readable_all_along() -> None:
    for step in range(257):
        colour = picture._colour(step / 256, 0.0, 1.0)
        ink = {"black": "#000000", "white": "#ffffff"}[picture._ink(colour)]
        assert contrast(ink, colour) >= 4.5


def test_chapters_draw_in_colours_for_all_eyes() -> None:
    """Okabe–Ito's, greys, and cividis where there is a scale."""
    typed, maps = set(), set()
    for path in (ROOT / "course").glob("*.ipynb"):
        code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
        typed |= {colour.upper() for colour in re.findall(rf'"({HEX.pattern})"', code)}
        maps |= set(re.findall(r'cmap="(\w+)"|plt\.cm\.(\w+)', code))
    assert {name for pair in maps for name in pair if name} == {"cividis"}
    grey = {colour for colour in typed if len({colour[1:3], colour[3:5], colour[5:7]}) == 1}
    assert typed - grey <= OKABE_ITO and len(typed) > 6
