"""Layers whose units read all inputs, in blocks of sums that stay in registers."""

import numpy as np

from study.engine.arrays import Floats, Size
from study.engine.compilation import inlined, inner
from study.engine.sparse import four_products
from study.engine.vectors import (
    AVX512,
    FOURFOLD,
    NARROW,
    fma,
    fourfold,
    load,
    narrow,
    store,
    total,
    totals,
)


@inner
def dense_products(
    weights: Floats,
    row_step: Size,
    column_step: Size,
    x: Floats,
    inputs: int,
    y: Floats,
    units: int,
    lanes: int,
) -> None:
    """Adds a matrix times x, (inputs, lanes), to y, (units, lanes).

    The matrix's entry (u, i) is `weights[u * row_step + i * column_step]`, so that the transposed
    one needs no copy.
    """
    unit = 0
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


@inner
def dense_weight_gradient(
    gradient: Floats, x: Floats, inputs: int, through: Floats, units: int, lanes: int
) -> None:
    """Adds to the gradient of each weight, (units x inputs,): the product of its rows."""
    whole = inputs - inputs % 4
    for unit in range(0, units - 1, 2):
        for i in range(0, whole, 4):
            place = unit * inputs + i
            if AVX512:
                _add_eight(gradient, place, x, inputs, i, through, unit, lanes)
            else:
                sums = four_products(x, i, i + 1, i + 2, i + 3, through, unit, lanes)
                _add(gradient, place, sums)
                sums = four_products(x, i, i + 1, i + 2, i + 3, through, unit + 1, lanes)
                _add(gradient, place + inputs, sums)
    for unit in range(units):
        # What the blocks left out: the last inputs of all units, all inputs of the last one.
        first = 0 if unit == units - 1 and units % 2 else whole
        for i in range(first, inputs):
            sums0 = narrow()
            for lane in range(0, lanes, NARROW):
                sums0 = fma(load(through, unit, lane, sums0), load(x, i, lane, sums0), sums0)
            gradient[unit * inputs + i] += total(sums0)


@inlined
def _add_eight(
    gradient: Floats,
    place: Size,
    x: Floats,
    inputs: int,
    i: int,
    through: Floats,
    unit: int,
    lanes: int,
) -> None:
    """Of four inputs of two units."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = narrow()
    for lane in range(0, lanes, NARROW):
        x0, x1 = load(x, i, lane, a0), load(x, i + 1, lane, a0)
        x2, x3 = load(x, i + 2, lane, a0), load(x, i + 3, lane, a0)
        t = load(through, unit, lane, a0)
        a0, a1, a2, a3 = fma(t, x0, a0), fma(t, x1, a1), fma(t, x2, a2), fma(t, x3, a3)
        t = load(through, unit + 1, lane, a0)
        b0, b1, b2, b3 = fma(t, x0, b0), fma(t, x1, b1), fma(t, x2, b2), fma(t, x3, b3)
    _add(gradient, place, totals(a0, a1, a2, a3))
    _add(gradient, place + inputs, totals(b0, b1, b2, b3))


@inlined
def _add(
    gradient: Floats, place: Size, sums: tuple[np.float32, np.float32, np.float32, np.float32]
) -> None:
    gradient[place] += sums[0]
    gradient[place + 1] += sums[1]
    gradient[place + 2] += sums[2]
    gradient[place + 3] += sums[3]
