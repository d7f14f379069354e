"""One step of a GPT, from a token to the logits of the next, as loops over arrays that numba compiles.

A small model's step is a million multiplications: 40 µs for a core, if nothing else is done. PyTorch needs
longer to start its operations than they then take. Here there are no operations, only loops.

The time is what it takes to read the weights. They are kept as narrow as they are exact (`rounding`), widened
on the way to the multiplication, and stored in the order in which they are read: a matrix is cut into tiles
of TOGETHER inputs × LANES outputs. A row of a tile lies side by side in memory, so an instruction takes 8 or
16 of its weights at once, and no sum runs across a vector. Keys and values are two more matrices, in tiles
that are SPAN wide, and attention two more products.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from tinygpt.sampling.rounding import GROUP

TOGETHER, LANES, SPAN = 8, 64, 32
RELU, GELU, GELU_TANH, RELU2, SWIGLU = range(5)
# Sums may be reordered, or there would be no vectors; infinities and NaN stay what they are.
_FAST = {"fastmath": {"reassoc", "contract", "arcp", "nsz"}, "error_model": "numpy"}
compiled = partial(njit, cache=True, **_FAST)
_ONE = np.float32(1)


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
    """What was read of a sequence, in tiles of LANES tokens, and room to work in."""

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


@compiled
def read(w, shape, s, tokens, start):
    """Appends tokens to a sequence of `start`; the last one's logits are then in `s.logits`."""
    for i in range(len(tokens)):
        _through(w, shape, s, tokens[i], start + i)
    _unembed(w, shape, s)


@compiled
def continued(w, shape, s, start, new):
    """Fills `new` with the likeliest tokens, each given those before it; the last one is not read."""
    V = len(w.embedding)
    for i in range(len(new)):
        s.logits[V:] = -np.inf
        new[i] = _where(s.logits, _largest(s.logits))
        if i + 1 < len(new):
            _through(w, shape, s, new[i], start + i)
            _unembed(w, shape, s)


@compiled
def _through(w, shape, s, token, t):
    x = s.stream
    x[:] = w.embedding[token]
    if len(w.position):
        _add(x, w.position[t])
    for layer in range(len(w.qkv.codes)):
        _normalise(shape.centred, x, w.gains[2 * layer], w.shifts[2 * layer], s.normed)
        _affine(w.qkv, layer, s.normed, s.qkv)
        _attend(w, shape, s, layer, t)
        _affine(w.out, layer, s.mixed, s.added)
        _add(x, s.added)
        if shape.d_ff:
            _normalise(shape.centred, x, w.gains[2 * layer + 1], w.shifts[2 * layer + 1], s.normed)
            _affine(w.up, layer, s.normed, s.wide)
            _activate(shape.activation, s.wide, shape.d_ff)
            _affine(w.down, layer, s.wide, s.added)
            _add(x, s.added)


@compiled
def _unembed(w, shape, s):
    _normalise(shape.centred, s.stream, w.gains[-1], w.shifts[-1], s.normed)
    _affine(w.head, 0, s.normed, s.logits)


