"""Layers whose units read some inputs each; the cables of own dendrites are such a layer, too.

Several entries are taken at once, so that a row of sums is read and written once for all of them.
"""

import numpy as np

from study.engine.compilation import inner


@inner
def sparse_forward(weights, biases, columns, offsets, x, y, lanes) -> None:  # type: ignore[no-untyped-def]
    """y[u] = bias of u + the weighted rows of x that it reads; (inputs, lanes) to (units, lanes)."""
    for unit in range(len(biases)):
        first, last = np.int64(offsets[unit]), np.int64(offsets[unit + 1])
        bias = biases[unit]
        for lane in range(lanes):
            y[unit, lane] = bias
        e = first
        while e + 8 <= last:
            c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
            c4, c5, c6, c7 = columns[e + 4], columns[e + 5], columns[e + 6], columns[e + 7]
            w0, w1, w2, w3 = weights[e], weights[e + 1], weights[e + 2], weights[e + 3]
            w4, w5, w6, w7 = weights[e + 4], weights[e + 5], weights[e + 6], weights[e + 7]
            for lane in range(lanes):
                y[unit, lane] += (
                    w0 * x[c0, lane] + w1 * x[c1, lane] + w2 * x[c2, lane] + w3 * x[c3, lane]
                ) + (w4 * x[c4, lane] + w5 * x[c5, lane] + w6 * x[c6, lane] + w7 * x[c7, lane])
            e += 8
        while e + 4 <= last:
            c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
            w0, w1, w2, w3 = weights[e], weights[e + 1], weights[e + 2], weights[e + 3]
            for lane in range(lanes):
                y[unit, lane] += (w0 * x[c0, lane] + w1 * x[c1, lane]) + (
                    w2 * x[c2, lane] + w3 * x[c3, lane]
                )
            e += 4
        while e < last:
            c0, w0 = columns[e], weights[e]
            for lane in range(lanes):
                y[unit, lane] += w0 * x[c0, lane]
            e += 1


@inner
def sparse_weight_gradient(gradient, columns, offsets, x, through, lanes) -> None:  # type: ignore[no-untyped-def]
    """Adds to the gradient of each entry: the product of its unit's row and its input's row."""
    for unit in range(len(offsets) - 1):
        e, last = np.int64(offsets[unit]), np.int64(offsets[unit + 1])
        while e + 4 <= last:
            c0, c1, c2, c3 = columns[e], columns[e + 1], columns[e + 2], columns[e + 3]
            s0 = s1 = s2 = s3 = np.float32(0)
            for lane in range(lanes):
                t = through[unit, lane]
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
                s0 += through[unit, lane] * x[c0, lane]
            gradient[e] += s0
            e += 1


@inner
def sparse_backward(weights, readers, entries, offsets, through, below, lanes) -> None:  # type: ignore[no-untyped-def]
    """The gradient of the inputs, (inputs, lanes): of each the weighted rows of its readers."""
    for place in range(len(offsets) - 1):
        e, last = np.int64(offsets[place]), np.int64(offsets[place + 1])
        if e == last:
            for lane in range(lanes):
                below[place, lane] = 0.0
            continue
        r0, w0 = readers[e], weights[entries[e]]
        for lane in range(lanes):
            below[place, lane] = w0 * through[r0, lane]
        e += 1
        while e + 4 <= last:
            r0, r1, r2, r3 = readers[e], readers[e + 1], readers[e + 2], readers[e + 3]
            w0, w1 = weights[entries[e]], weights[entries[e + 1]]
            w2, w3 = weights[entries[e + 2]], weights[entries[e + 3]]
            for lane in range(lanes):
                below[place, lane] += (w0 * through[r0, lane] + w1 * through[r1, lane]) + (
                    w2 * through[r2, lane] + w3 * through[r3, lane]
                )
            e += 4
        while e < last:
            r0, w0 = readers[e], weights[entries[e]]
            for lane in range(lanes):
                below[place, lane] += w0 * through[r0, lane]
            e += 1
