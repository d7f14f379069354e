"""Plain answers: what counts as the same, as the right form, and where two of them part."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tinygpt.grading.compare import MISSING, alike, difference, form, parting, same


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ((1, 2), [1, 2]),
        ([[1, 2], [3]], ((1, 2), [3])),
        (np.array([1, 2]), [1, 2]),
        (torch.tensor([[1.0], [2.0]]), [[1.0], [2.0]]),
        (np.float32(0.5), 0.5),
        (torch.tensor(0.5), 0.5),
        ([np.int64(3), np.int64(4)], [3, 4]),
        (2, 2.0),
        ([1, 0.5], [1.0, 0.5]),
        ((None, [(1,)]), (None, [[1]])),
        (np.str_("a"), "a"),
        ([], []),
    ],
)
def test_what_loses_nothing_is_as_good(got, expected):
    got = alike(got, expected)
    assert same(got, expected, 1e-6) and form(got, expected, "it") == ""


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (2.0, 2),
        (True, 1),
        ("12", [1, 2]),
        ({1, 2}, [1, 2]),
        (iter([1]), [1]),
        (bytearray(b"a"), "a"),
        ("a", b"a"),
        ([1, 2, 3], [1, 2]),
        ([1], [1, 2]),
        (["A"], ["a"]),
        ("a ", "a"),
        ("A", "a"),
        (10**400, 1.0),
        (0.5 + 1e-5, 0.5),
        (math.nan, 0.5),
        ([None], [1]),
    ],
)
def test_what_differs_is_not_the_same(got, expected):
    assert not same(alike(got, expected), expected, 1e-6)


def test_numbers_that_are_none_are_the_same():
    assert same([math.nan, math.inf], [math.nan, math.inf], 0.0)


@pytest.mark.parametrize(
    ("got", "expected", "says"),
    [
        (None, [1], "got None"),
        (2.0, 2, "got float 2.0. Whole numbers stay whole with `//`"),
        ((1, 2, 3), (1, 2), "2 values; got 3"),
        ([1, 2.5], [1, 2], "the entry at [1] is float 2.5"),
        ([("a", "")], ["a"], "group with `(?:...)`"),
        (map(str, [1]), ["1"], "`list(...)` makes a list"),
        ((None, 5), (None, [[1]]), "the entry at [1] is int 5"),
    ],
)
def test_a_wrong_form_is_told_with_its_place(got, expected, says):
    assert says in form(got, expected, "this")


def test_a_longer_list_has_the_right_form():
    assert form([1, 2, 3], [1], "ids") == "" and form([1], [], "ids") == ""
    assert form((None, []), ((1, 2), []), "both") == ""


@pytest.mark.parametrize(
    ("got", "expected", "place", "have", "want"),
    [
        ([1, 2, 3], [1, 5, 3], (1,), 2, 5),
        ([1], [1, 2], (1,), MISSING, 2),
        ((1, [[7], [8, 9]]), (1, [[7], [8, 8]]), (1, 1, 1), 9, 8),
        (["ab", "c"], ["abc"], (0,), "ab", "abc"),
        ("abc", "abd", (2,), "c", "d"),
        (0.5, 0.25, (), 0.5, 0.25),
        ([0.1, 0.2], [0.1 + 1e-9, 0.3], (1,), 0.2, 0.3),
    ],
)
def test_the_first_difference(got, expected, place, have, want):
    assert parting(got, expected, 1e-6) == (place, have, want)


def test_the_first_difference_is_told():
    assert difference(["a", "b"], ["a", "c", "d"]) == "The first difference is at [1]: wanted 'c', got 'b'."
    assert difference([1], [1, 2]) == "The first difference is at [1]: wanted 2, got nothing more."
    assert difference(0.123456789, 2.0) == "Wanted 2, got 0.123457."
    assert len(difference("a" * 99, "b" * 99)) < 100
