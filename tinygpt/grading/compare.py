"""Is this value the expected one and, if not, in what way does it differ?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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


def same(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values agree: tensors of one shape within `tolerance`, anything else exactly.

    In words neither capitals nor blanks around them count.
    """
    if isinstance(expected, str) and isinstance(got, str):
        return got.strip().casefold() == expected.strip().casefold()
    if not isinstance(expected, Tensor):
        return type(got) is type(expected) and got == expected
    if not isinstance(got, Tensor) or got.shape != expected.shape or got.is_complex():
        return False
    if not expected.is_floating_point():
        return got.dtype == expected.dtype and torch.equal(got, expected)
    return torch.allclose(got.double(), expected.double(), rtol=0, atol=tolerance, equal_nan=True)


def form(got: Any, expected: Any, letters: str) -> str:
    """What is wrong with the form of an answer (its type, shape or precision), or "" when nothing is."""
    if not isinstance(expected, Tensor):
        kind = type(expected)
        return "" if type(got) is kind else f"Wanted a value of type {kind.__name__}, got {describe(got)}."
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


def difference(got: Any, expected: Any) -> str:
    """The place where two values of one form differ most: expected against got."""
    if not isinstance(expected, Tensor):
        return f"{got!r} is not the answer."  # and the answer is not told
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