@compiled
def _attend(w, shape, s, layer, t):
    H, G = shape.n_heads, s.keys.shape[1]
    K, tiles, blocks = len(s.stream) // H, t // SPAN + 1, t // TOGETHER + 1
    q, k, v = s.qkv[: H * K], s.qkv[H * K : (H + G) * K], s.qkv[(H + G) * K :]
    if len(w.cos):
        _rotate(q, w.cos[t], w.sin[t])
        _rotate(k, w.cos[t], w.sin[t])
    q *= shape.scale
    for g in range(G):
        keys, values = s.keys[layer, g, tiles - 1], s.values[layer, g, blocks - 1]
        for i in range(K):
            keys[i, t % SPAN] = k[g * K + i]
            values[i // SPAN, t % TOGETHER, i % SPAN] = v[g * K + i]
    scores = s.scores[: tiles * SPAN]
    for h in range(H):
        g = h // (H // G)
        _score(s.keys[layer, g, :tiles], s.qkv[h * K :], scores)
        if len(w.slopes):
            for i in range(t):
                scores[i] -= w.slopes[h] * np.float32(t - i)
        scores[t + 1 :] = -np.inf
        _softmax(scores)
        # Where a head does not fill its tiles, zeros go beyond it. The next head overwrites them.
        _mix(s.values[layer, g, :blocks], scores, s.mixed[h * K :])


@compiled
def _rotate(x, cos, sin):
    half = len(cos)
    for first in range(0, len(x), 2 * half):
        a, b = x[first : first + half], x[first + half : first + 2 * half]
        for i in range(half):
            a[i], b[i] = a[i] * cos[i] - b[i] * sin[i], a[i] * sin[i] + b[i] * cos[i]


@compiled
def _score(keys, q, scores):
    _widest()
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
def _softmax(x):
    top, total = _largest(x), np.float32(0)
    for i in range(len(x)):
        x[i] = _exp(x[i] - top)
        total += x[i]
    x *= _ONE / total


@compiled
def _mix(values, weights, y):
    _widest()
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
def _normalise(centred, x, gain, shift, y):
    D, total, squares = len(x), np.float32(0), np.float32(0)
    if centred:
        for i in range(D):
            total += x[i]
    mean = total / np.float32(D)
    for i in range(D):
        squares += (x[i] - mean) * (x[i] - mean)
    inverse = _ONE / np.sqrt(squares / np.float32(D) + np.float32(1e-5))
    for i in range(D):
        y[i] = (x[i] - mean) * inverse * gain[i] + shift[i]


@compiled
def _activate(kind, x, F):
    if kind in (RELU, RELU2):
        for i in range(F):
            x[i] = max(x[i], np.float32(0))
            x[i] *= x[i] if kind == RELU2 else _ONE
    elif kind == GELU:
        for i in range(F):
            x[i] *= np.float32(0.5) * (_ONE + _erf(x[i] * np.float32(0.70710678)))
    elif kind == GELU_TANH:
        for i in range(F):  # ½ (1 + tanh z) = 1 / (1 + e^(−2z)), and 2 √(2/π) = 1.5957691
            z = np.float32(1.5957691216) * (x[i] + np.float32(0.044715) * x[i] * x[i] * x[i])
            x[i] /= _ONE + _exp(-z)
    else:
        for i in range(F):
            x[i] *= x[F + i] / (_ONE + _exp(-x[i]))
        x[F:] = 0


@compiled
def _add(x, y):
    for i in range(len(x)):
        x[i] += y[i]


@compiled
def _affine(m, layer, x, y):
    product(m.codes[layer], m.scales[layer], x, y)
    if len(m.bias):
        _add(y, m.bias[layer])


def product(codes, scales, x, y):
    """y = x @ (codes · scales). Compiled for each kind of codes; this says which loop is for which."""


@overload(product, jit_options=_FAST)
def _(codes, scales, x, y):
    return _product_of_halves if codes.dtype == types.uint8 else _product


def _product(codes, scales, x, y):
    _widest()
    blocks, tiles, _, _ = codes.shape
    y[:] = 0
    for b in range(blocks):
        for tile in range(tiles):
            for lane in range(LANES):
                total = y[tile * LANES + lane]
                for j in range(TOGETHER):
                    total += x[b * TOGETHER + j] * _real(codes[b, tile, j, lane])
                y[tile * LANES + lane] = total
    if len(scales):
        for o in range(len(y)):
            y[o] *= _real(scales[0, o])


def _product_of_halves(codes, scales, x, y):
    _widest()
    blocks, tiles, _, _ = codes.shape
    y[:] = 0
    for b in range(blocks):
        first, scale = b * 2 * TOGETHER, scales[b * 2 * TOGETHER // GROUP]
        offset = 8 * np.sum(x[first : first + 2 * TOGETHER])
        for tile in range(tiles):
            for lane in range(LANES):
                total = -offset
                for j in range(TOGETHER):
                    pair, i = codes[b, tile, j, lane], first + 2 * j
                    total += x[i] * _low(pair) + x[i + 1] * _high(pair)
                y[tile * LANES + lane] += total * _real(scale[tile * LANES + lane])


@intrinsic
def _real(typing, code):
    """The float32 that a code stands for: a bfloat16 is the upper half of one, a whole number itself."""

    def build(context, builder, signature, arguments):
        if code != types.uint16:
            return context.cast(builder, arguments[0], code, types.float32)
        wide = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.IntType(32)(16)), ir.FloatType())

    return types.float32(code), build


@intrinsic
def _low(typing, pair):
    """The lower half of a byte, 0 to 15, as float32."""

    def build(context, builder, signature, arguments):
        half = builder.and_(arguments[0], ir.IntType(8)(15))
        return builder.uitofp(builder.zext(half, ir.IntType(32)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def _high(typing, pair):
    """The upper half of a byte, 0 to 15, as float32."""

    def build(context, builder, signature, arguments):
        half = builder.lshr(arguments[0], ir.IntType(8)(4))
        return builder.uitofp(builder.zext(half, ir.IntType(32)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def _larger(typing, a, b):
    """The larger of two numbers, neither NaN: only then is the largest of many found by vectors."""

    def build(context, builder, signature, arguments):
        above = builder.fcmp_ordered(">", *arguments, flags=("nnan", "nsz"))
        return builder.select(above, *arguments, flags=("nnan", "nsz"))

    return types.float32(a, b), build


@intrinsic
def _power_of_two(typing, n):
    """2^n as float32, made by writing its exponent."""

    def build(context, builder, signature, arguments):
        exponent = builder.add(arguments[0], ir.IntType(32)(127))
        return builder.bitcast(builder.shl(exponent, ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.int32), build


@intrinsic
def _widest(typing):
    """Asks for the widest vectors that the processor has, not for what suits most programs."""

    def build(context, builder, signature, arguments):
        # llvmlite knows no attributes with values; the set beneath takes any.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), build


@compiled
def _largest(x):
    top = x[0]
    for i in range(len(x)):
        top = _larger(top, x[i])
    return top


@compiled
def _where(x, value):
    for i in range(len(x)):
        if x[i] == value:
            return i
    return 0


@compiled
def _exp(x):
    """e^x = 2^n · e^r with |r| ≤ ½ ln 2, where seven terms of the series are enough."""
    x = min(max(x, np.float32(-87)), np.float32(88))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)  # ln 2 in two parts
    p = np.float32(1 / 720)
    for term in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        p = p * r + np.float32(term)
    return p * _power_of_two(np.int32(n))


@compiled
def _erf(x):
    """Off by at most 1.5e-7. Source: Abramowitz & Stegun 1964, equation 7.1.26."""
    z = abs(x)
    t = _ONE / (_ONE + np.float32(0.3275911) * z)
    p = np.float32(1.061405429)
    for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = p * t + np.float32(term)
    return np.copysign(_ONE - p * t * _exp(-z * z), x)
