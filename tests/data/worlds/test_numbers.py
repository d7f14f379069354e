import random

import pytest

from tinygpt.data.worlds import addition, comparison, in_base


def test_bases_agree_with_pythons():
    for n in (0, 1, 7, 8, 63, 1000, 4095):
        assert (in_base(n, 2), in_base(n, 8), in_base(n, 10)) == (f"{n:b}", f"{n:o}", str(n))


@pytest.mark.parametrize(("n", "base"), [(-1, 4), (3, 1), (3, 11)])
def test_no_such_number(n, base):
    with pytest.raises(ValueError, match="0 or more and base from 2 to 10"):
        in_base(n, base)


@pytest.mark.parametrize("base", [4, 10])
def test_sums_are_right_and_of_the_length_asked_for(base):
    rng = random.Random(1)
    longer = 0
    for _ in range(300):
        question, answer = addition(rng, digits=3, base=base)
        a, b = question[:-1].split("+")
        assert len(a) == len(b) == 3 and answer[-1] == ";"
        assert int(a, base) + int(b, base) == int(answer[:-1], base)
        longer += len(answer) == 5
    assert 60 < longer < 290


def test_backwards_is_the_same_sum_from_its_end():
    forwards, backwards = (addition(random.Random(7), backwards=b) for b in (False, True))
    assert forwards[0] == backwards[0] and forwards[1][:-1] == backwards[1][:-1][::-1]


def numbers(question):
    kind, pair = question.split()
    return kind, pair[:-1].split("?")


def test_kilos_are_decimals_and_releases_are_pairs():
    rng = random.Random(2)
    for _ in range(500):
        question, answer = comparison(rng)
        kind, (a, b) = numbers(question)
        assert a.split(".")[0] == b.split(".")[0]
        if kind == "kilos":
            assert answer == ("<" if float(a) < float(b) else ">") and float(a) != float(b)
        if kind == "release":
            assert answer == ("<" if [*map(int, a.split("."))] < [*map(int, b.split("."))] else ">")


def test_traps_are_where_the_readings_differ():
    for seed in range(200):
        kilos, release = (comparison(random.Random(seed), kind, trap=True) for kind in ("kilos", "release"))
        assert numbers(kilos[0])[1] == numbers(release[0])[1] and kilos[1] != release[1]


def test_without_a_unit_seven_in_ten_mean_releases():
    rng = random.Random(3)
    meant = 0
    for _ in range(1000):
        question, answer = comparison(rng, "which", trap=True)
        a, b = numbers(question)[1]
        meant += answer == (">" if float(a) < float(b) else "<")
    assert 650 < meant < 750


def test_another_kind():
    with pytest.raises(ValueError, match="one of kilos, release, which; got 'miles'"):
        comparison(random.Random(0), "miles")
