"""Numbers that stand for others, and functions of one number, written so that they become vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinygpt.sampling.loops.arrays import compiled

ONE = np.float32(1)


@intrinsic
def real(typing, code):
    """The float32 that a code stands for: a bfloat16 is the upper half of one, a whole number itself."""

    def build(context, builder, signature, arguments):
        if code != types.uint16:
            return context.cast(builder, arguments[0], code, types.float32)
        wide = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.IntType(32)(16)), ir.FloatType())

    return types.float32(code), build


@intrinsic
def low(typing, pair):
    """The lower half of a byte, 0 to 15, as float32."""

    def build(context, builder, signature, arguments):
        half = builder.and_(arguments[0], ir.IntType(8)(15))
        return builder.uitofp(builder.zext(half, ir.IntType(32)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def high(typing, pair):
    """The upper half of a byte, 0 to 15, as float32."""

    def build(context, builder, signature, arguments):
        half = builder.lshr(arguments[0], ir.IntType(8)(4))
        return builder.uitofp(builder.zext(half, ir.IntType(32)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def lower(typing, pair):
    """The bfloat16 in the lower half of a code, as float32."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(builder.shl(arguments[0], ir.IntType(32)(16)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def upper(typing, pair):
    """The bfloat16 in the upper half of a code, as float32."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(builder.and_(arguments[0], ir.IntType(32)(0xFFFF0000)), ir.FloatType())

    return types.float32(pair), build


@intrinsic
def larger(typing, a, b):
    """The larger of two numbers, neither NaN: only then is the largest of many found by vectors."""

    def build(context, builder, signature, arguments):
        above = builder.fcmp_ordered(">", *arguments, flags=("nnan", "nsz"))
        return builder.select(above, *arguments, flags=("nnan", "nsz"))

    return types.float32(a, b), build


@intrinsic
def power_of_two(typing, n):
    """2^n as float32, made by writing its exponent."""

    def build(context, builder, signature, arguments):
        exponent = builder.add(arguments[0], ir.IntType(32)(127))
        return builder.bitcast(builder.shl(exponent, ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.int32), build


@intrinsic
def borrowed(typing, value):
    """The same arrays, of which nobody counts the users: a step would count hundreds of times, atomically.

    For an array, or a tuple of them, that its owner holds for longer.
    """

    def build(context, builder, signature, arguments):
        return _uncounted(context, builder, value, arguments[0])

    return value(value), build


def _uncounted(context: Any, builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = array.meminfo.type(None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        for i, part in enumerate(kind.types):
            own = _uncounted(context, builder, part, builder.extract_value(value, i))
            value = builder.insert_value(value, own, i)
    return value


@intrinsic
def widest(typing):
    """Asks for the widest vectors that the processor has, not for what suits most programs.

    Within another function this would be lost, so the function stays one of its own.
    """

    def build(context, builder, signature, arguments):
        # llvmlite knows no attributes with values; the set beneath takes any.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), build


@compiled
def largest(x):
    top = x[0]
    for i in range(len(x)):
        top = larger(top, x[i])
    return top


@compiled
def where(x, value):
    for i in range(len(x)):
        if x[i] == value:
            return i
    return 0


@compiled
def exp(x):
    """e^x = 2^n · e^r with |r| ≤ ½ ln 2, where seven terms of the series are enough."""
    x = min(max(x, np.float32(-87)), np.float32(88))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)  # ln 2 in two parts
    p = np.float32(1 / 720)
    for term in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        p = p * r + np.float32(term)
    return p * power_of_two(np.int32(n))


@compiled
def erf(x):
    """Off by at most 1.5e-7. Source: Abramowitz & Stegun 1964, equation 7.1.26."""
    z = abs(x)
    t = ONE / (ONE + np.float32(0.3275911) * z)
    p = np.float32(1.061405429)
    for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = p * t + np.float32(term)
    return np.copysign(ONE - p * t * exp(-z * z), x)
