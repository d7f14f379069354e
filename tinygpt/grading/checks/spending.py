"""Exercise 2 of chapter 09: parameters and tokens of the lowest loss for a budget."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def optimal_oracle(E: float, A: float, B: float, alpha: float, beta: float, C: float) -> tuple[float, float]:
    """By halving: where one part more of N gains as much as one part less of D costs."""
    low, high = -300.0, 300.0
    for _ in range(200):
        log_n = (low + high) / 2
        log_d = math.log(C / 6) - log_n
        gains = math.log(alpha * A) - alpha * log_n > math.log(beta * B) - beta * log_d
        low, high = (log_n, high) if gains else (low, log_n)
    return low / math.log(10), (math.log(C / 6) - low) / math.log(10)


def optimal_attempt(
    E: float,
    A: float,
    B: float,
    alpha: float,
    beta: float,
    C: float,
    *,
    balance: str = "slopes",
    powers: str = "right",
    flops: float = 6.0,
    tokens: str = "what is left",
    answer: str = "log10",
    swapped: bool = False,
) -> tuple[float, float]:
    """The closed form with a knob for each known way to go wrong, all of it in logarithms."""
    ratio = {
        "slopes": alpha * A / (beta * B),
        "turned": beta * B / (alpha * A),
        "terms": A / B,
        "exponents": alpha / beta,
        "crossed": beta * A / (alpha * B),
        "none": 1.0,
        "not rooted": (alpha * A / (beta * B)) ** (alpha + beta),
    }[balance]
    share = {"right": beta, "swapped": alpha, "equal": (alpha + beta) / 2}.get(powers, 0.0) / (alpha + beta)
    share = {"bare": beta, "bare and swapped": alpha}.get(powers, share)
    budget, start = math.log(C / flops), math.log(ratio) / (alpha + beta)
    log_n = start + share * budget
    if tokens == "twenty":
        log_n = (budget - math.log(20)) / 2
    log_d = {
        "all of C": math.log(C) - log_n,
        "same balance": start + (1 - share) * budget,
        "same power": share * budget - start,
    }.get(tokens, budget - log_n)
    pair = (log_d, log_n) if swapped else (log_n, log_d)
    return tuple(map(ANSWERS[answer], pair))


ANSWERS: dict[str, Callable[[float], float]] = {
    "log10": lambda log: log / math.log(10),
    "ln": lambda log: log,
    "log2": lambda log: log / math.log(2),
}


def not_the_logarithms(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    """N and D as they are cost C. No fault can say so: numbers as large never agree to the last digit."""
    return math.isclose(6 * got[0] * got[1], args[-1], rel_tol=0.01)


def spends_another_budget(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    return abs(sum(got) - math.log10(args[-1] / 6)) > 2e-3


def floor_matters(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    E, *rest = args
    return abs(call(E + 1.0, *rest)[0] - got[0]) > 2e-3


def _law(kind: str) -> Callable[[Generator], tuple]:
    """A law and a budget whose best N and D, and their terms, are large enough to be found by searching."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        while True:
            alpha, beta = (round(rng.uniform(0.25, 0.7), 3) for _ in range(2))
            A, B = (_short(10 ** rng.uniform(1, 4)) for _ in range(2))
            if kind == "equal powers":
                beta = alpha
            if kind == "like halves":
                B = A
            if kind == "far apart":
                A, B = _short(10 ** rng.uniform(0.5, 1)), _short(10 ** rng.uniform(3.5, 4.5))
            law = (_short(rng.uniform(0.5, 2.0)), A, B, alpha, beta)
            C = _short(10 ** (rng.uniform(8, 11) if kind == "small" else rng.uniform(14, 24)))
            log_n, log_d = optimal_oracle(*law, C)
            terms = A * 10 ** (-alpha * log_n), B * 10 ** (-beta * log_d)
            if min(log_n, log_d) > 3 and min(terms) > 1e-3 and _apart(kind, alpha, beta):
                return *law, C

    return draw


def _short(number: float) -> float:
    """With three digits, so that a law can be read."""
    return float(f"{number:.3g}")


def _apart(kind: str, alpha: float, beta: float) -> bool:
    """Whether the two exponents can be told from each other, unless they are meant to be one."""
    return kind == "equal powers" or max(alpha, beta) > 1.3 * min(alpha, beta)


def _published(generator: Generator) -> tuple:
    return 1.69, 406.4, 410.7, 0.34, 0.28, 5.76e23


