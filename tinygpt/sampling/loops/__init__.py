"""One step of a GPT, from a token to the logits of the next, as loops over arrays that numba compiles.

A small model's step is a million multiplications: 40 µs for a core, if nothing else is done. PyTorch needs
longer to start its operations than they then take. Here there are no operations, only loops.

The time is what it takes to read the weights. They are kept as narrow as they are exact (`rounding`), widened
on the way to the multiplication, and stored in the order in which they are read: a matrix is cut into tiles
of TOGETHER inputs × LANES outputs. A row of a tile lies side by side in memory, so an instruction takes 8 or
16 of its weights at once, and no sum runs across a vector. Keys and values are two more matrices, in tiles
that are SPAN wide, and attention two more products. Several tokens are read as a panel of vectors.
"""

from __future__ import annotations

from typing import Any

from tinygpt.sampling.loops import rounds, steps
from tinygpt.sampling.loops.arrays import (
    COLUMNS,
    LANES,
    PANEL,
    SPAN,
    TOGETHER,
    Matrix,
    Shape,
    State,
    Weights,
    stamp,
)
from tinygpt.sampling.loops.products import product
from tinygpt.sampling.loops.rounds import Reader, Room, Way

__all__ = [
    "COLUMNS",
    "LANES",
    "PANEL",
    "SPAN",
    "TOGETHER",
    "Matrix",
    "Reader",
    "Room",
    "Shape",
    "State",
    "Way",
    "Weights",
    "product",
]


def __getattr__(name: str) -> Any:
    """`read`, `continued` and `speculated` are made when first wanted: their stamp is of the files."""
    if name not in ("read", "continued", "speculated"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    together = stamp()
    globals().update({**steps.entries(together), **rounds.entries(together)})
    return globals()[name]
