"""Reading tokens and writing the likeliest: the functions that Python calls, and the pass through a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygpt.sampling.loops.arrays import PANEL, compiled, entry
from tinygpt.sampling.loops.draws import landed, likeliest, soften
from tinygpt.sampling.loops.layers import activate, attend, keep, normalise
from tinygpt.sampling.loops.numbers import borrowed
from tinygpt.sampling.loops.products import add, affine


@compiled
def read_all(w, shape, s, tokens, start, out, last):
    """Appends tokens to a sequence of `start`; `out` gets the logits of the last ones, a row for each."""
    n = len(tokens)
    for first in range(0, n, PANEL):
        size = min(PANEL, n - first)
        through(w, shape, s, tokens[first : first + size], start + first)
        row = first + last - n  # in `out`, of the panel's first token
        if row + size > 0:
            unembed(w, shape, s, max(0, -row), size, out[max(0, row) :])


@compiled
def through(w, shape, s, tokens, start):
    n = len(tokens)
    for c in range(n):
        s.stream[c] = w.embedding[tokens[c]]
        if len(w.position):
            add(s.stream[c], w.position[start + c])
    for layer in range(len(w.qkv.codes)):
        for c in range(n):
            normalise(shape.centred, s.stream[c], w.gains[2 * layer], w.shifts[2 * layer], s.normed[c])
        affine(w.qkv, layer, s.normed, s.qkv, n)
        for c in range(n):
            keep(w, shape, s, layer, c, start + c)
        for c in range(n):
            attend(w, shape, s, layer, c, start + c)
        affine(w.out, layer, s.mixed, s.added, n)
        for c in range(n):
            add(s.stream[c], s.added[c])
        if shape.d_ff:
            for c in range(n):
                gain, shift = w.gains[2 * layer + 1], w.shifts[2 * layer + 1]
                normalise(shape.centred, s.stream[c], gain, shift, s.normed[c])
            affine(w.up, layer, s.normed, s.wide, n)
            for c in range(n):
                activate(shape.activation, s.wide[c], shape.d_ff)
            affine(w.down, layer, s.wide, s.added, n)
            for c in range(n):
                add(s.stream[c], s.added[c])


@compiled
def unembed(w, shape, s, first, end, out):
    """Logits of what follows the panel's tokens from `first` to `end`."""
    for c in range(first, end):
        normalise(shape.centred, s.stream[c], w.gains[-1], w.shifts[-1], s.normed[c - first])
    affine(w.head, 0, s.normed, out, end - first)


def entries(together: str) -> dict[str, Any]:
    """The functions that Python calls; see `stamp`."""

    @entry
    def read(w, shape, s, tokens, start, out, last):
        """Appends tokens to a sequence of `start`; `out` gets the logits of the last ones, a row for each."""
        _ = together
        read_all(borrowed(w), shape, borrowed(s), borrowed(tokens), start, borrowed(out), last)

    @entry
    def continued(w, shape, s, start, new, sharpness, points):
        """Fills `new` with tokens, each given those before it; the last one is not read.

        Sharpness is 1 / temperature, and a token is drawn at each point; 0 takes the likeliest. The logits of
        the first are in `s.logits`. Returns whether all were numbers.
        """
        _ = together
        w, s, new = borrowed(w), borrowed(s), borrowed(new)
        logits = s.logits[0, : len(w.embedding)]
        p = np.empty(len(logits), np.float32)
        for i in range(len(new)):
            if sharpness == 0:
                new[i] = likeliest(logits)
            elif soften(logits, sharpness, p):
                new[i] = landed(p, points[i])
            else:
                return False
            if i + 1 < len(new):
                through(w, shape, s, new[i : i + 1], start + i)
                unembed(w, shape, s, 0, 1, s.logits)
        return True

    return {"read": read, "continued": continued}
