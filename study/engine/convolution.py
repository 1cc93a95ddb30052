"""Convolutions: units that share their weights over the positions of an image.

Lanes are images, so a position's sums need no copy of the pixels around it. Four units or channels at
once share each row that is read. Pixels outside of the image are zero, and left out.
"""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import (
    CHANNELS,
    HEIGHT,
    LEFT,
    OUT_HEIGHT,
    OUT_WIDTH,
    SIDE,
    STRIDE,
    TOP,
    UNITS,
    WIDTH,
    Floats,
    Size,
)
from study.engine.compilation import inlined, inner
from study.engine.sparse import activated
from study.engine.vectors import NARROW, fma, load, narrow, store, total, totals

_Layer = NDArray[np.int64]  # a row of `Plan.layers`
_ONE = np.float32(1.0)


@inner
def convolution_forward(  # noqa: C901  # nested loops
    layer: _Layer,
    weights: Floats,
    biases: Floats,
    x: Floats,
    y: Floats,
    slope: np.float32,
    lanes: int,
) -> None:
    """The leaky ReLU of a bias plus a kernel times the pixels around a position.

    From x, (channels x pixels, lanes), to y, (kernels x positions, lanes).
    """
    pixels, positions = layer[HEIGHT] * layer[WIDTH], layer[OUT_HEIGHT] * layer[OUT_WIDTH]
    side, channels, kernels = layer[SIDE], layer[CHANNELS], layer[UNITS] // positions
    taps = side * side
    size = channels * taps
    for position in range(positions):
        top = position // layer[OUT_WIDTH] * layer[STRIDE] - layer[TOP]
        left = position % layer[OUT_WIDTH] * layer[STRIDE] - layer[LEFT]
        first_row, last_row = max(0, -top), min(side, layer[HEIGHT] - top)
        first, last = max(0, -left), min(side, layer[WIDTH] - left)
        kernel = 0
        while kernel + 4 <= kernels:
            for lane in range(0, lanes, NARROW):
                a = b = c = d = narrow()
                for row in range(first_row, last_row):
                    for column in range(first, last):
                        pixel = (top + row) * layer[WIDTH] + left + column
                        place = kernel * size + row * side + column
                        for _ in range(channels):
                            t = load(x, pixel, lane, a)
                            a = fma(weights[place], t, a)
                            b = fma(weights[place + size], t, b)
                            c = fma(weights[place + 2 * size], t, c)
                            d = fma(weights[place + 3 * size], t, d)
                            pixel += pixels
                            place += taps
                unit = kernel * positions + position
                store(y, unit, lane, activated(a, _ONE, biases[kernel], slope))
                unit += positions
                store(y, unit, lane, activated(b, _ONE, biases[kernel + 1], slope))
                unit += positions
                store(y, unit, lane, activated(c, _ONE, biases[kernel + 2], slope))
                unit += positions
                store(y, unit, lane, activated(d, _ONE, biases[kernel + 3], slope))
            kernel += 4
        while kernel < kernels:
            for lane in range(0, lanes, NARROW):
                a = narrow()
                for row in range(first_row, last_row):
                    for column in range(first, last):
                        pixel = (top + row) * layer[WIDTH] + left + column
                        place = kernel * size + row * side + column
                        for _ in range(channels):
                            a = fma(weights[place], load(x, pixel, lane, a), a)
                            pixel += pixels
                            place += taps
                unit = kernel * positions + position
                store(y, unit, lane, activated(a, _ONE, biases[kernel], slope))
            kernel += 1


@inner
def convolution_backward(  # noqa: C901  # nested loops
    layer: _Layer, weights: Floats, through: Floats, below: Floats, lanes: int
) -> None:
    """The gradients of the inputs, `below`, from those of the sums, `through`."""
    pixels, positions = layer[HEIGHT] * layer[WIDTH], layer[OUT_HEIGHT] * layer[OUT_WIDTH]
    side, channels, kernels = layer[SIDE], layer[CHANNELS], layer[UNITS] // positions
    stride, out_width = layer[STRIDE], layer[OUT_WIDTH]
    taps = side * side
    size = channels * taps
    for pixel in range(pixels):
        row, column = pixel // layer[WIDTH] + layer[TOP], pixel % layer[WIDTH] + layer[LEFT]
        # The positions whose kernel covers the pixel.
        first_row, last_row = _covering(row, side, stride, layer[OUT_HEIGHT])
        first, last = _covering(column, side, stride, out_width)
        channel = 0
        while channel + 4 <= channels:
            for lane in range(0, lanes, NARROW):
                a = b = c = d = narrow()
                for out_row in range(first_row, last_row):
                    for out_column in range(first, last):
                        unit = out_row * out_width + out_column
                        tap = (row - out_row * stride) * side + column - out_column * stride
                        place = channel * taps + tap
                        for _ in range(kernels):
                            t = load(through, unit, lane, a)
                            a = fma(weights[place], t, a)
                            b = fma(weights[place + taps], t, b)
                            c = fma(weights[place + 2 * taps], t, c)
                            d = fma(weights[place + 3 * taps], t, d)
                            unit += positions
                            place += size
                store(below, channel * pixels + pixel, lane, a)
                store(below, (channel + 1) * pixels + pixel, lane, b)
                store(below, (channel + 2) * pixels + pixel, lane, c)
                store(below, (channel + 3) * pixels + pixel, lane, d)
            channel += 4
        while channel < channels:
            for lane in range(0, lanes, NARROW):
                a = narrow()
                for out_row in range(first_row, last_row):
                    for out_column in range(first, last):
                        unit = out_row * out_width + out_column
                        tap = (row - out_row * stride) * side + column - out_column * stride
                        place = channel * taps + tap
                        for _ in range(kernels):
                            a = fma(weights[place], load(through, unit, lane, a), a)
                            unit += positions
                            place += size
                store(below, channel * pixels + pixel, lane, a)
            channel += 1


