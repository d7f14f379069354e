import dataclasses
from itertools import islice

import pytest

from tinygpt.data import Stream


def test_iterates_from_zero_every_time():
    stream = Stream(lambda i: i)
    assert list(islice(stream, 3)) == list(islice(stream, 3)) == [0, 1, 2]


def test_skip_goes_straight_there():
    made = []
    stream = Stream(lambda i: made.append(i) or i).skip(1000).skip(5)
    assert (next(iter(stream)), stream[2]) == (1005, 1007)
    assert made == [1005, 1007]


def test_iterators_do_not_disturb_each_other():
    stream = Stream(lambda i: i)
    first, second = iter(stream), iter(stream)
    assert [next(first), next(first), next(second)] == [0, 1, 0]


@pytest.mark.parametrize("n", [-1, -7])
def test_no_going_back(n):
    with pytest.raises(ValueError, match="batch 0 or later"):
        Stream(lambda i: i).skip(n)
    with pytest.raises(IndexError, match="no end"):
        Stream(lambda i: i)[n]


def test_is_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Stream(lambda i: i).start = 3
