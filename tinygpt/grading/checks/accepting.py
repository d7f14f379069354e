"""Exercise 2 of chapter 12: the rule that makes speculative decoding exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice, normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
Rule = tuple[float, Tensor]


def accept_oracle(p: Tensor, q: Tensor, token: int) -> Rule:
    """In fractions."""
    P, Q = ([Fraction(x) for x in row.tolist()] for row in (p, q))
    more = [max(a - b, Fraction(0)) for a, b in zip(P, Q, strict=True)]
    left = [x / sum(more) for x in more] if sum(more) else P
    return float(min(Fraction(1), P[token] / Q[token])), torch.tensor([float(x) for x in left], dtype=p.dtype)


def accept_attempt(
    p: Tensor,
    q: Tensor,
    token: int,
    *,
    ratio: str = "p / q",
    cap: bool = True,
    left: str = "more",
    scaled: str = "sum",
    same: str = "p",
    least: float = 0.0,
    redraw: str = "as it is",
) -> Rule:
    """The rule with a knob for each known way to go wrong."""
    chance = _chance(p, q, token, ratio)
    rest = _left(p, q, token, left)
    if redraw == "without it":
        rest = rest.index_fill(0, torch.tensor(token), 0.0)
    return min(1.0, chance) if cap else chance, _scaled(rest, p, q, token, scaled, same, least)


def _chance(p: Tensor, q: Tensor, token: int, ratio: str) -> float:
    a, b = p[token].item(), q[token].item()
    return {
        "p / q": a / b,
        "q / p": b / a if a else math.inf,
        "p": a,
        "1 - q / p": 1 - b / a if a else 0.0,
        "p >= q": float(a >= b),
        "p > q": float(a > b),
        "p / (p + q)": a / (a + b),
        "p / largest p": a / p.max().item(),
        "exp": math.exp(a - b),
        "likeliest": float(token == int(p.argmax())),
        "overlap": torch.minimum(p, q).sum().item(),
        "1 - p / q": max(0.0, 1 - a / b),
        "root": math.sqrt(a / b),
    }[ratio]


def _left(p: Tensor, q: Tensor, token: int, left: str) -> Tensor:
    """What a refused token is replaced from, before it is scaled."""
    return {
        "more": (p - q).clamp(min=0),
        "less": (q - p).clamp(min=0),
        "gap": (p - q).abs(),
        "signed": p - q,
        "p": p,
        "q": q,
        "p without it": p.index_fill(0, torch.tensor(token), 0.0),
        "where p is more": p * (p > q),
        "ratio": (p / q.clamp(min=1e-30)) * (q > 0) + (q == 0) * p,
        "flat": ((p > q) * 1.0).to(p),
        "best": torch.zeros_like(p).index_fill(0, (p - q).argmax()[None], float((p > q).any())),
    }[left]


def _scaled(rest: Tensor, p: Tensor, q: Tensor, token: int, scaled: str, same: str, least: float) -> Tensor:
    """What is left as a distribution; where nothing is, p and q are `same`, and something else stands in."""
    total = rest.sum().item()
    if scaled == "softmax":
        return rest.softmax(-1)
    if scaled == "none":
        return p if total == 0 and same == "p" else rest
    if scaled == "masked softmax":
        return rest.masked_fill(rest <= 0, -math.inf).softmax(-1) if total else p
    if total > least:
        return rest / (total + (1e-6 if scaled == "epsilon" else 0.0))
    return {
        "p": p,
        "q": q,
        "zeros": torch.zeros_like(p),
        "flat": torch.full_like(p, 1 / len(p)),
        "nan": p * math.nan,
        "token": torch.zeros_like(p).index_fill(0, torch.tensor(token), 1.0),
    }[same]


def no_probability(call: Call, args: tuple, got: Rule) -> bool:
    return not 0 <= got[0] <= 1


def no_distribution(call: Call, args: tuple, got: Rule) -> bool:
    left = got[1]
    return bool(left.isnan().any() or (left < 0).any() or abs(left.sum().item() - 1) > 1e-4)


def not_exact(call: Call, args: tuple, got: Rule) -> bool:
    """What comes out, over all tokens that the draft may propose, must be distributed as p."""
    p, q, _ = args
    out = torch.zeros_like(p)
    for token in q.nonzero().flatten().tolist():
        chance, left = call(p, q, token)
        out[token] += q[token] * chance
        out += q[token] * (1 - chance) * left
    return not torch.allclose(out, p, atol=1e-6)


def wasteful(call: Call, args: tuple, got: Rule) -> bool:
    """No exact rule accepts more often than the overlap of p and q; this one accepts less."""
    p, q, _ = args
    accepted = sum(q[token].item() * call(p, q, token)[0] for token in q.nonzero().flatten().tolist())
    return accepted < torch.minimum(p, q).sum().item() - 1e-6


def _two(
    V: int, *, sharp: float = 1.5, dtype: torch.dtype = DOUBLE, pick: str = "any"
) -> Callable[[Generator], tuple]:
    """Two distributions and a token: any, one that the draft overrates, or one that it underrates."""

    def draw(g: Generator) -> tuple:
        p, q = ((sharp * normal(g, V, dtype=dtype)).softmax(-1) for _ in range(2))
        over = (q > p).nonzero().flatten().tolist()
        under = (q < p).nonzero().flatten().tolist()
        return p, q, dice(g).choice({"any": range(V), "over": over, "under": under}[pick])

    return draw


def _same(g: Generator) -> tuple:
    p = normal(g, 6, dtype=DOUBLE).softmax(-1)
    return p, p.clone(), dice(g).randrange(6)


def _nearly_same(g: Generator) -> tuple:
    """The draft is wrong by less than a billionth, and still its mistakes decide what is left."""
    p = torch.tensor([0.25, 0.25, 0.25, 0.25], dtype=DOUBLE)
    shift = torch.tensor([3.0, -1.0, -4.0, 2.0], dtype=DOUBLE)[torch.randperm(4, generator=g)] * 2.0**-45
    return p, p + shift, int(shift.argmax())


def _apart(g: Generator) -> tuple:
    """The draft believes in what the model has cut."""
    p = torch.tensor([0.5, 0.3, 0.2, 0.0, 0.0], dtype=DOUBLE)
    return p, p.flip(0).roll(1), 4 if dice(g).random() < 0.5 else 0


def _cut(g: Generator) -> tuple:
    """Both have cut tokens, not the same ones."""
    rng = dice(g)
    p, q = (normal(g, 8, dtype=DOUBLE) for _ in range(2))
    cuts = rng.sample(range(8), 5)
    p[cuts[:3]], q[cuts[2:]] = -math.inf, -math.inf
    p, q = p.softmax(-1), q.softmax(-1)
    return p, q, rng.choice(q.nonzero().flatten().tolist())


def _by_hand(g: Generator) -> tuple:
    return torch.tensor([0.4, 0.3, 0.2, 0.1]).double(), torch.tensor([0.7, 0.1, 0.1, 0.1]).double(), 0


EXACT = (
    "What comes out is q(x) · chance(x), plus all that was refused times what is left. Worked out over every "
    "token x, that must be p."
)
accept = Exercise(
    name="accept",
    arguments=("p", "q", "token"),
    returns="a number and a tensor: the chance that the token stays, and the distribution after a refusal",
    reference=accept_oracle,
    attempt=accept_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "ratio turned over",
            "The ratio is turned over: a token that the draft *over*rates, q > p, must sometimes be refused. "
            "The chance is p / q, at most 1.",
            {"ratio": "q / p"},
        ),
        Fault(
            "chance above 1",
            "The ratio may be above 1, which is no chance: take the smaller of it and 1.",
            {"cap": False},
        ),
        Fault(
            "chance p",
            f"You keep a token with chance p. It was drawn with q already. {EXACT}",
            {"ratio": "p"},
        ),
        Fault(
            "kept whenever p is as large",
            f"You keep a token if p ≥ q, and never otherwise. {EXACT} That takes chance p / q.",
            {"ratio": "p >= q"},
        ),
        Fault("kept whenever p is larger", f"You keep a token if p > q. {EXACT}", {"ratio": "p > q"}),
        Fault("share of p and q", f"The chance is p / (p + q). {EXACT}", {"ratio": "p / (p + q)"}),
        Fault(
            "measured against the likeliest",
            f"The chance is p over the largest p, and forgets how the token was drawn. {EXACT}",
            {"ratio": "p / largest p"},
        ),
        Fault(
            "difference for ratio",
            "Both p and q are probabilities, not logarithms: divide, without exp.",
            {"ratio": "exp"},
        ),
        Fault(
            "kept if likeliest",
            "You keep the token if it is the model's likeliest. That decodes greedily: another distribution.",
            {"ratio": "likeliest"},
        ),
        Fault(
            "average acceptance",
            "The overlap Σ min(p, q) is how often tokens stay *on average*. This token has its own chance.",
            {"ratio": "overlap"},
        ),
        Fault("chance of refusal", "This is the chance that the token is refused.", {"ratio": "1 - p / q"}),
        Fault("root of the ratio", "The chance is p / q itself.", {"ratio": "root"}),
        Fault(
            "drawn anew from p",
            "After a refusal you draw from p. But p's share up to q has already come out as accepted "
            "tokens: what is *left* is p − q, where that is positive.",
            {"left": "p"},
        ),
        Fault("drawn anew from q", "After a refusal you draw from the draft again.", {"left": "q"}),
        Fault(
            "p without the token",
            "After a refusal you draw from p without the refused token. All that the draft overrates must "
            "go, and the others by what they have had: p − q, where that is positive.",
            {"left": "p without it"},
        ),
        Fault(
            "q less p",
            "What is left is q − p, turned over. The draft has too little where p > q.",
            {"left": "less"},
        ),
        Fault(
            "gap",
            "What is left is |p − q|. Where the draft has too much, nothing is left: clamp.",
            {"left": "gap"},
        ),
        Fault(
            "negative",
            "Differences are negative where the draft overrates. Clamp it at 0, then divide by the sum.",
            {"left": "signed"},
        ),
        Fault(
            "p where it is more",
            "You keep p where p > q. As much as q of it has come out: subtract.",
            {"left": "where p is more"},
        ),
        Fault("ratio left", "What is left is a ratio. It is the difference p − q.", {"left": "ratio"}),
        Fault(
            "all that is left alike",
            "Tokens with p > q are equally likely. In proportion to p − q.",
            {"left": "flat"},
        ),
        Fault(
            "largest gap only",
            "Only the largest p − q is left. *Draw* from all that is positive.",
            {"left": "best"},
        ),
        Fault("not divided by the sum", "What is left does not sum to 1.", {"scaled": "none"}),
        Fault(
            "not divided by the sum", "What is left does not sum to 1.", {"scaled": "none", "same": "zeros"}
        ),
        Fault(
            "softmax",
            "You put a softmax over differences of probabilities. Divide by the sum.",
            {"scaled": "softmax"},
        ),
        Fault(
            "softmax", "You put a softmax over what is left. Divide by the sum.", {"scaled": "masked softmax"}
        ),
        Fault(
            "an epsilon added",
            "You add a small number to the sum. Where p and q are close the sum is as small.",
            {"scaled": "epsilon"},
        ),
        Fault(
            "nothing left",
            "Where p = q the sum is 0, and 0 / 0 is not a number. Return p there.",
            {"same": "nan"},
        ),
        Fault("nothing left", "Where p = q you return zeros. Return p there.", {"same": "zeros"}),
        Fault("nothing left", "Where p = q all tokens are alike. Return p there.", {"same": "flat"}),
        Fault(
            "small differences ignored",
            "Where p and q are close you return p. However small the differences are, they are all that is "
            "left.",
            {"least": 1e-6},
        ),
    ),
    laws=(
        Law("no chance", "The chance is not between 0 and 1.", no_probability),
        Law(
            "no distribution",
            "What is left is no distribution: it has a negative number, or does not sum to 1.",
            no_distribution,
        ),
        Law("not exact", f"The tokens that come out are not distributed as p. {EXACT}", not_exact),
        Law(
            "refuses too often",
            "Exact, but tokens are refused that could stay: the chance may be p / q.",
            wasteful,
        ),
    ),
    cases=(
        Case("40, 30, 20, 10 per cent, and a draft that is too sure", _by_hand),
        Case("a token that the draft overrates", _two(6, pick="over"), times=2),
        Case("a token that it underrates", _two(6, pick="under"), times=2),
        Case("many tokens", _two(50), times=2),
        Case("single precision", _two(5, dtype=torch.float32)),
        Case("tokens that are cut", _cut, times=4),
        Case("a draft that believes in what is cut", _apart, times=3),
        Case("the same distribution", _same, times=2),
        Case("nearly the same distribution", _nearly_same, advice=EXACT),
        Case("two tokens", _two(2), times=2),
    ),
    shortcuts=("tinygpt.sampling",),
)
