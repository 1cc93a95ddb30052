"""Layers whose units read some inputs each; the cables of own dendrites are such a layer, too."""

import numpy as np

from study.engine.arrays import Floats, Indices, Size
from study.engine.compilation import inlined, inner
from study.engine.vectors import (
    AVX512,
    NARROW,
    WIDE,
    Vector,
    fma,
    load,
    narrow,
    store,
    through_slope,
    total,
    totals,
    wide,
)

Rows = Floats | Indices
"""Floats, or pairs of bytes (`study.engine.arrays.Workspace`)."""


@inner
def sparse_forward(
    weights: Floats,
    biases: Floats,
    columns: Indices,
    offsets: Indices,
    x: Rows,
    scale: np.float32,
    y: Floats,
    slope: np.float32,
    lanes: int,
) -> None:
    """y[u] = leaky ReLU(bias of u + the weighted rows of x times scale that it reads).

    (inputs, lanes) to (units, lanes).
    """
    for unit in range(len(biases)):
        lane = np.int64(0)
        while lane + WIDE <= lanes:
            sums = _weighted_rows(weights, columns, offsets, unit, x, lane, wide())
            store(y, unit, lane, activated(sums, scale, biases[unit], slope))
            lane += WIDE
        while lane < lanes:
            sums = _weighted_rows(weights, columns, offsets, unit, x, lane, narrow())
            store(y, unit, lane, activated(sums, scale, biases[unit], slope))
            lane += NARROW


@inlined
def _weighted_rows(
    weights: Floats,
    columns: Indices,
    offsets: Indices,
    unit: Size,
    x: Rows,
    lane: Size,
    sums: Vector,
) -> Vector:
    """Adds what a unit reads, times its weights, to as many sums as there are lanes in them."""
    for e in range(np.int64(offsets[unit]), np.int64(offsets[unit + 1])):
        sums = fma(weights[e], load(x, columns[e], lane, sums), sums)
    return sums


@inlined
def activated(sums: Vector, scale: np.float32, bias: np.float32, slope: np.float32) -> Vector:
    """The leaky ReLU of scale times the sums, plus the bias."""
    outputs: Vector = fma(scale, sums, bias)
    values: Vector = through_slope(outputs, outputs, slope)
    return values


@inlined
def add_entry_gradients(
    gradient: Floats,
    columns: Indices,
    e: Size,
    last: Size,
    x: Rows,
    scale: np.float32,
    through: Floats,
    row: Size,
    lanes: int,
) -> None:
    """Of the entries of one unit: scale times `through[row]`, its gradient, times its inputs' rows."""
    while e + 4 <= last:
        s0, s1, s2, s3 = four_products(
            x, columns[e], columns[e + 1], columns[e + 2], columns[e + 3], through, row, lanes
        )
        gradient[e] += scale * s0
        gradient[e + 1] += scale * s1
        gradient[e + 2] += scale * s2
        gradient[e + 3] += scale * s3
        e += 4
    while e < last:
        gradient[e] += scale * product(x, columns[e], through, row, lanes)
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
    unit: Size,
    below: Floats,
    row: Size,
    lanes: int,
) -> None:
    """The gradient of one input, `below[row]`, and of the weights with which its readers read it.

    `y[unit]` is the input; its readers have the entries `entries[e:last]`.
    """
    for lane in range(0, lanes, NARROW):
        sums = narrow()
        for place in range(e, last):
            t = load(through, readers[place], lane, sums)
            sums = fma(weights[entries[place]], t, sums)
        store(below, row, lane, sums)
    while e + 4 <= last:
        s0, s1, s2, s3 = four_products(
            through, readers[e], readers[e + 1], readers[e + 2], readers[e + 3], y, unit, lanes
        )
        gradient[entries[e]] += s0
        gradient[entries[e + 1]] += s1
        gradient[entries[e + 2]] += s2
        gradient[entries[e + 3]] += s3
        e += 4
    while e < last:
        gradient[entries[e]] += product(through, readers[e], y, unit, lanes)
        e += 1


@inlined
def single_backward(
    weights: Floats,
    gradient: Floats,
    reader: Size,
    entry: Size,
    through: Floats,
    y: Floats,
    unit: Size,
    slope: np.float32,
    below: Floats,
    row: Size,
    lanes: int,
) -> np.float32:
    """The same of an input with one reader, and then through the input's own leaky ReLU.

    Returns the sum of `below[row]`.
    """
    weight = weights[entry]
    along = along_slope = narrow()
    for lane in range(0, lanes, NARROW):
        t = load(through, reader, lane, along)
        output = load(y, unit, lane, along)
        along = fma(t, output, along)
        t = fma(weight, through_slope(t, output, slope), narrow())
        store(below, row, lane, t)
        along_slope = fma(np.float32(1.0), t, along_slope)
    gradient[entry] += total(along)
    passed: np.float32 = total(along_slope)
    return passed


@inlined
def four_products(
    x: Rows,
    i0: Size,
    i1: Size,
    i2: Size,
    i3: Size,
    other: Floats,
    row: Size,
    lanes: int,
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """The products of four rows of x with one other row, each summed over the lanes."""
    s0 = s1 = s2 = s3 = narrow()
    if AVX512:
        for lane in range(0, lanes, NARROW):
            t = load(other, row, lane, s0)
            s0 = fma(t, load(x, i0, lane, s0), s0)
            s1 = fma(t, load(x, i1, lane, s0), s1)
            s2 = fma(t, load(x, i2, lane, s0), s2)
            s3 = fma(t, load(x, i3, lane, s0), s3)
    else:  # The registers hold two such sums at a time.
        for lane in range(0, lanes, NARROW):
            t = load(other, row, lane, s0)
            s0 = fma(t, load(x, i0, lane, s0), s0)
            s1 = fma(t, load(x, i1, lane, s0), s1)
        for lane in range(0, lanes, NARROW):
            t = load(other, row, lane, s0)
            s2 = fma(t, load(x, i2, lane, s0), s2)
            s3 = fma(t, load(x, i3, lane, s0), s3)
    sums: tuple[np.float32, np.float32, np.float32, np.float32] = totals(s0, s1, s2, s3)
    return sums


@inlined
def product(x: Rows, i: Size, other: Floats, row: Size, lanes: int) -> np.float32:
    """The same of one row of x."""
    s0 = narrow()
    for lane in range(0, lanes, NARROW):
        s0 = fma(load(other, row, lane, s0), load(x, i, lane, s0), s0)
    summed: np.float32 = total(s0)
    return summed
