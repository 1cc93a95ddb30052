"""Layers whose units read some inputs each; the cables of own dendrites are such a layer, too.

Several entries are taken at once, so that a row of sums is read and written once for all of them.
"""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import Floats, Indices, Size
from study.engine.compilation import inlined, inner

_F = np.float32


@inner
def sparse_forward(
    weights: Floats,
    biases: Floats,
    columns: Indices,
    offsets: Indices,
    x: Floats | NDArray[np.uint8],
    scale: np.float32,
    y: Floats,
    slope: np.float32,
    lanes: int,
) -> None:
    """y[u] = leaky ReLU(bias of u + the weighted rows of x times scale that it reads).

    (inputs, lanes) to (units, lanes). Bytes as x need a quarter of the memory of floats, by whose
    bandwidth this is bound.
    """
    for unit in range(len(biases)):
        e, last = np.int64(offsets[unit]), np.int64(offsets[unit + 1])
        bias = biases[unit]
        for lane in range(lanes):
            y[unit, lane] = bias
        while e + 8 <= last:
            c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
            c4, c5, c6, c7 = columns[e + 4], columns[e + 5], columns[e + 6], columns[e + 7]
            w0, w1 = scale * weights[e], scale * weights[e + 1]
            w2, w3 = scale * weights[e + 2], scale * weights[e + 3]
            w4, w5 = scale * weights[e + 4], scale * weights[e + 5]
            w6, w7 = scale * weights[e + 6], scale * weights[e + 7]
            for lane in range(lanes):
                x0, x1, x2, x3 = x[c0, lane], x[c1, lane], x[c2, lane], x[c3, lane]
                x4, x5, x6, x7 = x[c4, lane], x[c5, lane], x[c6, lane], x[c7, lane]
                low = w0 * _F(x0) + w1 * _F(x1) + w2 * _F(x2) + w3 * _F(x3)
                high = w4 * _F(x4) + w5 * _F(x5) + w6 * _F(x6) + w7 * _F(x7)
                y[unit, lane] += low + high
            e += 8
        while e + 4 <= last:
            c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
            w0, w1 = scale * weights[e], scale * weights[e + 1]
            w2, w3 = scale * weights[e + 2], scale * weights[e + 3]
            for lane in range(lanes):
                x0, x1, x2, x3 = x[c0, lane], x[c1, lane], x[c2, lane], x[c3, lane]
                y[unit, lane] += w0 * _F(x0) + w1 * _F(x1) + w2 * _F(x2) + w3 * _F(x3)
            e += 4
        while e < last:
            c0, w0 = columns[e], scale * weights[e]
            for lane in range(lanes):
                y[unit, lane] += w0 * _F(x[c0, lane])
            e += 1
        for lane in range(lanes):
            value = y[unit, lane]
            y[unit, lane] = slope * value if value <= 0.0 else value


@inlined
def add_entry_gradients(
    gradient: Floats,
    columns: Indices,
    e: Size,
    last: Size,
    x: Floats,
    through: Floats,
    row: int,
    lanes: int,
) -> None:
    """Of the entries of one unit: the products of `through[row]`, its gradient, and its inputs' rows."""
    while e + 4 <= last:
        c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
        s0 = s1 = s2 = s3 = np.float32(0)
        for lane in range(lanes):
            t = through[row, lane]
            s0 += t * x[c0, lane]
            s1 += t * x[c1, lane]
            s2 += t * x[c2, lane]
            s3 += t * x[c3, lane]
        gradient[e] += s0
        gradient[e + 1] += s1
        gradient[e + 2] += s2
        gradient[e + 3] += s3
        e += 4
    while e < last:
        c0 = columns[e]
        s0 = np.float32(0)
        for lane in range(lanes):
            s0 += through[row, lane] * x[c0, lane]
        gradient[e] += s0
        e += 1


@inlined
def sparse_backward(
    weights: Floats,
    gradient: Floats,
    readers: Indices,
    entries: Indices,
    e: Size,
    last: Size,
    through: Floats,
    y: Floats,
    unit: int,
    below: Floats,
    row: int,
    lanes: int,
) -> None:
    """The gradient of one input, `below[row]`, and of the weights with which its readers read it.

    `y[unit]` is the input; its readers have the entries `readers[e:last]`.
    """
    for lane in range(lanes):
        below[row, lane] = 0.0
    while e < last:
        reader, entry = readers[e], entries[e]
        weight, total = weights[entry], np.float32(0)
        for lane in range(lanes):
            t = through[reader, lane]
            below[row, lane] += weight * t
            total += t * y[unit, lane]
        gradient[entry] += total
        e += 1


@inlined
def single_backward(
    weights: Floats,
    gradient: Floats,
    reader: int,
    entry: int,
    through: Floats,
    y: Floats,
    unit: int,
    slope: np.float32,
    below: Floats,
    row: int,
    lanes: int,
) -> np.float32:
    """The same of an input with one reader, and then through the input's own leaky ReLU.

    Returns the sum of `below[row]`.
    """
    weight, total, along = weights[entry], np.float32(0), np.float32(0)
    for lane in range(lanes):
        t, value = through[reader, lane], y[unit, lane]
        along += t * value
        t *= weight * (_F(1.0) if value > 0.0 else slope)
        below[row, lane] = t
        total += t
    gradient[entry] += along
    return total
