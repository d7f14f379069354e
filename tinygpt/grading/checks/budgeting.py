"""Exercise 5 of chapter 06: how much an adapter trains, and how large its file is."""

from __future__ import annotations

import fnmatch

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault

Shapes = dict[str, tuple[int, int]]


def trained_oracle(shapes: Shapes, targets: list[str], rank: int) -> int:
    """Numbers in A and in B of every layer that is meant."""
    total = 0
    for name, (n_out, n_in) in shapes.items():
        if any(fnmatch.fnmatch(name, pattern) for pattern in targets):
            total += rank * n_in + n_out * rank
    return total


def trained_attempt(
    shapes: Shapes,
    targets: list[str],
    rank: int,
    *,
    each: str = "A and B",
    chosen: str = "any",
    ranks: int = 1,
) -> int:
    """The count with a knob for each known way to go wrong."""
    hits = [(name, pattern) for name in shapes for pattern in targets if fnmatch.fnmatch(name, pattern)]
    names = {
        "any": list(dict.fromkeys(name for name, _ in hits)),
        "once for each pattern": [name for name, _ in hits],
        "first pattern": [name for name in shapes if fnmatch.fnmatch(name, (targets or [""])[0])],
        "all layers": list(shapes),
        "others": [name for name in shapes if name not in {name for name, _ in hits}],
        "exact name": [name for name in shapes if name in targets],
    }[chosen]
    total = 0
    for name in names:
        n_out, n_in = shapes[name]
        total += {
            "A and B": rank**ranks * (n_in + n_out),
            "A": rank * n_in,
            "B": rank * n_out,
            "the layer": n_in * n_out,
            "the product": rank * n_in * n_out,
            "twice A": 2 * rank * n_in,
            "with the layer": n_in * n_out + rank * (n_in + n_out),
            "bytes": 2 * rank * (n_in + n_out),
        }[each]
    return total


def _model(generator: Generator, n_layers: int, targets: list[str]) -> tuple:
    rng = dice(generator)
    D = 8 * rng.randint(2, 6)
    F, K, rank = 4 * D, D // 4, rng.randint(2, 7)
    parts = {
        "attn.q": (D, D),
        "attn.k": (K, D),
        "attn.v": (K, D),
        "attn.out": (D, D),
        "mlp.up": (F, D),
        "mlp.down": (D, F),
    }
    shapes = {f"blocks.{i}.{name}": shape for i in range(n_layers) for name, shape in parts.items()}
    return {**shapes, "head": (rng.randint(90, 99), D)}, targets, rank


trained_weights = Exercise(
    name="trained_weights",
    arguments=("shapes", "targets", "rank"),
    returns="a whole number",
    reference=trained_oracle,
    attempt=trained_attempt,
    faults=(
        Fault("A only", "Only A is counted. B, out × rank, trains too.", {"each": "A"}),
        Fault("B only", "Only B is counted. A, rank × in, trains too.", {"each": "B"}),
        Fault(
            "A counted twice",
            "Twice A is right for square matrices only: B is out × rank.",
            {"each": "twice A"},
        ),
        Fault(
            "the layers themselves",
            "These are the layers' own weights, which are frozen.",
            {"each": "the layer"},
        ),
        Fault(
            "frozen weights counted",
            "The layers' own weights are counted along. They are frozen.",
            {"each": "with the layer"},
        ),
        Fault(
            "product in place of sum",
            "A has rank × in numbers, B out × rank: they are added, and in × out appears nowhere.",
            {"each": "the product"},
        ),
        Fault("rank squared", "The rank counts once for A and once for B, in a sum.", {"ranks": 2}),
        Fault("bytes", "These are bytes at two each. Weights are asked for.", {"each": "bytes"}),
        Fault(
            "counted once for each pattern",
            "A layer that two patterns match is counted twice. It gets one adapter.",
            {"chosen": "once for each pattern"},
        ),
        Fault("first pattern only", "Only the first pattern counts.", {"chosen": "first pattern"}),
        Fault(
            "all layers",
            "Every layer is counted. Only those that a pattern matches get adapters.",
            {"chosen": "all layers"},
        ),
        Fault("the other layers", "These are the layers that no pattern matches.", {"chosen": "others"}),
        Fault(
            "patterns taken as names",
            "A pattern such as `*.attn.q` is compared letter by letter. `fnmatch.fnmatch(name, pattern)` "
            "knows what `*` means.",
            {"chosen": "exact name"},
        ),
    ),
    cases=(
        Case("one kind of square matrix", lambda g: _model(g, 2, ["*.attn.q"])),
        Case("matrices that are not square", lambda g: _model(g, 3, ["*.attn.[qv]", "*.mlp.up"])),
        Case("two patterns for the same layers", lambda g: _model(g, 2, ["blocks.*", "*.attn.*"])),
        Case("a name in full, and nothing else", lambda g: _model(g, 4, ["blocks.1.mlp.down"])),
    ),
    shortcuts=("tinygpt.alignment", "peft"),
)
