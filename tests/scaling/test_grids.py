"""The sweeps of the chapter, and the results of them that are shipped."""

from __future__ import annotations

import statistics

import pytest

from tinygpt.scaling import GRIDS, Result, fit_chinchilla, shipped
from tinygpt.scaling.record import key

SHIPPED = ("almanac", "reveal", "repeats", "text", "widths", "batches")


def spreads(name: str, result: Result) -> dict[str, float]:
    """The standard deviation of each score over the seeds of a shipped run's setting."""
    setting = {**result.setting, "seed": None}
    seeds = [other.scores for other in shipped(name) if {**other.setting, "seed": None} == setting]
    scores = (key for key, score in result.scores.items() if isinstance(score, float))
    return {key: statistics.stdev(one[key] for one in seeds) for key in scores}


def cheapest(name: str) -> Result:
    """The quickest shipped run whose seeds agree: at too high a rate another rounding is another run."""
    return min(shipped(name), key=lambda r: (_wild(spreads(name, r), r.scores), r.seconds))


def _wild(spread: dict[str, float], scores: dict[str, float]) -> bool:
    return any(spread[key] > 0.2 * abs(scores[key]) for key in spread if key != "excess")


CHEAPEST = {name: cheapest(name) for name in SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_runs_are_those_of_the_grid_and_none_failed(name: str) -> None:
    grid, found = GRIDS[name], shipped(name)
    run = f"{grid.run.__module__}:{grid.run.__qualname__}"
    assert sorted(result.key for result in found) == sorted(key(run, setting) for setting in grid.settings)
    assert not any(result.error for result in found)


@pytest.mark.parametrize("name", [name for name, result in CHEAPEST.items() if result.seconds < 30])
def test_the_cheapest_shipped_run_can_be_made_again(name: str) -> None:
    """To 0.01; further off, where processors round differently, by half of what another seed changes."""
    result = CHEAPEST[name]
    off = {key: max(0.01, spread / 2) for key, spread in spreads(name, result).items()}
    again = GRIDS[name].run(result.setting)
    if again.get("sha256") != result.scores.get("sha256"):
        pytest.skip("the documentation of these versions differs from what the shipped runs read")
    assert again.keys() == result.scores.keys()
    for part, score in result.scores.items():
        assert again[part] == (pytest.approx(score, abs=off[part]) if part in off else score), part


def test_the_law_of_the_shipped_runs_holds_for_seeds_it_has_not_seen() -> None:
    by_seed: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for result in shipped("almanac"):
        by_seed[result.setting["seed"] < 3].append(result.scores)
    seen, unseen = ([[s[name] for s in part] for name in ("N", "D", "loss")] for part in by_seed.values())
    entropy = GRIDS["almanac"].entropy()
    law = fit_chinchilla(*seen)
    assert law.r_squared(*unseen, floor=entropy) > 0.98
    assert abs(law.E / entropy - 1) < 0.03


def test_the_grid_is_wide_enough_for_a_law() -> None:
    found = shipped("almanac")
    points = {(result.scores["N"], result.scores["D"]) for result in found}
    assert len(found) >= 40 and len({N for N, _ in points}) == 6
    losses = [
        [r.scores["loss"] for r in found if (r.scores["N"], r.scores["D"]) == point] for point in points
    ]
    assert min(len(same) for same in losses) >= 3 and all(statistics.stdev(same) > 0 for same in losses)


def test_runs_that_are_not_shipped_are_named() -> None:
    with pytest.raises(ValueError, match=r"shipped runs of .*almanac.*; got 'ocean'"):
        shipped("ocean")
