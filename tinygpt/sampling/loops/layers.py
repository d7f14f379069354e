"""What stands between the products: norms, attention, activations."""

from __future__ import annotations

import numpy as np

from tinygpt.sampling.loops.arrays import GELU, GELU_TANH, RELU, RELU2, SPAN, TOGETHER, compiled
from tinygpt.sampling.loops.numbers import ONE, erf, exp, largest, widest


@compiled
def keep(w, shape, s, layer, c, t):
    """Turns a token's query and key to its place, and puts its key and value to the earlier ones."""
    H, G = shape.n_heads, s.keys.shape[1]
    K, row = s.stream.shape[1] // H, s.qkv[c]
    q, k, v = row[: H * K], row[H * K : (H + G) * K], row[(H + G) * K :]
    if len(w.cos):
        _rotate(q, w.cos[t], w.sin[t])
        _rotate(k, w.cos[t], w.sin[t])
    q *= shape.scale
    for g in range(G):
        keys, values = s.keys[layer, g, t // SPAN], s.values[layer, g, t // TOGETHER]
        for i in range(K):
            keys[i, t % SPAN] = k[g * K + i]
            values[i // SPAN, t % TOGETHER, i % SPAN] = v[g * K + i]


@compiled
def attend(w, shape, s, layer, c, t):
    """Lets a token look at itself and at the earlier ones; later ones may be there too."""
    H, G = shape.n_heads, s.keys.shape[1]
    K, tiles, blocks = s.stream.shape[1] // H, t // SPAN + 1, t // TOGETHER + 1
    q, mixed, scores = s.qkv[c], s.mixed[c], s.scores[: tiles * SPAN]
    for h in range(H):
        g = h // (H // G)
        _score(s.keys[layer, g, :tiles], q[h * K :], scores)
        if len(w.slopes):
            for i in range(t):
                scores[i] -= w.slopes[h] * np.float32(t - i)
        scores[t + 1 :] = -np.inf
        softmax(scores)
        # Where a head does not fill its tiles, zeros go beyond it. The next head overwrites them.
        _mix(s.values[layer, g, :blocks], scores, mixed[h * K :])


@compiled
def _rotate(x, cos, sin):
    half = len(cos)
    for first in range(0, len(x), 2 * half):
        a, b = x[first : first + half], x[first + half : first + 2 * half]
        for i in range(half):
            a[i], b[i] = a[i] * cos[i] - b[i] * sin[i], a[i] * sin[i] + b[i] * cos[i]


@compiled
def _score(keys, q, scores):
    widest()
    tiles, K, _ = keys.shape
    scores[:] = 0
    for tile in range(tiles):
        for i in range(0, K, TOGETHER):
            for lane in range(SPAN):
                total = scores[tile * SPAN + lane]
                for j in range(TOGETHER):
                    total += q[i + j] * keys[tile, i + j, lane]
                scores[tile * SPAN + lane] = total


@compiled
def softmax(x):
    top, total = largest(x), np.float32(0)
    for i in range(len(x)):
        x[i] = exp(x[i] - top)
        total += x[i]
    x *= ONE / total


@compiled
def _mix(values, weights, y):
    widest()
    blocks, tiles, _, _ = values.shape
    y[: tiles * SPAN] = 0
    for b in range(blocks):
        for tile in range(tiles):
            for lane in range(SPAN):
                total = y[tile * SPAN + lane]
                for j in range(TOGETHER):
                    total += weights[b * TOGETHER + j] * values[b, tile, j, lane]
                y[tile * SPAN + lane] = total


@compiled
def normalise(centred, x, gain, shift, y):
    D, total, squares = len(x), np.float32(0), np.float32(0)
    if centred:
        for i in range(D):
            total += x[i]
    mean = total / np.float32(D)
    for i in range(D):
        squares += (x[i] - mean) * (x[i] - mean)
    inverse = ONE / np.sqrt(squares / np.float32(D) + np.float32(1e-5))
    for i in range(D):
        y[i] = (x[i] - mean) * inverse * gain[i] + shift[i]


@compiled
def activate(kind, x, F):
    if kind in (RELU, RELU2):
        for i in range(F):
            x[i] = max(x[i], np.float32(0))
            x[i] *= x[i] if kind == RELU2 else ONE
    elif kind == GELU:
        for i in range(F):
            x[i] *= np.float32(0.5) * (ONE + erf(x[i] * np.float32(0.70710678)))
    elif kind == GELU_TANH:
        for i in range(F):  # ½ (1 + tanh z) = 1 / (1 + e^(−2z)), and 2 √(2/π) = 1.5957691
            z = np.float32(1.5957691216) * (x[i] + np.float32(0.044715) * x[i] * x[i] * x[i])
            x[i] /= ONE + exp(-z)
    else:
        for i in range(F):
            x[i] *= x[F + i] / (ONE + exp(-x[i]))
        x[F:] = 0
