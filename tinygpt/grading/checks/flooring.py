"""Exercise 3 of chapter 11: min-p, in logits."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def min_p_oracle(logits: Tensor, p: float) -> Tensor:
    """Token by token, by the ratio of two probabilities: exp of a difference of logits."""
    rows = []
    for row in logits.double().reshape(-1, logits.shape[-1]).tolist():
        best = max(row)
        rows.append([x if x > -math.inf and (not p or x - best >= math.log(p)) else -math.inf for x in row])
    return torch.tensor(rows, dtype=DOUBLE).to(logits.dtype).reshape(logits.shape)


def min_p_attempt(
    logits: Tensor,
    p: float,
    *,
    against: str = "the likeliest",
    rows: str = "own",
    at: str = "floor kept",
    ratio: str = "logarithms",
    zero: str = "keeps all",
    output: str = "logits",
    cut: float = -math.inf,
) -> Tensor:
    """min-p with a knob for each known way to go wrong."""
    axis = 0 if rows == "columns" else -1
    best = logits.max() if rows == "all" else logits.amax(axis, keepdim=True)
    floor = _floor(logits, best, p, against, axis)
    if p == 0 and zero == "cuts all but one":
        floor = best
    kept = logits > floor if at == "floor cut" else logits >= floor
    if at == "one more":
        nearest = logits.masked_fill(kept, -math.inf).amax(axis, keepdim=True)
        kept = kept | (logits == nearest)
    if at == "turned over":
        kept = ~kept
    if at == "likeliest first":
        kept = kept & ((logits < best) | ((logits == best).cumsum(-1) == 1))
    if ratio in ("single probabilities", "clamped"):
        probs = logits.softmax(axis)
        kept = probs >= p * probs.amax(axis, keepdim=True)
        if ratio == "clamped":
            kept = probs >= (p * probs.amax(axis, keepdim=True)).clamp(min=1e-10)
    left = logits.masked_fill(~kept, cut)
    if output == "probabilities":
        return left.softmax(-1)
    if output == "log-probabilities":
        return left.log_softmax(-1)
    if output == "mask":
        return kept.to(logits)
    return left - best if output == "from the best" else left


def _floor(logits: Tensor, best: Tensor, p: float, against: str, axis: int) -> Tensor:
    log_p = math.log(p) if p > 0 else -math.inf
    if against == "the logit":
        return p * best
    if against == "nothing":
        return logits.logsumexp(axis, keepdim=True) + log_p
    if against == "the rest":
        return best + (math.log1p(-p) if p < 1 else -math.inf)
    if against == "the average":
        return logits.logsumexp(axis, keepdim=True) - math.log(logits.shape[axis]) + log_p
    if against == "base ten":
        return best + log_p / math.log(10)
    if against == "a distance":
        return best - p
    if against == "the nucleus":
        ordered = logits.sort(dim=axis, descending=True).values
        probs = ordered.softmax(axis)
        last = ((probs.cumsum(axis) - probs) < p).sum(axis, keepdim=True) - 1
        return ordered.gather(axis, last.clamp(min=0))
    return best + log_p


def likeliest_cut(call: Call, args: tuple, got: Tensor) -> bool:
    best = args[0].argmax(-1, keepdim=True)
    return bool((got.gather(-1, best) == -math.inf).any())


def moves_logits(call: Call, args: tuple, got: Tensor) -> bool:
    kept = got > -math.inf
    return not torch.allclose(got[kept], args[0][kept])


def follows_the_level(call: Call, args: tuple, got: Tensor) -> bool:
    """A number added to all logits changes no probability, so it must not change what is kept."""
    logits, p = args
    return not torch.equal(call(logits + 16.0, p) > -math.inf, got > -math.inf)


def _safe(
    g: Generator, *shape: int, p: float, spread: float = 2.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, float]:
    """Logits none of which lies at the floor to within rounding."""
    logits = spread * normal(g, *shape, dtype=dtype)
    above = logits - logits.amax(-1, keepdim=True) - math.log(p)
    return logits.where(above.abs() > 1e-2, logits - 0.1), p


def _ties(g: Generator) -> tuple[Tensor, float]:
    """Several tokens share the highest logit, and p = 1."""
    logits = normal(g, 4, 7)
    return logits.index_fill(-1, torch.randperm(7, generator=g)[:3], 4.0), 1.0


def _apart(g: Generator) -> tuple[Tensor, float]:
    logits, p = _safe(g, 3, 6, p=0.2)
    return logits + torch.tensor([[-40.0], [0.0], [3000.0]]), p


def _steep(g: Generator) -> tuple[Tensor, float]:
    """Ratios far below what single precision can hold: 10⁻⁶⁰ is e^−138."""
    logits = torch.tensor([0.0, -100.0, -125.0, -135.0, -142.0, -160.0, -400.0])
    return logits[torch.randperm(7, generator=g)][None], 1e-60


def _with_cut(g: Generator, p: float) -> tuple[Tensor, float]:
    logits, p = (_safe(g, 3, 7, p=p)) if p else (normal(g, 3, 7), p)
    return logits.index_fill(-1, torch.randperm(7, generator=g)[:3], -math.inf), p


def _uniform(g: Generator) -> tuple[Tensor, float]:
    """A flat row beside a sharp one: nothing is cut from the first."""
    rows = torch.stack([torch.linspace(0, 0.5, 8), torch.linspace(0, 40, 8)])
    return rows[:, torch.randperm(8, generator=g)], 0.3


def _fine(g: Generator) -> tuple[Tensor, float]:
    """Two tokens a billionth above and below the floor."""
    logits = torch.tensor([0.0, math.log(0.3) + 1e-9, math.log(0.3) - 1e-9, -2.0], dtype=DOUBLE)
    return logits[torch.randperm(4, generator=g)][None], 0.3


SPACE = (
    "The ratio of two probabilities is exp of the *difference* of their logits, so the floor is the largest "
    "logit plus log p."
)
min_p = Exercise(
    name="min_p",
    arguments=("logits", "p"),
    returns="... V",
    reference=min_p_oracle,
    attempt=min_p_attempt,
    faults=(
        Fault(
            "absolute floor",
            "You cut every token that is less likely than p. The floor is p times the probability of the "
            "*likeliest* token: it falls where the model is unsure.",
            {"against": "nothing"},
        ),
        Fault(
            "p times the logit",
            f"The floor is p times the largest *logit*. {SPACE}",
            {"against": "the logit"},
        ),
        Fault(
            "p below the largest",
            f"The floor is the largest logit less p. {SPACE}",
            {"against": "a distance"},
        ),
        Fault(
            "p turned over",
            "The floor is 1 − p of the largest probability. At p = 0 everything stays, at p = 1 the "
            "likeliest.",
            {"against": "the rest"},
        ),
        Fault(
            "measured against the average",
            "The floor is p times the average probability. The likeliest token sets it.",
            {"against": "the average"},
        ),
        Fault(
            "logarithm to base ten",
            "Logits are natural logarithms: `math.log`, not `log10`.",
            {"against": "base ten"},
        ),
        Fault(
            "nucleus",
            "You keep tokens until their sum reaches p. That is top-p. Here each is compared with the "
            "likeliest.",
            {"against": "the nucleus"},
        ),
        Fault(
            "one floor for all rows",
            "All rows are measured against the largest logit of the tensor. Each has its own.",
            {"rows": "all"},
        ),
        Fault(
            "wrong axis",
            "You look for the largest along axis 0. Tokens are the last axis.",
            {"rows": "columns"},
        ),
        Fault(
            "the floor itself cut",
            "A token exactly at the floor stays: *at least* p times as likely. At p = 1 you cut everything.",
            {"at": "floor cut"},
        ),
        Fault(
            "one of the likeliest only",
            "Where several are the likeliest you keep one of them. All are as likely as the likeliest.",
            {"at": "likeliest first"},
        ),
        Fault("one too many", "The first token below the floor stays, too.", {"at": "one more"}),
        Fault("tail kept", "You cut what should stay, and keep what should go.", {"at": "turned over"}),
        Fault(
            "ratios too small for single precision",
            f"You compare probabilities, and very small ones are rounded to 0. {SPACE}",
            {"ratio": "single probabilities"},
        ),
        Fault(
            "ratios too small for single precision",
            f"You compare probabilities with a floor that cannot go below some small number. {SPACE}",
            {"ratio": "clamped"},
        ),
        Fault("p = 0 keeps one", "At p = 0 nothing is cut.", {"zero": "cuts all but one"}),
        Fault(
            "probabilities",
            "These are probabilities. The logits of the kept tokens are wanted, as they were.",
            {"output": "probabilities"},
        ),
        Fault(
            "log-probabilities",
            "The kept logits have moved. They stay as they were.",
            {"output": "log-probabilities"},
        ),
        Fault(
            "largest at zero",
            "You subtract the largest logit. Kept logits stay as they were.",
            {"output": "from the best"},
        ),
        Fault("a mask", "This says which tokens are kept. Their logits are wanted.", {"output": "mask"}),
        Fault(
            "cut at zero", "Cut tokens have the logit 0, and exp(0) = 1. They belong at −inf.", {"cut": 0.0}
        ),
        Fault(
            "cut at a finite number",
            "Cut tokens are not at −inf. A high temperature brings them back.",
            {"cut": -1e9},
        ),
    ),
    laws=(
        Law(
            "level matters",
            f"A number added to all logits changes what you keep, though no probability changes. {SPACE}",
            follows_the_level,
        ),
        Law(
            "the likeliest cut",
            "The likeliest token is cut. It is as likely as itself, and p is at most 1.",
            likeliest_cut,
        ),
        Law("logits moved", "The logits of kept tokens have changed.", moves_logits),
    ),
    cases=(
        Case("one row", lambda g: _safe(g, 1, 6, p=0.3), times=2),
        Case("a batch", lambda g: _safe(g, 4, 8, p=0.1), times=2),
        Case("(B, T, V), in double precision", lambda g: _safe(g, 2, 3, 6, p=0.05, dtype=DOUBLE)),
        Case("one axis only", lambda g: _safe(g, 9, p=0.4)),
        Case("a flat row and a sharp one", _uniform),
        Case("rows that lie thousands apart", _apart),
        Case("p = 1, where several are the likeliest", _ties),
        Case("p = 0 keeps all", lambda g: (5 * normal(g, 3, 6), 0.0)),
        Case("tokens at −inf", lambda g: _with_cut(g, 0.1)),
        Case("tokens at −inf, and p = 0", lambda g: _with_cut(g, 0.0)),
        Case("logits that only double precision tells apart", _fine),
        Case("a ratio of 10⁻⁶⁰", _steep, advice=SPACE),
    ),
    shortcuts=("tinygpt.sampling", "transformers"),
)
