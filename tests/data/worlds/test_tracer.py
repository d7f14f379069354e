import math
from collections import Counter

import pytest

from tinygpt.data.worlds.tracer import Tracer


def test_nats_of_even_and_uneven_choices_add_up():
    tracer = Tracer(0)
    tracer.pick("abcd")
    chosen = tracer.pick("xy", weights=[3, 1])
    assert tracer.nats == pytest.approx(math.log(4) - math.log({"x": 0.75, "y": 0.25}[chosen]))


def test_choices_come_as_often_as_their_probability_says():
    counts, surprise = Counter(), {}
    for seed in range(20_000):
        tracer = Tracer(seed)
        chosen = tracer.pick("xyz", weights=[0.5, 0.3, 0.2]), tracer.pick("ab")
        counts[chosen] += 1
        surprise[chosen] = tracer.nats
    assert len(counts) == 6
    for chosen, nats in surprise.items():
        assert abs(counts[chosen] / 20_000 - math.exp(-nats)) < 0.01


def test_a_sample_has_no_repeats_and_costs_its_order():
    tracer = Tracer(1)
    assert len(set(tracer.sample("abcde", 3))) == 3
    assert tracer.nats == pytest.approx(math.log(5 * 4 * 3))


def test_only_one_option_is_free():
    tracer = Tracer(0)
    tracer.tell("anything", name="ada")
    assert tracer.nats == 0 and tracer.events == [("anything", 0, {"name": "ada"})]
