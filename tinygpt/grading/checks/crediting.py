"""Exercise 3 of chapter 07: the generalised advantage estimate."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def gae_oracle(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> Tensor:
    """The sum of the definition, as a product with a matrix that holds (γλ)^l."""
    T = rewards.shape[1]
    later = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    surprise = rewards + gamma * later - values
    ahead = torch.arange(T)[None] - torch.arange(T)[:, None]
    weights = (gamma * lam) ** ahead.clamp(min=0).to(rewards.dtype) * (ahead >= 0)
    return surprise @ weights.mT


def gae_attempt(
    rewards: Tensor,
    values: Tensor,
    gamma: float,
    lam: float,
    *,
    delta: str = "r + γ V' − V",
    last: str = "0",
    decay: str = "γ λ",
    order: str = "backwards",
    answer: str = "advantages",
) -> Tensor:
    """The estimate with a knob for each known way to go wrong."""
    T = rewards.shape[1]
    beyond = {"0": 0 * values[:, 0], "kept": values[:, -1], "first": values[:, 0]}[last]
    places = range(T) if order == "forwards" else reversed(range(T))
    found, later = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
    for t in places:
        following = values[:, t + 1] if t + 1 < T else beyond
        step = _surprise(delta, rewards[:, t], values[:, t], following, gamma)
        rate = {"γ λ": gamma * lam, "λ": lam, "γ": gamma, "0": 0.0, "1": 1.0}[decay]
        later = step + rate * (later if order != "rows mixed" else later.mean())
        found[:, t] = later
    if answer == "returns":
        return found + values
    return found - found.mean() if answer == "centred" else found


def _surprise(delta: str, reward: Tensor, value: Tensor, following: Tensor, gamma: float) -> Tensor:
    return {
        "r + γ V' − V": reward + gamma * following - value,
        "r + V' − V": reward + following - value,
        "r − V": reward - value,
        "r + γ V'": reward + gamma * following,
        "r − γ V' + V": reward - gamma * following + value,
        "r": reward,
        "γ (r + V') − V": gamma * (reward + following) - value,
    }[delta]


def peeks_back(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether a token's advantage depends on a reward that came before it."""
    rewards, *rest = args
    changed = rewards.clone()
    changed[:, 0] += 3
    return not torch.allclose(call(changed, *rest)[:, 1:], got[:, 1:], atol=1e-4, equal_nan=True)


def rows_mix(call: Call, args: tuple, got: Tensor) -> bool:
    rewards, values, gamma, lam = args
    return not torch.allclose(call(rewards[:1], values[:1], gamma, lam), got[:1], atol=1e-4, equal_nan=True)


def _rows(generator: Generator, B: int, T: int, gamma: float, lam: float, dtype: torch.dtype = torch.float32):
    return normal(generator, B, T, dtype=dtype), normal(generator, B, T, dtype=dtype), gamma, lam


def _whole_rows(generator: Generator) -> tuple:
    return whole(generator, 1, 3), whole(generator, 1, 3), 0.5, 0.5


def _reward_at_the_end(generator: Generator) -> tuple:
    rewards, values, *rates = _rows(generator, 3, 6, 1.0, 0.95)
    rewards[:, :-1] = 0
    return rewards, values, *rates


advantages = Exercise(
    name="advantages",
    arguments=("rewards", "values", "gamma", "lam"),
    returns="B T",
    reference=gae_oracle,
    attempt=gae_attempt,
    faults=(
        Fault(
            "value kept after the end",
            "After the last token nothing more comes, so V is 0 there. You go on with the last value.",
            {"last": "kept"},
        ),
        Fault(
            "first value after the end",
            "The value after the last token is the row's *first* one: `roll` turns around. It is 0 there.",
            {"last": "first"},
        ),
        Fault(
            "next value left out",
            "Your δ compares with V alone. What still is to come counts as well: r + γ V(next) − V.",
            {"delta": "r − V"},
        ),
        Fault(
            "own value left out",
            "Your δ has no − V: an advantage says how much *better than expected* it went.",
            {"delta": "r + γ V'"},
        ),
        Fault("values left out", "The values have no effect: δ = r + γ V(next) − V.", {"delta": "r"}),
        Fault(
            "values swapped",
            "The signs of the two values are turned. What comes next is gained, what was expected is paid: "
            "r + γ V(next) − V.",
            {"delta": "r − γ V' + V"},
        ),
        Fault(
            "next value not discounted", "A γ is missing in δ: r + γ V(next) − V.", {"delta": "r + V' − V"}
        ),
        Fault(
            "reward discounted",
            "The reward of a token comes at once. γ belongs on the next value only.",
            {"delta": "γ (r + V') − V"},
        ),
        Fault("gamma missing in the sum", "Later δ are weighted by λ alone: it is γ λ.", {"decay": "λ"}),
        Fault(
            "lambda missing", "Later δ are weighted by γ alone, as if λ were 1: it is γ λ.", {"decay": "γ"}
        ),
        Fault(
            "one step only",
            "These are the δ themselves, as if λ were 0. Add the later ones, each weighted by γ λ once more.",
            {"decay": "0"},
        ),
        Fault("nothing decays", "Later δ count as much as the first: weight them by γ λ.", {"decay": "1"}),
        Fault(
            "from left to right",
            "You sum from left to right, so a token is credited for what came *before* it. Go backwards.",
            {"order": "forwards"},
        ),
        Fault(
            "returns",
            "These are the returns, advantage plus value: what the values should have been.",
            {"answer": "returns"},
        ),
        Fault(
            "mean taken away",
            "The advantages are centred. That is a later step: here they are wanted as they are.",
            {"answer": "centred"},
        ),
        Fault("rows mixed", "The rows mix: each answer is a story of its own.", {"order": "rows mixed"}),
    ),
    laws=(
        Law(
            "credited for the past",
            "A reward for the first token changes the advantages of later ones. A token is credited for what "
            "comes with it and after it.",
            peeks_back,
        ),
        Law("rows mix", "One row alone gives another answer than in company.", rows_mix),
    ),
    cases=(
        Case("three tokens, whole numbers", _whole_rows),
        Case("a reward that comes with the last token", _reward_at_the_end),
        Case("a batch with discount", lambda g: _rows(g, 4, 7, 0.9, 0.8)),
        Case("λ = 0 and γ = 1", lambda g: _rows(g, 2, 5, 1.0, 0.0)),
        Case("λ = 1, in double precision", lambda g: _rows(g, 2, 5, 0.7, 1.0, DOUBLE)),
        Case("one token", lambda g: _rows(g, 3, 1, 0.9, 0.9)),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
