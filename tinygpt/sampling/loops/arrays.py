"""What the loops are given, and how they are compiled."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from tinygpt.sampling import rounding

TOGETHER, LANES, SPAN = 8, 64, 32
COLUMNS, PANEL = 4, 8
RELU, GELU, GELU_TANH, RELU2, SWIGLU = range(5)
# Sums may be reordered, or there would be no vectors; infinities and NaN stay what they are.
FAST = {"fastmath": {"reassoc", "contract", "arcp", "nsz"}, "error_model": "numpy"}
compiled = partial(njit, **FAST)
entry = partial(njit, cache=True, **FAST)


def stamp() -> str:
    """A hash of all that is compiled together.

    Numba keeps a compiled function on disk until the function's own file changes, whatever it calls. So only
    the functions that Python calls are kept, and the stamp is a constant of theirs, which numba looks at too.
    """
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(rounding.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class Matrix(NamedTuple):
    """The same linear map of every layer, tiled; scales and biases are empty where there are none."""

    codes: np.ndarray
    scales: np.ndarray
    bias: np.ndarray


class Weights(NamedTuple):
    """A model's weights; a table that it does not have is empty."""

    embedding: np.ndarray
    position: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    slopes: np.ndarray
    gains: np.ndarray
    shifts: np.ndarray
    qkv: Matrix
    out: Matrix
    up: Matrix
    down: Matrix
    head: Matrix


class Shape(NamedTuple):
    """What the arrays' shapes do not say."""

    n_heads: int
    d_ff: int
    scale: float
    centred: bool
    activation: int


class State(NamedTuple):
    """What was read of a sequence, in tiles of SPAN tokens, and room to work in: a row for each new token."""

    keys: np.ndarray
    values: np.ndarray
    stream: np.ndarray
    normed: np.ndarray
    qkv: np.ndarray
    scores: np.ndarray
    mixed: np.ndarray
    wide: np.ndarray
    added: np.ndarray
    logits: np.ndarray
