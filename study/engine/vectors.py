"""Vectors of floats in the processor's registers, as values in compiled functions.

LLVM vectorizes plain loops over lanes, too, but it then reads and writes a row of sums for every few
products, and checks before each loop that no two rows overlap. A vector stays in registers; it is made
with Numba's interface for extensions: https://numba.readthedocs.io/en/stable/extending/low-level.html.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from study.engine.arrays import BLOCK, LANES

AVX512: Final = bool(llvm.get_host_cpu_features().get("avx512f"))
"""Whether the registers hold 512 floats; those of AVX2 and NEON hold 128."""

NARROW: Final = LANES
"""The lanes of a narrow vector: two registers of AVX-512, four of AVX2, eight of NEON."""

FOURFOLD: Final = NARROW if AVX512 else NARROW // 2
"""The lanes of a fourfold vector, of which four sums fit into the registers beside a row."""

WIDE: Final = 64
"""The lanes of a wide vector: as many sums as hide the latency of their additions."""

_FLOAT: Final = ir.FloatType()
_INT8: Final = ir.IntType(8)
_INT32: Final = ir.IntType(32)
_HALF: Final = NARROW // 2
_FUSED: Final = ("contract",)

# Of two vectors of 16: the numbers 0 to 15 are the lanes of the first, 16 to 31 those of the second.
_LOWER_HALVES: Final = [lane for pair in zip(range(8), range(16, 24), strict=True) for lane in pair]
_UPPER_HALVES: Final = [lane + 8 for lane in _LOWER_HALVES]
_UNPACKED: Final = ((0, 16, 1, 17), (2, 18, 3, 19))
_JOINED: Final = ((0, 1, 16, 17), (2, 3, 18, 19))

_Instruction = Callable[..., Any]


class Vector(types.Type):
    """The type of a vector of so many floats."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Vector({width})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(_FLOAT, vector.width))  # type: ignore[no-untyped-call]  # of numba


def instruction(build: Callable[..., Any]) -> _Instruction:
    """Compiled functions call it; `build` gets the types of its arguments."""
    made: _Instruction = intrinsic(build)
    return made


def _zeros(lanes: int) -> _Instruction:
    return instruction(lambda _: (Vector(lanes)(), lambda *_: ir.VectorType(_FLOAT, lanes)(None)))


narrow, fourfold, wide = map(_zeros, (NARROW, FOURFOLD, WIDE))


@instruction
def load(_: Any, rows: Any, row: Any, lane: Any, like: Any) -> Any:
    """The lanes `lane` and following of a row, as many as `like` has; bytes and pairs become floats."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *place, _ = arguments
        width = like.width
        if rows.dtype == types.uint8:
            pointer = _pointer(context, builder, signature, place, ir.VectorType(_INT8, width))
            numbers = builder.zext(builder.load(pointer, align=1), ir.VectorType(_INT32, width))
            return builder.sitofp(numbers, ir.VectorType(_FLOAT, width))
        if rows.dtype == types.uint32:
            place[2] = builder.lshr(place[2], place[2].type(1))
            pointer = _pointer(
                context, builder, signature, place, ir.VectorType(_INT32, width // 2)
            )
            return _from_pairs(builder, builder.load(pointer, align=4))
        pointer = _pointer(context, builder, signature, place, ir.VectorType(_FLOAT, width))
        return builder.load(pointer, align=4)

    return like(rows, types.intp, types.intp, like), code


@instruction
def store(_: Any, rows: Any, row: Any, lane: Any, vector: Any) -> Any:
    """Writes a vector into a row of floats, from `lane` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *place, value = arguments
        pointer = _pointer(context, builder, signature, place, value.type)
        builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(rows, types.intp, types.intp, vector), code


@instruction
def store_pairs(_: Any, rows: Any, row: Any, lane: Any, vector: Any) -> Any:
    """Writes a narrow vector of whole numbers up to 255 into a row of pairs, from `lane` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, number, first, value = arguments
        bits = builder.bitcast(value, ir.VectorType(_INT32, NARROW))
        lower = _shuffled(builder, bits, bits, range(_HALF))
        upper = _shuffled(builder, bits, bits, range(_HALF, NARROW))
        pairs = builder.or_(builder.lshr(lower, lower.type([16] * _HALF)), upper)
        place = [words, number, builder.lshr(first, first.type(1))]
        pointer = _pointer(context, builder, signature, place, pairs.type)
        builder.store(pairs, pointer, align=4)
        return context.get_dummy_value()

    return types.void(rows, types.intp, types.intp, vector), code


@instruction
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c; a and c may be numbers."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        first, second, third = (_splat(builder, value, b.width) for value in arguments)
        return builder.fadd(builder.fmul(first, second, flags=_FUSED), third, flags=_FUSED)

    return b(_operand(a), b, _operand(c)), code


@instruction
def through_slope(_: Any, values: Any, outputs: Any, slope: Any) -> Any:
    """The values where the outputs are positive, elsewhere the values times the slope."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        value, output, factor = (_splat(builder, one, values.width) for one in arguments)
        positive = builder.fcmp_ordered(">", output, output.type(None))
        return builder.select(positive, value, builder.fmul(factor, value))

    return values(values, values, types.float32), code


