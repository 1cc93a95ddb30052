"""Layers whose units read all inputs, in blocks of 4 units x 4 inputs that stay in registers."""

import numpy as np

from study.engine.arrays import Floats, Size
from study.engine.compilation import inner


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
    whole = inputs - inputs % 4
    unit = 0
    while unit + 4 <= units:
        p0 = unit * row_step
        p1, p2, p3 = p0 + row_step, p0 + 2 * row_step, p0 + 3 * row_step
        for i in range(0, whole, 4):
            j0 = i * column_step
            j1, j2, j3 = j0 + column_step, j0 + 2 * column_step, j0 + 3 * column_step
            a0, a1, a2, a3 = weights[p0 + j0], weights[p0 + j1], weights[p0 + j2], weights[p0 + j3]
            b0, b1, b2, b3 = weights[p1 + j0], weights[p1 + j1], weights[p1 + j2], weights[p1 + j3]
            c0, c1, c2, c3 = weights[p2 + j0], weights[p2 + j1], weights[p2 + j2], weights[p2 + j3]
            d0, d1, d2, d3 = weights[p3 + j0], weights[p3 + j1], weights[p3 + j2], weights[p3 + j3]
            for lane in range(lanes):
                x0, x1, x2, x3 = x[i, lane], x[i + 1, lane], x[i + 2, lane], x[i + 3, lane]
                y[unit, lane] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                y[unit + 1, lane] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
                y[unit + 2, lane] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3)
                y[unit + 3, lane] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
        for i in range(whole, inputs):
            j0 = i * column_step
            a0, b0, c0, d0 = weights[p0 + j0], weights[p1 + j0], weights[p2 + j0], weights[p3 + j0]
            for lane in range(lanes):
                x0 = x[i, lane]
                y[unit, lane] += a0 * x0
                y[unit + 1, lane] += b0 * x0
                y[unit + 2, lane] += c0 * x0
                y[unit + 3, lane] += d0 * x0
        unit += 4
    while unit < units:
        _one_unit(weights, unit * row_step, column_step, x, inputs, y, unit, lanes)
        unit += 1


@inner
def _one_unit(
    weights: Floats,
    place: Size,
    column_step: Size,
    x: Floats,
    inputs: int,
    y: Floats,
    unit: int,
    lanes: int,
) -> None:
    whole = inputs - inputs % 4
    for i in range(0, whole, 4):
        j = place + i * column_step
        a0, a1 = weights[j], weights[j + column_step]
        a2, a3 = weights[j + 2 * column_step], weights[j + 3 * column_step]
        for lane in range(lanes):
            y[unit, lane] += (a0 * x[i, lane] + a1 * x[i + 1, lane]) + (
                a2 * x[i + 2, lane] + a3 * x[i + 3, lane]
            )
    for i in range(whole, inputs):
        a0 = weights[place + i * column_step]
        for lane in range(lanes):
            y[unit, lane] += a0 * x[i, lane]


@inner
def dense_weight_gradient(
    gradient: Floats, x: Floats, inputs: int, through: Floats, units: int, lanes: int
) -> None:
    """Adds to the gradient of each weight, (units x inputs,): the product of its rows."""
    unit = 0
    while unit + 2 <= units:
        place = unit * inputs
        i = 0
        while i + 4 <= inputs:
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
            for lane in range(lanes):
                x0, x1, x2, x3 = x[i, lane], x[i + 1, lane], x[i + 2, lane], x[i + 3, lane]
                t = through[unit, lane]
                a0 += t * x0
                a1 += t * x1
                a2 += t * x2
                a3 += t * x3
                t = through[unit + 1, lane]
                b0 += t * x0
                b1 += t * x1
                b2 += t * x2
                b3 += t * x3
            gradient[place + i] += a0
            gradient[place + i + 1] += a1
            gradient[place + i + 2] += a2
            gradient[place + i + 3] += a3
            gradient[place + inputs + i] += b0
            gradient[place + inputs + i + 1] += b1
            gradient[place + inputs + i + 2] += b2
            gradient[place + inputs + i + 3] += b3
            i += 4
        while i < inputs:
            a0 = b0 = np.float32(0)
            for lane in range(lanes):
                a0 += through[unit, lane] * x[i, lane]
                b0 += through[unit + 1, lane] * x[i, lane]
            gradient[place + i] += a0
            gradient[place + inputs + i] += b0
            i += 1
        unit += 2
    if unit < units:
        for i in range(inputs):
            a0 = np.float32(0)
            for lane in range(lanes):
                a0 += through[unit, lane] * x[i, lane]
            gradient[unit * inputs + i] += a0
