"""The budget game: what runs cost, what can be refused, and a rule that rewards honest bets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinygpt.scaling import Bet, Chinchilla, Game, Result, fit_chinchilla, interval_score

LAW = Chinchilla(E=1.5, A=20.0, B=60.0, alpha=0.6, beta=0.5)


def run(N: int, D: int, seed: int, error: str = "", luck: float = 0.0) -> Result:
    """A made-up run: the law, some luck, and what the seed is good for."""
    loss = float(LAW.loss(N, D)) + 0.001 * (seed - 1) + luck
    return Result("test:run", {"N": N, "D": D, "seed": seed}, {"N": N, "D": D, "loss": loss}, error=error)


def game(luck: float = 0.0, credits: float = 100.0) -> Game:
    """Three budgets of three sizes and three seeds each, the later seeds first as a sweep may finish them."""
    kinds = [(N, C // N) for C in (10**8, 4 * 10**8, 16 * 10**8) for N in (1000, 4000, 16000)]
    lucks = luck * np.random.default_rng(0).normal(size=len(kinds))
    runs = [
        run(*kind, seed, luck=more) for kind, more in zip(kinds, lucks, strict=True) for seed in (2, 1, 0)
    ]
    runs.append(run(1000, 5, 0, error="lost"))
    reveal = [run(N, 16 * 10**9 // N, seed) for N in (4000, 16000) for seed in range(3)]
    return Game(runs, reveal, credits)


def test_prices_follow_the_flops() -> None:
    offers = game().offers()
    assert [(offer.N, offer.price) for offer in offers if offer.D * offer.N == 4 * 10**8] == [
        (1000, 8.0),
        (4000, 8.0),
        (16000, 8.0),
    ]
    assert {offer.price for offer in offers} == {2.0, 8.0, 32.0}
    assert {offer.left for offer in offers} == {3} and len(offers) == 9, "the run that failed is not sold"


def test_buying_takes_credits_and_gives_the_seeds_in_order() -> None:
    play = game()
    losses = [play.buy(1000, 100_000) for _ in range(2)]
    assert losses == [run(1000, 100_000, seed).scores["loss"] for seed in (0, 1)]
    assert play.credits == 96.0 and [result.setting["seed"] for result in play.bought] == [0, 1]
    assert play.offers()[0].left == 1


def spent(play: Game) -> None:
    for _ in range(3):
        play.buy(1000, 1_600_000)
    play.buy(16000, 100_000)


def sold_out(play: Game) -> None:
    for _ in range(4):
        play.buy(1000, 100_000)


def twice(play: Game) -> None:
    for _ in range(2):
        play.predict(1.6, 1.5, 1.7)


def late(play: Game) -> None:
    play.predict(1.6, 1.5, 1.7)
    play.buy(1000, 100_000)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (spent, "this run costs 32 credits and you have 4"),
        (sold_out, "all 3 runs of N=1,000 and D=100,000 are yours already"),
        (
            lambda play: play.buy(1000, 7),
            r"no run of N=1000 and D=7 .* there are \(1000, 100000\), ",
        ),
        (lambda play: play.buy(7, 7), "for sale; there are none of this N. See offers"),
        (lambda play: play.predict(1.6, 1.7, 1.5), "low=1.7, loss=1.6, high=1.5"),
        (lambda play: play.predict(1.8, 1.5, 1.7), "low ≤ loss ≤ high is needed"),
        (lambda play: play.predict(float("nan"), 1.5, 1.7), "low ≤ loss ≤ high is needed"),
        (lambda play: play.predict(1.6, 1.5, float("inf")), "must be finite"),
        (twice, "this game is over: its bet is made"),
        (late, r"Begin a new one with again\(\)"),
    ],
)
def test_what_the_rules_do_not_allow(act: Callable[[Game], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act(game())


def test_a_game_needs_runs() -> None:
    with pytest.raises(ValueError, match="needs runs to buy and runs to reveal"):
        Game([run(1000, 5, 0, error="lost")], [run(1000, 5, 0)])
    with pytest.raises(ValueError, match="needs six kinds of runs; 20 credits buy the baseline 4"):
        game(credits=20.0)


def test_the_verdict_weighs_single_runs() -> None:
    play = game()
    middle = float(LAW.loss(*play.target))
    verdict = play.predict(middle + 0.01, middle - 0.0005, middle + 0.02)
    assert play.verdict is verdict and verdict.losses == pytest.approx(
        (middle - 0.001, middle, middle + 0.001)
    )
    assert verdict.inside == pytest.approx(2 / 3)
    assert verdict.penalties[0] == pytest.approx(0.01 + 0.0205 + 20 * 0.0005 / 3)
    assert f"it is {middle:.4f}, with 2 of 3 runs inside: penalty 33.8 thousandths" in str(play)


def test_the_baseline_spreads_its_credits_and_trusts_the_law() -> None:
    play = game(luck=0.002)
    bet = play.baseline()
    assert play.bought == [] and play.credits == 100, "it plays with credits of its own"
    assert bet.low < bet.loss < bet.high
    assert bet.loss == pytest.approx(float(LAW.loss(*play.target)), abs=0.01)
    # Three runs at 2 credits, three at 8, two at 32; the third at 32 is too dear.
    first = [runs[0].scores for cell, runs in play._cells.items() if cell != (16_000, 100_000)]
    law = fit_chinchilla(*([scores[name] for scores in first] for name in ("N", "D", "loss")))
    assert bet.loss == pytest.approx(float(law.loss(*play.target)))


def test_a_new_game_is_about_another_run() -> None:
    play = game()
    play.predict(1.6, 1.5, 1.7)
    other = play.again()
    assert (other.credits, other.bought, other.verdict, other.round) == (100.0, [], None, 1)
    assert other.target != play.target and other.again().target == play.target
    reached = [float(LAW.loss(*target)) for target in play.targets]
    assert reached == sorted(reached)
    assert play.verdict is not None, "the game that is over stays as it was"


def test_the_interval_score_of_a_textbook_example() -> None:
    assert interval_score(1.0, 2.0, 1.5, level=0.8) == 1.0
    assert interval_score(1.0, 2.0, 2.5, level=0.8) == pytest.approx(1.0 + 10 * 0.5)
    assert interval_score(1.0, 2.0, 0.5, level=0.8) == interval_score(1.0, 2.0, 2.5, level=0.8)


@pytest.mark.parametrize("change", [(0.3, 0, 0), (0, 0.4, 0), (0, -0.4, 0), (0, 0, 0.4), (0, 0, -0.4)])
def test_nobody_does_better_than_by_saying_what_they_believe(change: tuple[float, float, float]) -> None:
    believed = np.random.default_rng(0).normal(size=20_000)
    honest = np.quantile(believed, [0.5, 0.05, 0.95])
    penalty = lambda bet: Bet(*map(float, bet)).penalty(believed.tolist())  # noqa: E731
    assert penalty(honest) < penalty(honest + np.array(change)) - 0.01
