"""Is this value the expected one and, if not, in what way does it differ?"""

from __future__ import annotations

import math
from itertools import chain, repeat, zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor

MISSING = object()


def shape(tensor: Tensor) -> str:
    """A tensor's shape as it is written in code: "(2, 5)"."""
    return str(tuple(tensor.shape))


def describe(value: Any) -> str:
    """A value in a few words: "a float32 tensor of shape (2, 5)"."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {shape(value)}"
    if value is None:
        return "None"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def alike(got: Any, expected: Any) -> Any:
    """The value in the types of the expected one where nothing is lost by it.

    A tuple is as good as a list, an array or a tensor as the numbers in it, and 2 as 2.0.
    """
    if isinstance(expected, Tensor):
        return got
    if isinstance(got, (Tensor, np.ndarray, np.generic)):
        got = got.tolist()
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        examples = chain(expected, repeat(expected[-1] if expected else None))
        return type(expected)(alike(*pair) for pair in zip(got, examples, strict=False))
    if isinstance(expected, float) and type(got) is int:
        return float(got) if abs(got) < 1 << 1000 else math.inf
    return got


def same(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values agree: numbers with a point within `tolerance`, anything else exactly."""
    if isinstance(expected, Tensor):
        return _same_tensors(got, expected, tolerance)
    if type(got) is not type(expected):
        return False
    if isinstance(expected, (list, tuple)):
        pairs = zip_longest(got, expected, fillvalue=MISSING)
        return all(g is not MISSING and same(g, e, tolerance) for g, e in pairs)
    if isinstance(expected, float):
        close = math.isclose(got, expected, rel_tol=0, abs_tol=tolerance)
        return close or (math.isnan(got) and math.isnan(expected))
    return got == expected


def _same_tensors(got: Any, expected: Tensor, tolerance: float) -> bool:
    if not isinstance(got, Tensor) or got.shape != expected.shape or got.is_complex():
        return False
    if not expected.is_floating_point():
        return got.dtype == expected.dtype and torch.equal(got, expected)
    return torch.allclose(got.double(), expected.double(), rtol=0, atol=tolerance, equal_nan=True)


def form(got: Any, expected: Any, letters: str) -> str:
    """What is wrong with the form of an answer (its type, shape or precision), or "" when nothing is."""
    if not isinstance(expected, Tensor):
        return _plain_form(got, expected, letters)
    if got is None:
        return "Your function returned None. Its last line should be `return` and the result."
    if not isinstance(got, Tensor):
        return f"Wanted a tensor ({letters}), got {describe(got)}."
    if got.shape != expected.shape:
        return f"Wanted shape {shape(expected)}, that is ({letters}), got {shape(got)}."
    if got.dtype != expected.dtype:
        return (
            f"Wanted {expected.dtype}, got {got.dtype}. The answer keeps the precision of its input: "
            "create new tensors with dtype=x.dtype, or with x.new_zeros and its relatives."
        )
    return ""


def _plain_form(got: Any, expected: Any, letters: str) -> str:
    if got is None:
        return (
            f"Wanted {letters}, got None, which is what a function gives that meets no `return`. Is its last "
            "line `return` and the result? Did a loop end without finding anything?"
        )
    if isinstance(expected, tuple) and isinstance(got, tuple) and len(got) != len(expected):
        return f"Wanted {letters}, which are {len(expected)} values; got {len(got)}."
    place, value, kind = _misfit(got, expected)
    if kind is None:
        return ""
    where = f"the entry at {place} is {describe(value)}" if place else f"got {describe(value)}"
    return f"Wanted {letters}, {'but ' if place else ''}{where}.{_remedy(value, kind)}"


def _misfit(got: Any, expected: Any, place: str = "") -> tuple[str, Any, type | None]:
    """Place, value and wanted type of the first entry that has another type; None counts as a value."""
    if type(got) is not type(expected):
        return place, got, type(expected)
    if not isinstance(expected, (list, tuple)) or not expected:
        return place, got, None
    examples = chain(expected, repeat(expected[-1]))
    for i, (g, e) in enumerate(zip(got, examples, strict=False)):
        if g is not None and e is not None and (misfit := _misfit(g, e, f"{place}[{i}]"))[2]:
            return misfit
    return place, got, None


def _remedy(value: Any, kind: type) -> str:
    if kind is int and isinstance(value, float):
        return " Whole numbers stay whole with `//`; `/` makes a number with a point, which is not exact."
    if kind is list and hasattr(value, "__iter__"):
        return " `list(...)` makes a list of anything that can be looped over."
    if kind is str and isinstance(value, tuple):
        return " `findall` returns what the parentheses of a pattern hold: group with `(?:...)`."
    return ""


def parting(got: Any, expected: Any, tolerance: float) -> tuple[tuple[int, ...], Any, Any]:
    """Where two different values of one form part: the place, and what stands there, got and expected.

    What one of them does not have there is `MISSING`. A text inside a list counts as one entry.
    """
    place: tuple[int, ...] = ()
    sequences = (list, tuple, str, bytes)
    while type(got) is type(expected) and isinstance(expected, sequences):
        pairs = enumerate(zip_longest(got, expected, fillvalue=MISSING))
        i, (got, expected) = next((i, p) for i, p in pairs if not same(*p, tolerance))
        place, sequences = (*place, i), (list, tuple)
    return place, got, expected


def brackets(place: tuple[int, ...]) -> str:
    """A place as it is written in code: "[1][3]"."""
    return "".join(f"[{i}]" for i in place)


def difference(got: Any, expected: Any, tolerance: float = 0.0) -> str:
    """The place where two values of one form differ most, or first: expected against got."""
    if not isinstance(expected, Tensor):
        return _plain_difference(got, expected, tolerance)
    if got.is_floating_point() and not got.isfinite().all():
        bad = (~got.isfinite()).nonzero().tolist()
        return f"The entry at {tuple(bad[0])} is {got[tuple(bad[0])].item()} ({len(bad)} such entries)."
    gap = (got.double() - expected.double()).abs()
    place = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape)) if gap.ndim else ()
    want, have = expected[place].item(), got[place].item()
    wrong = int((gap > gap.max() / 1000).sum())
    if expected.is_floating_point():
        want, have = f"{want:.4f}", f"{have:.4f}"
    return (
        f"The largest gap is at {place}: wanted {want}, got {have} ({wrong} of {gap.numel()} entries differ)."
    )


def _plain_difference(got: Any, expected: Any, tolerance: float) -> str:
    place, have, want = parting(got, expected, tolerance)
    where = f"The first difference is at {brackets(place)}: wanted" if place else "Wanted"
    return f"{where} {entry(want)}, got {entry(have)}."


def entry(value: Any, most: int = 60) -> str:
    """One entry of a plain value, short enough to be shown."""
    if value is MISSING:
        return "nothing more"
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
