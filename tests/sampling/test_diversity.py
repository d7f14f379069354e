import pytest

from tinygpt.sampling import distinct


def test_it_counts_runs_within_and_between_texts():
    assert distinct([[1, 2, 3], [1, 2, 4]], n=2) == 3 / 4
    assert distinct([[1, 2], [3, 4]], n=2) == 1  # no run spans two texts
    assert distinct([[7] * 10], n=4) == 1 / 7


def test_texts_that_are_too_short_have_no_runs():
    assert distinct([[1, 2]], n=4) == distinct([], n=4) == 0


@pytest.mark.parametrize(("texts", "n"), [(["a b c"], 2), ([[1, 2]], 0)])
def test_it_complains_about_strings_and_empty_runs(texts, n):
    with pytest.raises(ValueError, match=r"text\.split"):
        distinct(texts, n)
