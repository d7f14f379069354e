"""The repair in chapter 07's bug hunt: what each token of an answer is paid."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.alignment.ppo import penalised
from tinygpt.grading.checks.draws import normal, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def token_rewards_oracle(
    rewards: Tensor, log_p: Tensor, log_ref: Tensor, counted: Tensor, beta: float
) -> Tensor:
    """The package's, which `ppo_batches` uses."""
    return penalised(rewards, beta * (log_p - log_ref), counted)


def token_rewards_attempt(
    rewards: Tensor,
    log_p: Tensor,
    log_ref: Tensor,
    counted: Tensor,
    beta: float,
    *,
    cost: str = "log p − log p_ref",
    places: str = "drawn",
    paid: str = "last drawn",
    scale: str = "β",
) -> Tensor:
    """What each token is paid, with a knob for each known way to go wrong."""
    further = {
        "log p − log p_ref": log_p - log_ref,
        "turned": log_ref - log_p,
        "ratio": (log_p - log_ref).exp() - 1,
        "log p": log_p,
        "absolute": (log_p - log_ref).abs(),
        "none": torch.zeros_like(log_p),
    }[cost]
    if places == "drawn":
        further = further * counted
    token = -{"β": beta, "1": 1.0, "1 / β": 1 / beta}[scale] * further
    return token + rewards[:, None] * _paid(paid, counted).to(log_p.dtype)


def _paid(paid: str, counted: Tensor) -> Tensor:
    """How much of its answer's reward each place gets."""
    B, T = counted.shape
    places = torch.arange(T)
    last = (counted * places).amax(dim=1)
    first = counted.to(torch.uint8).argmax(dim=1)
    if paid == "every":
        return counted.to(torch.uint8)
    if paid == "shared":
        return counted / counted.sum(dim=1, keepdim=True)
    place = {
        "last drawn": last,
        "last column": torch.full((B,), T - 1),
        "first drawn": first,
        "after": (last + 1).clamp(max=T - 1),
        "one early": last - 1,
        "same for all": last.amax().expand(B),
        "number drawn": counted.sum(dim=1) - 1,
    }[paid]
    return (places == place[:, None]).to(torch.uint8)


def pays_for_running(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether an answer that the reference finds less likely is paid more."""
    rewards, log_p, log_ref, counted, beta = args
    return bool((call(rewards, log_p, log_ref - 1.0, counted, beta).sum(1) > got.sum(1) + 1e-5).any())


def pays_the_prompt(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether a token that was not drawn is paid."""
    return bool((got[~args[3]].abs() > 1e-6).any())


def _answers(
    generator: Generator,
    B: int,
    T: int,
    beta: float,
    *,
    full: bool = False,
    dtype: torch.dtype = torch.float32,
) -> tuple:
    """Prompts of 1 to 3 tokens; answers of different lengths, or up to the last column."""
    start = torch.randint(1, min(4, T), (B, 1), generator=generator)
    length = torch.randint(2, max(3, T - 3), (B, 1), generator=generator)
    end = torch.full_like(start, T) if full else (start + length).clamp(max=T - 1)
    places = torch.arange(T)
    counted = (places >= start) & (places < end)
    log_p, log_ref = (-normal(generator, B, T, dtype=dtype).abs() for _ in range(2))
    return normal(generator, B, dtype=dtype) + 1, log_p, log_ref, counted, beta


def _by_hand(generator: Generator) -> tuple:
    counted = torch.tensor([[False, True, True, False]])
    return torch.tensor([3.0]), whole(generator, 1, 4) - 3, whole(generator, 1, 4) - 3, counted, 0.5


token_rewards = Exercise(
    name="token_rewards",
    arguments=("rewards", "log_p", "log_ref", "counted", "beta"),
    returns="B T",
    reference=token_rewards_oracle,
    attempt=token_rewards_attempt,
    faults=(
        Fault(
            "nothing mended",
            "This is the colleague's function as it was. Begin with what your measurements show first.",
            {"cost": "turned", "places": "all", "paid": "last column"},
        ),
        Fault(
            "penalty is a bonus",
            "The penalty has the wrong sign: a token that the reference finds unlikely is *paid*. It costs "
            "β (log p − log p_ref).",
            {"cost": "turned"},
        ),
        Fault(
            "reward in the last column",
            "The reward stands in the last column, behind the end of shorter answers, where no token was "
            "drawn. It comes with each row's own last token.",
            {"paid": "last column"},
        ),
        Fault(
            "prompt and filling pay too",
            "Tokens that the policy did not draw are charged: the prompt, and what fills the row up. "
            "Multiply by `counted`.",
            {"places": "all"},
        ),
        Fault(
            "reward behind the end",
            "The reward comes one place too late, behind the last token.",
            {"paid": "after"},
        ),
        Fault(
            "reward one token early",
            "The reward comes with the last token but one.",
            {"paid": "one early"},
        ),
        Fault(
            "reward with the first token",
            "The reward comes with the first token, when nobody can have seen the answer.",
            {"paid": "first drawn"},
        ),
        Fault(
            "one place for all rows",
            "Every row is paid in the same column. Answers end at different places.",
            {"paid": "same for all"},
        ),
        Fault(
            "prompt forgotten",
            "You count the drawn tokens and take that as the column: the prompt comes before them.",
            {"paid": "number drawn"},
        ),
        Fault(
            "every token gets the reward",
            "Every token gets the whole reward, so a long answer is paid more. Pay once, at its end.",
            {"paid": "every"},
        ),
        Fault(
            "reward shared out",
            "The reward is shared among the tokens. Here it comes at the end: who earned it is for the "
            "advantages to find out.",
            {"paid": "shared"},
        ),
        Fault("beta left out", "Your β has no effect: it multiplies the penalty.", {"scale": "1"}),
        Fault("divided by beta", "The penalty is divided by β. Multiply.", {"scale": "1 / β"}),
        Fault("no penalty", "Nothing is charged: each token costs β (log p − log p_ref).", {"cost": "none"}),
        Fault(
            "reference left out",
            "The reference has no effect: you charge log p, which is another bonus for being unsure.",
            {"cost": "log p"},
        ),
        Fault(
            "absolute value",
            "A token that the reference finds likelier than the policy is charged too. It must get the money "
            "back, or the sum is not the KL.",
            {"cost": "absolute"},
        ),
        Fault(
            "ratio in place of its logarithm",
            "You charge the ratio. The cost is its logarithm, so that the tokens' costs add up to "
            "the answer's.",
            {"cost": "ratio"},
        ),
    ),
    laws=(
        Law(
            "pays for running away",
            "An answer gets *more* when the reference finds it less likely. The penalty has the wrong sign.",
            pays_for_running,
        ),
        Law(
            "pays the prompt",
            "Tokens that were not drawn are paid or charged. `counted` says which were.",
            pays_the_prompt,
        ),
    ),
    cases=(
        Case("one answer of two tokens", _by_hand),
        Case("answers of different lengths", lambda g: _answers(g, 6, 9, 0.3)),
        Case("answers that fill the row", lambda g: _answers(g, 3, 6, 0.2, full=True)),
        Case("double precision", lambda g: _answers(g, 4, 12, 2.0, dtype=DOUBLE)),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
