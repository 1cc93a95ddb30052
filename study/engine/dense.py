"""Layers whose units read all inputs: few units in sums that stay in registers, many by BLAS."""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from study.engine.arrays import MANY, Floats, Size
from study.engine.compilation import inlined, inner
from study.engine.sparse import four_products, product
from study.engine.vectors import (
    FOURFOLD,
    NARROW,
    fma,
    fourfold,
    instruction,
    load,
    narrow,
    store,
)

_FLAG: Final = ir.IntType(8)
_INTEGER: Final = ir.IntType(32)
_FLOAT: Final = ir.FloatType()

_PLAIN: Final = ord("N")
_TRANSPOSED: Final = ord("T")
_NOTHING: Final = np.float32(0)
_ONCE: Final = np.float32(1)


@inner
def dense_products(
    sgemm: Size, weights: Floats, x: Floats, inputs: Size, y: Floats, units: Size, lanes: Size
) -> None:
    """Adds the weights, (units x inputs,), times x, (inputs, lanes), to y, (units, lanes).

    `sgemm` is its address (`study.engine.blas`), which layers of `MANY` units need, here as below.
    """
    if units < MANY:
        _add_products(weights, inputs, np.int64(1), x, inputs, y, units, lanes)
    else:
        steps = (inputs, x.shape[1], y.shape[1])
        _multiply(sgemm, _PLAIN, weights, _PLAIN, x, _ONCE, y, (units, inputs, lanes), steps)


@inner
def dense_backward(
    sgemm: Size,
    weights: Floats,
    through: Floats,
    units: Size,
    below: Floats,
    inputs: Size,
    lanes: Size,
) -> None:
    """Writes the transposed weights times `through`, (units, lanes), to `below`, (inputs, lanes)."""
    if units < MANY:
        below[:, :lanes] = 0.0
        _add_products(weights, np.int64(1), inputs, through, units, below, inputs, lanes)
    else:
        steps = (inputs, through.shape[1], below.shape[1])
        sizes = (inputs, units, lanes)
        _multiply(sgemm, _TRANSPOSED, weights, _PLAIN, through, _NOTHING, below, sizes, steps)


@inner
def dense_weight_gradient(
    sgemm: Size,
    gradient: Floats,
    x: Floats,
    inputs: Size,
    through: Floats,
    units: Size,
    lanes: int,
) -> None:
    """Adds to the gradient of each weight, (units x inputs,): the product of its rows."""
    if units >= MANY:
        steps = (through.shape[1], x.shape[1], inputs)
        sizes = (units, lanes, inputs)
        _multiply(sgemm, _PLAIN, through, _TRANSPOSED, x, _ONCE, gradient, sizes, steps)
        return
    whole = inputs - inputs % 4
    for unit in range(units):
        place = unit * inputs
        for i in range(0, whole, 4):
            sums = four_products(x, i, i + 1, i + 2, i + 3, through, unit, lanes)
            gradient[place + i] += sums[0]
            gradient[place + i + 1] += sums[1]
            gradient[place + i + 2] += sums[2]
            gradient[place + i + 3] += sums[3]
        for i in range(whole, inputs):
            gradient[place + i] += product(x, i, through, unit, lanes)


@inlined
def _add_products(
    weights: Floats,
    row_step: Size,
    column_step: Size,
    x: Floats,
    inputs: Size,
    y: Floats,
    units: Size,
    lanes: Size,
) -> None:
    """Adds a matrix times x, (inputs, lanes), to y, (units, lanes).

    The matrix's entry (u, i) is `weights[u * row_step + i * column_step]`, so that the transposed
    one needs no copy.
    """
    unit = np.int64(0)
    while unit + 4 <= units:
        for lane in range(0, lanes, FOURFOLD):
            a, b = load(y, unit, lane, fourfold()), load(y, unit + 1, lane, fourfold())
            c, d = load(y, unit + 2, lane, fourfold()), load(y, unit + 3, lane, fourfold())
            place = unit * row_step
            for i in range(inputs):
                row = load(x, i, lane, a)
                a = fma(weights[place], row, a)
                b = fma(weights[place + row_step], row, b)
                c = fma(weights[place + 2 * row_step], row, c)
                d = fma(weights[place + 3 * row_step], row, d)
                place += column_step
            store(y, unit, lane, a)
            store(y, unit + 1, lane, b)
            store(y, unit + 2, lane, c)
            store(y, unit + 3, lane, d)
        unit += 4
    while unit < units:
        for lane in range(0, lanes, NARROW):
            a = load(y, unit, lane, narrow())
            for i in range(inputs):
                weight = weights[unit * row_step + i * column_step]
                a = fma(weight, load(x, i, lane, a), a)
            store(y, unit, lane, a)
        unit += 1


@instruction
def _multiply(
    _: Any,
    sgemm: Any,
    turn_a: Any,
    a: Any,
    turn_b: Any,
    b: Any,
    kept: Any,
    c: Any,
    sizes: Any,
    steps: Any,
) -> Any:
    """Sets c to kept * c + a times b, of sizes (rows, depth, columns); a and b may be stored transposed.

    `steps`: from row to row of a, b and c. BLAS has matrices column by column, and so gets all three
    transposed, which are b times a.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def matrix(place: int) -> Any:
            make = context.make_array(signature.args[place])
            return make(context, builder, arguments[place]).data

        def integers(numbers: Any) -> list[Any]:
            unpacked = cgutils.unpack_tuple(builder, numbers)
            return [address(builder.trunc(one, _INTEGER)) for one in unpacked]

        def address(value: Any) -> Any:  # Fortran gets nothing else
            return cgutils.alloca_once_value(builder, value)

        sgemm, turn_a, _, turn_b, _, kept, _, sizes, steps = arguments
        flag_a, flag_b = (address(builder.trunc(one, _FLAG)) for one in (turn_a, turn_b))
        rows, depth, columns = integers(sizes)
        step_a, step_b, step_c = integers(steps)
        passed = [flag_b, flag_a, columns, rows, depth, address(_FLOAT(1.0)), matrix(4), step_b]
        passed += [matrix(2), step_a, address(kept), matrix(6), step_c]
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in passed])
        builder.call(builder.inttoptr(sgemm, kind.as_pointer()), passed)
        return context.get_dummy_value()

    three = types.UniTuple(types.intp, 3)
    size, factor = types.intp, types.float32
    return types.void(size, size, a, size, b, factor, c, three, three), code