compute_optimal = Exercise(
    name="compute_optimal",
    arguments=("E", "A", "B", "alpha", "beta", "C"),
    returns="two numbers, log₁₀ N and log₁₀ D",
    reference=optimal_oracle,
    attempt=optimal_attempt,
    tolerance=2e-3,
    faults=(
        Fault(
            "powers swapped",
            "The powers of the budget are swapped. N grows as C^(β/(α+β)): the *other* exponent, since what "
            "falls quickly with N needs little more of it.",
            {"powers": "swapped"},
        ),
        Fault(
            "equal powers",
            "N and D both grow as √C here. That holds for α = β only.",
            {"powers": "equal"},
        ),
        Fault(
            "power not divided",
            "N grows as C^β in your answer. The power is β / (α + β), and that of D is α / (α + β).",
            {"powers": "bare"},
        ),
        Fault(
            "power not divided, and swapped",
            "N grows as C^α in your answer. The power is β / (α + β), and that of D is α / (α + β).",
            {"powers": "bare and swapped"},
        ),
        Fault(
            "balance forgotten",
            "The powers of C are right, and nothing stands before them. N has the factor "
            "(αA / βB)^(1/(α+β)), and D its inverse.",
            {"balance": "none"},
        ),
        Fault(
            "terms made equal",
            "You make A/N^α and B/D^β equal. At the lowest point their *slopes* in log N and log D are: "
            "αA/N^α = βB/D^β.",
            {"balance": "terms"},
        ),
        Fault("A and B forgotten", "The factor has α / β, but not A / B.", {"balance": "exponents"}),
        Fault(
            "balance upside down",
            "The factor of N is turned over: a large A, which says that small models lose much, asks for a "
            "*larger* model.",
            {"balance": "turned"},
        ),
        Fault(
            "α and β crossed in the balance",
            "In the factor α stands with B and β with A. The slope of A/N^α has α: (αA / βB)^(1/(α+β)).",
            {"balance": "crossed"},
        ),
        Fault(
            "root forgotten",
            "The factor αA / βB lacks its power 1/(α+β).",
            {"balance": "not rooted"},
        ),
        Fault(
            "six forgotten",
            "You spend N · D = C. A run costs 6 · N · D FLOPs.",
            {"flops": 1.0},
        ),
        Fault(
            "forward pass only",
            "You spend 2 · N · D = C, which is the forward pass. Training costs 6 · N · D.",
            {"flops": 2.0},
        ),
        Fault(
            "six forgotten in D",
            "Your D is C / N. It is C / (6 N).",
            {"tokens": "all of C"},
        ),
        Fault(
            "balance not turned over for D",
            "D has the same factor as N. It has its inverse: N · D must be C / 6.",
            {"tokens": "same balance"},
        ),
        Fault(
            "one power for both",
            "D grows with the same power of C as N. The two powers sum to 1.",
            {"tokens": "same power"},
        ),
        Fault(
            "rule of thumb",
            "Twenty tokens a parameter holds near one budget of one law. Minimise the law that is given.",
            {"tokens": "twenty"},
        ),
        Fault("D first", "Right numbers in the wrong order: log₁₀ N, then log₁₀ D.", {"swapped": True}),
        Fault("natural logarithms", "These are natural logarithms. Wanted is log₁₀.", {"answer": "ln"}),
        Fault("binary logarithms", "These are logarithms of base 2. Wanted is log₁₀.", {"answer": "log2"}),
    ),
    laws=(
        Law(
            "not the logarithms",
            "These are N and D. Wanted are log₁₀ N and log₁₀ D.",
            not_the_logarithms,
        ),
        Law(
            "another budget",
            "Your N and D do not cost C: 6 · N · D, or log₁₀ 6 + log₁₀ N + log₁₀ D, tells what they cost.",
            spends_another_budget,
        ),
        Law(
            "the floor matters",
            "Your answer depends on E. E is paid at any N and D, so it cannot move the lowest point.",
            floor_matters,
        ),
    ),
    cases=(
        Case("equal exponents", _law("equal powers")),
        Case("A equal to B", _law("like halves")),
        Case("any law", _law("any"), times=2),
        Case("A and B far apart", _law("far apart")),
        Case("a small budget", _law("small")),
        Case("the budget of Chinchilla", _published),
    ),
    shortcuts=("tinygpt.scaling",),
)
