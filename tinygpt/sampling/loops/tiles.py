"""A tile times four rows, as instructions: loops that the compiler would not make vectors of."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinygpt.sampling.loops.arrays import COLUMNS, LANES, SPAN, TOGETHER
from tinygpt.sampling.rounding import GROUP

REALS = ir.VectorType(ir.FloatType(), SPAN)
SAME = ir.Constant(ir.VectorType(ir.IntType(32), SPAN), [0] * SPAN)
NUMBERS = {
    types.float32: ir.FloatType(),
    types.uint32: ir.IntType(32),
    types.int8: ir.IntType(8),
    types.uint8: ir.IntType(8),
}
PAIRS = (types.uint32, types.uint8)  # codes that hold the weights of two inputs


@intrinsic
def multiply(typing, codes, scales, x, y, b, tile, lane):
    """Adds a tile's products with four rows of inputs to four rows of outputs, SPAN of them from `lane`.

    The weights become real numbers once for all four.
    """

    def build(context, builder, signature, arguments):
        _Tile(context, builder, signature.args, arguments).multiply()
        return context.get_dummy_value()

    return types.none(codes, scales, x, y, b, tile, lane), build


class _Tile:
    """Writes the instructions of `multiply`, on vectors of SPAN numbers."""

    def __init__(self, context: Any, builder: ir.IRBuilder, kinds: tuple, arguments: list) -> None:
        self.builder, self.kind = builder, kinds[0].dtype
        self.codes, self.scales, self.x, self.y = (
            context.make_array(kind)(context, builder, array)
            for kind, array in zip(kinds[:4], arguments[:4], strict=True)
        )
        self.b, self.tile, self.lane = (
            context.cast(builder, number, kind, types.intp)
            for kind, number in zip(kinds[4:], arguments[4:], strict=True)
        )
        self.output = builder.add(builder.mul(self.tile, _whole(LANES)), self.lane)
        self.in_a_code = 2 if self.kind in PAIRS else 1

    def multiply(self) -> None:
        build, outputs = self.builder, [self.at(self.y, c, self.output) for c in range(COLUMNS)]
        totals = [self.load(self.y, place, REALS) for place in outputs]
        scale = self.scale() if self.kind == types.uint8 else None
        first = build.mul(self.b, _whole(self.in_a_code * TOGETHER))
        for j in range(TOGETHER):
            for k, weight in enumerate(self.weights(j, scale)):
                i = build.add(first, _whole(self.in_a_code * j + k))
                totals = [self.more(total, c, i, weight) for c, total in enumerate(totals)]
        for place, total in zip(outputs, totals, strict=True):
            build.store(total, self.pointer(self.y, place, REALS), align=4)

    def weights(self, j: int, scale: ir.Value | None) -> list[ir.Value]:
        """The weights of an input as real numbers; of two inputs, where a code holds two."""
        build, kind = self.builder, self.kind
        tiles = cgutils.unpack_tuple(build, self.codes.shape)[1]
        tile = build.add(build.mul(self.b, tiles), self.tile)
        start = build.add(build.mul(tile, _whole(TOGETHER * LANES)), build.add(_whole(j * LANES), self.lane))
        codes = self.load(self.codes, start, ir.VectorType(NUMBERS[kind], SPAN))
        if kind == types.uint32:
            upper = build.and_(codes, _many(codes.type, 0xFFFF0000))
            return [self.upper_half(codes), build.bitcast(upper, REALS)]
        if kind == types.int8:
            return [build.sitofp(codes, REALS)]
        if kind == types.float32:
            return [codes]
        halves = build.and_(codes, _many(codes.type, 15)), build.lshr(codes, _many(codes.type, 4))
        eight = _many(REALS, 8.0)
        return [build.fmul(build.fsub(build.uitofp(half, REALS), eight), scale) for half in halves]

    def scale(self) -> ir.Value:
        build = self.builder
        group = build.udiv(build.mul(self.b, _whole(2 * TOGETHER)), _whole(GROUP))
        place = self.at(self.scales, group, self.output)
        return self.upper_half(self.load(self.scales, place, ir.VectorType(ir.IntType(16), SPAN)))

    def upper_half(self, codes: ir.Value) -> ir.Value:
        wide = self.builder.zext(codes, ir.VectorType(ir.IntType(32), SPAN))  # nothing, where it is as wide
        return self.builder.bitcast(self.builder.shl(wide, _many(wide.type, 16)), REALS)

    def more(self, total: ir.Value, c: int, i: ir.Value, weight: ir.Value) -> ir.Value:
        """total + x[c, i] · weight, in one instruction where there is one."""
        build, nothing = self.builder, ir.Constant(REALS, ir.Undefined)
        x = build.load(self.pointer(self.x, self.at(self.x, c, i), ir.FloatType()))
        spread = build.shuffle_vector(build.insert_element(nothing, x, ir.IntType(32)(0)), nothing, SAME)
        return build.fadd(total, build.fmul(spread, weight, flags=["contract"]), flags=["contract"])

    def at(self, array: Any, row: int | ir.Value, column: ir.Value) -> ir.Value:
        """The place in memory of an element of a matrix."""
        width = cgutils.unpack_tuple(self.builder, array.shape)[1]
        row = _whole(row) if isinstance(row, int) else row
        return self.builder.add(self.builder.mul(row, width), column)

    def pointer(self, array: Any, place: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(array.data, [place]), kind.as_pointer())

    def load(self, array: Any, place: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.load(self.pointer(array, place, kind), align=1)


def _whole(n: int) -> ir.Constant:
    return ir.IntType(64)(n)


def _many(kind: ir.VectorType, number: float) -> ir.Constant:
    return ir.Constant(kind, [number] * SPAN)