@instruction
def total(_: Any, vector: Any) -> Any:
    """The sum of the lanes."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.extract_element(_folded(builder, arguments[0], 1), _INT32(0))

    return types.float32(vector), code


@instruction
def totals(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums of the lanes of four narrow vectors, in half as many instructions as one by one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second, third, fourth = (_folded(builder, value, 16) for value in arguments)
        # In each block of four lanes: two sums of a and two of b, then one of each of the four.
        pair = _added(builder, first, second, _UNPACKED)
        other = _added(builder, third, fourth, _UNPACKED)
        each = _added(builder, pair, other, _JOINED)
        sums = _folded(builder, each, 4)
        parts = [builder.extract_element(sums, _INT32(number)) for number in range(4)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float32, 4)(a, b, c, d), code


@instruction
def pointers(_: Any, bytes_: Any, starts: Any, first: Any, last: Any) -> Any:
    """The addresses of byte `starts[first]` and of the 15 starts after it, the last one repeated."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, numbers, start, end = arguments
        table = context.make_array(bytes_)(context, builder, table)
        numbers = context.make_array(starts)(context, builder, numbers)
        found = []
        for ahead in range(BLOCK):
            place = builder.add(start, start.type(ahead))
            place = builder.select(builder.icmp_signed("<", place, end), place, end)
            pointer = cgutils.get_item_pointer(context, builder, starts, numbers, [place])
            byte = builder.load(pointer)
            pointer = cgutils.get_item_pointer(context, builder, bytes_, table, [byte])
            found.append(builder.ptrtoint(pointer, start.type))
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.intp, BLOCK)(bytes_, starts, types.intp, types.intp), code


@instruction
def prefetch(_: Any, places: Any, start: Any) -> Any:
    """Has the memory from `start` on, of each of 16 places, read into the cache."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first = arguments
        line = _INT8.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [line, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for place in cgutils.unpack_tuple(builder, rows, BLOCK):
            pointer = builder.inttoptr(builder.add(place, first), line)
            # To be read, into all caches, as data.
            builder.call(function, [pointer, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(places, types.intp), code


@instruction
def transpose(_: Any, places: Any, start: Any, table: Any, lane: Any) -> Any:
    """Writes 16 bytes from `start` on, of each of 16 places, as 16 rows of the table, from `lane` on.

    Rows i and i + 8 are interleaved, four times (a perfect shuffle of rows and of bytes).
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first, target, column = arguments
        vector = ir.VectorType(_INT8, BLOCK)
        lines = []
        for place in cgutils.unpack_tuple(builder, rows, BLOCK):
            pointer = builder.inttoptr(builder.add(place, first), vector.as_pointer())
            lines.append(builder.load(pointer, align=1))
        for _ in range(4):
            lines = [
                _shuffled(builder, lines[row], lines[row + 8], order)
                for row in range(8)
                for order in (_LOWER_HALVES, _UPPER_HALVES)
            ]
        array = context.make_array(table)(context, builder, target)
        for number, line in enumerate(lines):
            place = [builder.add(first, first.type(number)), column]
            pointer = cgutils.get_item_pointer(context, builder, table, array, place)
            builder.store(line, builder.bitcast(pointer, vector.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(places, types.intp, table, types.intp), code


def _pointer(context: Any, builder: Any, signature: Any, place: Sequence[Any], vector: Any) -> Any:
    """Where a vector starts: in which array of rows, which row, which lane."""
    kind = signature.args[0]
    rows = context.make_array(kind)(context, builder, place[0])
    pointer = cgutils.get_item_pointer(context, builder, kind, rows, place[1:])
    return builder.bitcast(pointer, vector.as_pointer())


def _from_pairs(builder: Any, words: Any) -> Any:
    """Floats of words of two, as `study.engine.arrays.Workspace` has them."""
    count = words.type.count
    lower = builder.shl(words, words.type([16] * count))
    upper = builder.and_(words, words.type([0xFFFF0000] * count))
    order = [
        place + lane
        for block in range(0, count, _HALF)
        for place in (block, count + block)
        for lane in range(_HALF)
    ]
    bits = _shuffled(builder, lower, upper, order)
    return builder.bitcast(bits, ir.VectorType(_FLOAT, 2 * count))


def _operand(kind: Any) -> Any:
    return kind if isinstance(kind, Vector) else types.float32


def _splat(builder: Any, value: Any, width: int) -> Any:
    """A number in all lanes; a vector as it is."""
    if isinstance(value.type, ir.VectorType):
        return value
    blank = ir.VectorType(_FLOAT, width)(ir.Undefined)
    return _shuffled(builder, builder.insert_element(blank, value, _INT32(0)), blank, [0] * width)


def _shuffled(builder: Any, a: Any, b: Any, order: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.VectorType(_INT32, len(order))(list(order)))


def _added(builder: Any, a: Any, b: Any, pattern: Sequence[Sequence[int]]) -> Any:
    """Two vectors of 16 shuffled in two ways, in each block of four lanes alike, and added."""
    parts = [
        _shuffled(builder, a, b, [block + lane for block in range(0, 16, 4) for lane in order])
        for order in pattern
    ]
    return builder.fadd(*parts)


def _folded(builder: Any, vector: Any, width: int) -> Any:
    """Halves are added to each other, until so many lanes are left."""
    while vector.type.count > width:
        half = vector.type.count // 2
        lower = _shuffled(builder, vector, vector, range(half))
        vector = builder.fadd(lower, _shuffled(builder, vector, vector, range(half, 2 * half)))
    return vector
