"""A matrix times one vector, or times four, for which its weights are then loaded once."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from tinygpt.sampling.loops.arrays import COLUMNS, FAST, LANES, SPAN, TOGETHER, compiled
from tinygpt.sampling.loops.numbers import high, low, lower, real, upper, widest
from tinygpt.sampling.loops.tiles import multiply
from tinygpt.sampling.rounding import GROUP


@compiled
def affine(m, layer, x, y, n):
    """The map of a layer for the first n rows. Of two or three rows that are left, four are made."""
    codes, scales, whole = m.codes[layer], m.scales[layer], n - n % COLUMNS if n % COLUMNS < 2 else n
    for c in range(0, whole, COLUMNS):
        product_of_four(codes, scales, x[c : c + COLUMNS], y[c : c + COLUMNS])
    if whole < n:
        product(codes, scales, x[whole], y[whole])
    if len(m.bias):
        for c in range(n):
            add(y[c], m.bias[layer])


@compiled
def add(x, y):
    for i in range(len(x)):
        x[i] += y[i]


def product(codes, scales, x, y):
    """y = x @ (codes · scales). Compiled for each kind of codes; this says which loop is for which."""


@overload(product, jit_options=FAST)
def _(codes, scales, x, y):
    return {types.uint8: _product_of_halves, types.uint32: _product_of_pairs}.get(codes.dtype, _product)


def _product(codes, scales, x, y):
    widest()
    blocks, tiles, _, _ = codes.shape
    y[:] = 0
    for b in range(blocks):
        for tile in range(tiles):
            for lane in range(LANES):
                total = y[tile * LANES + lane]
                for j in range(TOGETHER):
                    total += x[b * TOGETHER + j] * real(codes[b, tile, j, lane])
                y[tile * LANES + lane] = total
    if len(scales):
        for o in range(len(y)):
            y[o] *= real(scales[0, o])


def _product_of_pairs(codes, scales, x, y):
    widest()
    blocks, tiles, _, _ = codes.shape
    y[:] = 0
    for b in range(blocks):
        first = b * 2 * TOGETHER
        for tile in range(tiles):
            for lane in range(LANES):
                total = y[tile * LANES + lane]
                for j in range(TOGETHER):
                    pair, i = codes[b, tile, j, lane], first + 2 * j
                    total += x[i] * lower(pair) + x[i + 1] * upper(pair)
                y[tile * LANES + lane] = total


def _product_of_halves(codes, scales, x, y):
    widest()
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
                    total += x[i] * low(pair) + x[i + 1] * high(pair)
                y[tile * LANES + lane] += total * real(scale[tile * LANES + lane])


def product_of_four(codes, scales, x, y):
    """The same for four rows at once."""


@overload(product_of_four, jit_options=FAST)
def _(codes, scales, x, y):
    return _four_of_halves if codes.dtype == types.uint8 else _four


def _four(codes, scales, x, y):
    _sums(codes, scales, x, y)
    if len(scales):
        for c in range(COLUMNS):
            for o in range(y.shape[1]):
                y[c, o] *= real(scales[0, o])


def _four_of_halves(codes, scales, x, y):
    _sums(codes, scales, x, y)


@compiled
def _sums(codes, scales, x, y):
    widest()
    blocks, tiles, _, _ = codes.shape
    y[:] = 0
    for b in range(blocks):
        for tile in range(tiles):
            for lane in range(0, LANES, SPAN):
                multiply(codes, scales, x, y, b, tile, lane)
