from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest

from tinygpt.publish.mathml import mathml, with_mathml

ROOT = Path(__file__).resolve().parents[2]


def read(formula: str) -> ET.Element:
    """The formula as a tree, without the signs that only a browser has names for."""
    return ET.fromstring(re.sub(r"&(?!lt;|gt;|amp;)\w+;", "", formula))


def names(formula: str) -> list[str]:
    return [element.tag.rpartition("}")[2] for element in read(formula).iter()]


def test_a_function_stands_apart_from_what_it_is_applied_to() -> None:
    made = mathml(r"\log p")
    assert re.search(r"<mspace|lspace", made), made


def test_a_formula_becomes_one_line_of_mathml() -> None:
    made = mathml(r"\frac{a}{\sqrt K}", block=True)
    assert "\n" not in made and 'display="block"' in made
    assert {"mfrac", "msqrt"} <= {*names(made)}


def test_an_underscore_in_text_shows_without_its_backslash() -> None:
    (text,) = re.findall(r"<mtext>(.*?)</mtext>", mathml(r"x + \text{attn\_norm}(x)"))
    assert text == "attn_norm"


def test_code_keeps_its_dollars() -> None:
    text = "`$HOME` costs $x_1$ and\n```sh\necho $a $b\n```\n$$y$$"
    done = with_mathml(text)
    assert "`$HOME`" in done and "echo $a $b" in done and done.count("<math") == 2


def test_prices_are_no_formulas() -> None:
    assert with_mathml("between $5 and $7 each") == "between $5 and $7 each"


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(ValueError, match=r"This formula cannot be read: .*x_a_b"):
        mathml("x_a_b")


NOTEBOOKS = sorted(ROOT.glob("*/[01]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_formula_of_the_course_can_be_read(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    done = "\n".join(map(with_mathml, cells))
    prose = re.sub(r"`[^`]*`|```.*?```", "", done, flags=re.DOTALL)
    assert not re.search(r"\\(?:text|frac|sum|sqrt|log)\b", prose)
    for formula in re.findall(r"<math.*?</math>", done):
        assert "\\" not in "".join(read(formula).itertext())
