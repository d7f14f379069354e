"""Laws of scaling: found again from points made by them, with intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tinygpt.scaling import Chinchilla, bootstrap, envelope, fit_chinchilla, fit_power, isoflop, resampled
from tinygpt.scaling.laws import FLOPS, Power

HOFFMANN = Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(4e7, 1.6e10, 9), np.geomspace(5e9, 5e11, 9)))


def noisy(law: Chinchilla, size: float, seed: int = 0) -> np.ndarray:
    return law.loss(N, D) * np.exp(size * np.random.default_rng(seed).normal(size=N.size))


# Chinchilla


def test_the_published_law_is_found_again_from_its_own_points() -> None:
    found = fit_chinchilla(N, D, HOFFMANN.loss(N, D))
    for name, near in {"E": 1e-3, "A": 0.5, "B": 0.5, "alpha": 1e-4, "beta": 1e-4}.items():
        assert abs(getattr(found, name) - getattr(HOFFMANN, name)) < near


def test_the_law_of_tiny_models_is_found_too() -> None:
    law = Chinchilla(E=1.578, A=30, B=60, alpha=0.69, beta=0.55)
    sizes, tokens = (a.ravel() for a in np.meshgrid(np.geomspace(1e3, 6e4, 6), np.geomspace(3e4, 3e6, 6)))
    found = fit_chinchilla(sizes, tokens, law.loss(sizes, tokens))
    assert np.allclose(found._sum, law._sum, rtol=0.01)


def test_an_outlier_moves_the_law_less_than_least_squares_would() -> None:
    loss = HOFFMANN.loss(N, D)
    loss[40] *= 1.2
    robust = fit_chinchilla(N, D, loss)
    squares = fit_chinchilla(N, D, loss, delta=10.0)
    assert abs(robust.E - 1.69) < 0.005 < abs(squares.E - 1.69)


def test_a_loose_tolerance_ends_before_the_law_is_found() -> None:
    loss = HOFFMANN.loss(N, D)
    tight, loose = fit_chinchilla(N, D, loss), fit_chinchilla(N, D, loss, tolerance=1e-6)
    assert abs(tight.B / 410.7 - 1) < 0.01 and abs(loose.B / 410.7 - 1) > 0.2


def test_the_intervals_hold_the_truth_and_shrink_with_the_noise() -> None:
    wide, narrow = (fit_chinchilla(N, D, noisy(HOFFMANN, size), bootstrap=60) for size in (0.01, 0.001))
    for name in ("E", "alpha", "beta"):
        low, high = wide.interval(name, 0.98)
        assert low < getattr(HOFFMANN, name) < high
        within = narrow.interval(name, 0.98)
        assert within[1] - within[0] < 0.3 * (high - low)
    low, high = wide.interval(lambda law: law.optimal(1e23)[0], 0.98)
    assert low < HOFFMANN.optimal(1e23)[0] < high


def test_optimal_is_the_lowest_loss_of_its_budget() -> None:
    C = 5.76e23
    best, tokens = HOFFMANN.optimal(C)
    assert np.isclose(FLOPS * best * tokens, C)
    sizes = best * np.geomspace(0.5, 2, 101)
    losses = HOFFMANN.loss(sizes, C / FLOPS / sizes)
    assert sizes[losses.argmin()] == pytest.approx(best) and losses[50] < min(losses[0], losses[-1])


def test_r_squared_is_one_for_its_own_points_and_falls_with_noise() -> None:
    assert HOFFMANN.r_squared(N, D, HOFFMANN.loss(N, D)) == pytest.approx(1)
    scores = [HOFFMANN.r_squared(N, D, noisy(HOFFMANN, size), floor=1.5) for size in (0.001, 0.01, 0.03)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.999 > scores[1]
    with pytest.raises(ValueError, match="losses above the floor"):
        HOFFMANN.r_squared(N, D, HOFFMANN.loss(N, D), floor=3.0)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ((N[:5], D[:5], D[:5]), "6 points are needed"),
        ((N, D[:-1], N), "one length"),
        ((N, D, -N), "loss must be positive"),
        ((N, D, N * np.nan), "loss must be positive"),
        ((N * 0 + 1, D, N), "each take several values"),
    ],
)
def test_what_cannot_be_fitted_is_refused(bad: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_chinchilla(*bad)


def test_an_interval_needs_a_bootstrap() -> None:
    with pytest.raises(ValueError, match="bootstrap=200"):
        fit_chinchilla(N, D, HOFFMANN.loss(N, D)).interval("E")


# Powers


def test_a_power_is_found_with_its_floor_known_and_unknown() -> None:
    x, law = np.geomspace(1, 1e4, 12), Power(3.0, 0.4, 0.7)
    for floor in (0.7, None):
        found = fit_power(x, law(x), floor=floor)
        assert np.allclose([found.scale, found.exponent, found.floor], [3.0, 0.4, 0.7], rtol=1e-3)
    with pytest.raises(ValueError, match=r"above floor=0\.8 everywhere"):
        fit_power(x, law(x), floor=0.8)


# The bootstrap


def test_groups_are_drawn_whole() -> None:
    for rows in resampled(6, 20, groups=list("aabbcc")):
        assert len(rows) == 6 and all((rows == i).sum() == (rows == i + 1).sum() for i in (0, 2, 4))
    with pytest.raises(ValueError, match="label each of the 6 rows"):
        next(resampled(6, 1, groups="ab"))


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = [
        low < 0 < high
        for low, high in (bootstrap(np.mean, rng.normal(size=40), draws=200) for _ in range(200))
    ]
    assert 0.82 < np.mean(hits) < 0.96


# The frontier


def test_isoflop_finds_the_best_size_of_each_budget() -> None:
    budgets = np.repeat([1e20, 1e21, 1e22], 9)
    best = HOFFMANN.optimal(budgets)[0]
    sizes = best * np.tile(np.geomspace(0.5, 2, 9), 3)
    loss = HOFFMANN.loss(sizes, budgets / FLOPS / sizes)
    profiles = isoflop(budgets, sizes, loss)
    assert [p.C for p in profiles] == pytest.approx([1e20, 1e21, 1e22]) and all(p.inside for p in profiles)
    assert [p.N for p in profiles] == pytest.approx(best[::9], rel=0.02)
    assert [p.loss for p in profiles] == pytest.approx(loss.reshape(3, 9).min(1), rel=1e-3)


def test_a_lowest_point_beyond_the_runs_says_so_and_a_hill_is_refused() -> None:
    C, sizes = np.full(4, 1e20), np.geomspace(1e7, 1e8, 4)
    assert not isoflop(C, sizes, HOFFMANN.loss(sizes, C / FLOPS / sizes))[0].inside
    with pytest.raises(ValueError, match="no lowest point"):
        isoflop(C, sizes, [2.0, 3.0, 3.0, 2.0])
    with pytest.raises(ValueError, match="needs three sizes"):
        isoflop(C, sizes * 0 + 1, [2.0, 3.0, 3.0, 2.0])


def test_the_envelope_holds_what_nothing_as_cheap_beats() -> None:
    assert envelope([3, 1, 2, 2, 4], [2.0, 5.0, 4.0, 3.0, 2.5]).tolist() == [1, 3, 0]