@inner
def convolution_weight_gradient(
    layer: _Layer, gradient: Floats, x: Floats, through: Floats, lanes: int
) -> None:
    """Adds to the gradient of each weight: the products of its rows at all positions."""
    pixels, positions = layer[HEIGHT] * layer[WIDTH], layer[OUT_HEIGHT] * layer[OUT_WIDTH]
    side, channels, kernels = layer[SIDE], layer[CHANNELS], layer[UNITS] // positions
    taps = side * side
    size = channels * taps
    whole = channels - channels % 4
    for tap in range(taps):
        # The positions whose kernel has a pixel at this place.
        row, column = tap // side - layer[TOP], tap % side - layer[LEFT]
        rows = _inside(row, layer[STRIDE], layer[HEIGHT], layer[OUT_HEIGHT])
        columns = _inside(column, layer[STRIDE], layer[WIDTH], layer[OUT_WIDTH])
        for channel in range(0, whole, 4):
            start = channel * pixels + row * layer[WIDTH] + column
            for kernel in range(0, kernels - 1, 2):
                place = kernel * size + channel * taps + tap
                unit = kernel * positions
                _add_eight(layer, gradient, place, x, start, through, unit, rows, columns, lanes)
        for kernel in range(kernels):
            # What the blocks left out: the last channels of all kernels, all of the last kernel.
            left_out = 0 if kernel == kernels - 1 and kernels % 2 else whole
            for channel in range(left_out, channels):
                start = channel * pixels + row * layer[WIDTH] + column
                place = kernel * size + channel * taps + tap
                unit = kernel * positions
                _add_one(layer, gradient, place, x, start, through, unit, rows, columns, lanes)


@inlined
def _covering(place: Size, side: Size, stride: Size, count: Size) -> tuple[Size, Size]:
    """The first position along an axis whose kernel covers a padded place, and one after the last."""
    return max(0, (place - side) // stride + 1), min(count, place // stride + 1)


@inlined
def _inside(place: Size, stride: Size, length: Size, count: Size) -> tuple[Size, Size]:
    """The first position whose pixel, from `place` on, lies in the image, and the one after the last."""
    return max(0, -(place // stride)), min(count, (length - 1 - place) // stride + 1)


@inner
def _add_eight(
    layer: _Layer,
    gradient: Floats,
    place: Size,
    x: Floats,
    start: Size,
    through: Floats,
    unit: Size,
    rows: tuple[Size, Size],
    columns: tuple[Size, Size],
    lanes: int,
) -> None:
    """Of one tap of two kernels and of four channels, the first of which starts at row `start` of x."""
    pixels, positions = layer[HEIGHT] * layer[WIDTH], layer[OUT_HEIGHT] * layer[OUT_WIDTH]
    stride, taps = layer[STRIDE], layer[SIDE] * layer[SIDE]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = narrow()
    for row in range(rows[0], rows[1]):
        for column in range(columns[0], columns[1]):
            pixel = start + row * stride * layer[WIDTH] + column * stride
            number = unit + row * layer[OUT_WIDTH] + column
            for lane in range(0, lanes, NARROW):
                x0, x1 = load(x, pixel, lane, a0), load(x, pixel + pixels, lane, a0)
                x2 = load(x, pixel + 2 * pixels, lane, a0)
                x3 = load(x, pixel + 3 * pixels, lane, a0)
                t = load(through, number, lane, a0)
                a0, a1, a2, a3 = fma(t, x0, a0), fma(t, x1, a1), fma(t, x2, a2), fma(t, x3, a3)
                t = load(through, number + positions, lane, a0)
                b0, b1, b2, b3 = fma(t, x0, b0), fma(t, x1, b1), fma(t, x2, b2), fma(t, x3, b3)
    for sums in ((a0, a1, a2, a3), (b0, b1, b2, b3)):
        s0, s1, s2, s3 = totals(sums[0], sums[1], sums[2], sums[3])
        gradient[place] += s0
        gradient[place + taps] += s1
        gradient[place + 2 * taps] += s2
        gradient[place + 3 * taps] += s3
        place += layer[CHANNELS] * taps


@inner
def _add_one(
    layer: _Layer,
    gradient: Floats,
    place: Size,
    x: Floats,
    start: Size,
    through: Floats,
    unit: Size,
    rows: tuple[Size, Size],
    columns: tuple[Size, Size],
    lanes: int,
) -> None:
    """Of one tap of one kernel and of one channel."""
    stride = layer[STRIDE]
    s0 = narrow()
    for row in range(rows[0], rows[1]):
        pixel = start + row * stride * layer[WIDTH] + columns[0] * stride
        number = unit + row * layer[OUT_WIDTH] + columns[0]
        for _ in range(columns[0], columns[1]):
            for lane in range(0, lanes, NARROW):
                s0 = fma(load(through, number, lane, s0), load(x, pixel, lane, s0), s0)
            pixel += stride
            number += 1
    gradient[place] += total(s0)
