"""Drawing tokens inside the loops: what `draws` and `speculative` do with tensors."""

from __future__ import annotations

import numpy as np

from tinygpt.sampling.loops.arrays import compiled
from tinygpt.sampling.loops.numbers import ONE, exp, largest, where


@compiled
def likeliest(logits):
    return where(logits, largest(logits))


@compiled
def soften(logits, sharpness, p):
    """Fills p with softmax(sharpness · logits); returns whether the logits are numbers."""
    top, total, sum_of_all = largest(logits), np.float32(0), np.float32(0)
    for i in range(len(logits)):
        sum_of_all += logits[i]
        p[i] = exp((logits[i] - top) * sharpness)
        total += p[i]
    p *= ONE / total
    return sum_of_all == sum_of_all


@compiled
def landed(weights, point):
    """The token at a point from 0 to 1, of which each owns its share of the weights."""
    total = np.float32(0)
    for i in range(len(weights)):
        total += weights[i]
    place, reached, last = point * total, np.float32(0), 0
    for i in range(len(weights)):
        reached += weights[i]
        if reached > place:
            return i
        if weights[i] > 0:
            last = i
    return last  # where rounding left the point beyond the end


@compiled
def leave(p, q):
    """Makes p what is left of it, max(p − q, 0); it stays where nothing is left but for rounding."""
    total = np.float32(0)
    for i in range(len(p)):
        total += max(p[i] - q[i], np.float32(0))
    if total > 0:
        for i in range(len(p)):
            p[i] = max(p[i] - q[i], np.float32(0))
