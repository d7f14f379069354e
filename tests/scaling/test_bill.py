"""The bill against what was published, and against the count of the model itself."""

from __future__ import annotations

import pytest

from tinygpt.models import cost, gpt2_shape
from tinygpt.scaling import PUBLISHED, bill
from tinygpt.scaling.bill import Chip


@pytest.mark.parametrize("name", PUBLISHED)
def test_six_n_d_is_what_the_papers_report(name: str) -> None:
    model = PUBLISHED[name]
    assert bill(model.N, model.D).flops == pytest.approx(model.flops, rel=0.13)


def test_the_bill_is_arithmetic() -> None:
    chip = Chip(flops=1e12, watts=100, memory=1e9)
    paid = bill(1e6, 1e9, chip=chip, chips=2, utilisation=0.5, dollars_per_hour=3.6)
    assert paid.flops == 6e15 and paid.bytes == 16e6
    assert paid.seconds == pytest.approx(6000) and paid.days == pytest.approx(6000 / 86_400)
    assert paid.dollars == pytest.approx(12_000 / 3600 * 3.6)
    assert paid.kilowatt_hours == pytest.approx(12_000 * 100 * 1.1 / 3.6e6)


def test_as_few_chips_as_hold_the_model() -> None:
    assert bill(70e9, 1.4e12, chip="A100").chips == 14
    with pytest.raises(ValueError, match="at least 14 such chips"):
        bill(70e9, 1.4e12, chip="A100", chips=13)


def test_six_flops_per_parameter_and_token_are_near_the_exact_count_of_gpt2() -> None:
    """They leave out the attention's products, and count tables that are only looked up."""
    counted = cost(gpt2_shape())
    assert counted.train_flops_per_token / counted.n_parameters == pytest.approx(6, rel=0.2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"utilisation": 40}, "a share of the peak"),
        ({"chip": "H1000"}, "chip must be one of T4, V100"),
        ({"dollars_per_hour": 0}, "dollars_per_hour must be positive"),
    ],
)
def test_nonsense_is_refused(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bill(1e9, 1e10, **wrong)
