"""Layers whose units read all inputs, by BLAS (`study.engine.blas`)."""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from study.engine.arrays import Floats, Size
from study.engine.blas import SGEMM
from study.engine.compilation import inner
from study.engine.vectors import instruction

_FLAG: Final = ir.IntType(8)
_INTEGER: Final = ir.IntType(32)
_FLOAT: Final = ir.FloatType()

_PLAIN: Final = ord("N")
_TRANSPOSED: Final = ord("T")
_NOTHING: Final = np.float32(0)
_ONCE: Final = np.float32(1)


@inner
def dense_products(
    weights: Floats, x: Floats, inputs: Size, y: Floats, units: Size, lanes: Size
) -> None:
    """Adds the weights, (units x inputs,), times x, (inputs, lanes), to y, (units, lanes)."""
    steps = (inputs, x.shape[1], y.shape[1])
    _multiply(_PLAIN, weights, _PLAIN, x, _ONCE, y, (units, inputs, lanes), steps)


@inner
def dense_backward(
    weights: Floats, through: Floats, units: Size, below: Floats, inputs: Size, lanes: Size
) -> None:
    """Writes the transposed weights times `through`, (units, lanes), to `below`, (inputs, lanes)."""
    steps = (inputs, through.shape[1], below.shape[1])
    _multiply(_TRANSPOSED, weights, _PLAIN, through, _NOTHING, below, (inputs, units, lanes), steps)


@inner
def dense_weight_gradient(
    gradient: Floats, x: Floats, inputs: Size, through: Floats, units: Size, lanes: Size
) -> None:
    """Adds to the gradient of each weight, (units x inputs,): the product of its rows."""
    steps = (through.shape[1], x.shape[1], inputs)
    _multiply(_PLAIN, through, _TRANSPOSED, x, _ONCE, gradient, (units, lanes, inputs), steps)


@instruction
def _multiply(
    _: Any, turn_a: Any, a: Any, turn_b: Any, b: Any, kept: Any, c: Any, sizes: Any, steps: Any
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

        turn_a, _, turn_b, _, kept, _, sizes, steps = arguments
        flag_a, flag_b = (address(builder.trunc(one, _FLAG)) for one in (turn_a, turn_b))
        rows, depth, columns = integers(sizes)
        step_a, step_b, step_c = integers(steps)
        passed = [flag_b, flag_a, columns, rows, depth, address(_FLOAT(1.0)), matrix(3), step_b]
        passed += [matrix(1), step_a, address(kept), matrix(5), step_c]
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in passed])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, SGEMM), passed)
        return context.get_dummy_value()

    three = types.UniTuple(types.intp, 3)
    return types.void(types.intp, a, types.intp, b, types.float32, c, three, three), code
