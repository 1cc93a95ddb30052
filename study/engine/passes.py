"""One tile through all layers of one replicate, forward and backward."""

import numpy as np
from numpy.typing import NDArray

from study.engine.activation import leaky_relu, mixed, silence, through_leaky_relu
from study.engine.arrays import (
    BIAS,
    COLUMNS,
    CONVOLUTION,
    DENSE,
    INPUTS,
    KIND,
    OFFSETS,
    PIXEL,
    POSITIONS,
    READER_OFFSETS,
    READERS,
    ROW,
    SPARSE,
    UNITS,
    WEIGHT,
    Floats,
    Moving,
    Plan,
    Size,
    Wiring,
    Workspace,
)
from study.engine.compilation import inlined, inner
from study.engine.convolution import (
    convolution_backward,
    convolution_forward,
    convolution_weight_gradient,
)
from study.engine.dense import dense_backward, dense_products, dense_weight_gradient
from study.engine.sparse import (
    add_entry_gradients,
    single_backward,
    sparse_backward,
    sparse_forward,
)


@inner
def forward(
    plan: Plan,
    wiring: Wiring,
    parameters: Floats,
    work: Workspace,
    lanes: int,
    share: float,
    key: np.uint32,
    first: Size,
) -> None:
    """From the pixels of a tile to the logits, the last rows of `work.outputs`.

    `share`: of units to silence, by the draws of `key`; the lanes are images `first` and following of
    a batch.
    """
    last = len(plan.layers) - 1
    x = work.pixels
    for number in range(last + 1):
        layer = plan.layers[number]
        units = layer[UNITS]
        y = work.outputs[layer[ROW] : layer[ROW] + units]
        weights = parameters[layer[WEIGHT] : layer[BIAS]]
        biases = parameters[layer[BIAS] : layer[BIAS] + units]
        if layer[KIND] == DENSE:
            for unit in range(units):
                bias = biases[unit]
                for lane in range(lanes):
                    y[unit, lane] = bias
            dense_products(plan.sgemm, weights, x, layer[INPUTS], y, units, lanes)
            leaky_relu(y, plan.slopes[number], lanes)
        elif layer[KIND] == CONVOLUTION:
            convolution_forward(layer, weights, biases, x, y, plan.slopes[number], lanes)
        else:
            columns = wiring.columns[layer[COLUMNS] :]
            offsets = wiring.offsets[layer[OFFSETS] : layer[OFFSETS] + units + 1]
            slope = plan.slopes[number]
            if number == 0:
                sparse_forward(
                    weights, biases, columns, offsets, work.pairs, PIXEL, y, slope, lanes
                )
            else:
                one = np.float32(1.0)
                sparse_forward(weights, biases, columns, offsets, x, one, y, slope, lanes)
        if share > 0.0 and number < last:
            for unit in range(units):
                silence(y, unit, unit, share, _of_layer(key, number), first, lanes)
        x = y


@inner
def backward(
    plan: Plan,
    wiring: Wiring,
    moving: Moving,
    work: Workspace,
    lanes: int,
    share: float,
    key: np.uint32,
    first: Size,
) -> None:
    """Adds to the gradients, from that of the logits, the last rows of `work.through`."""
    last = len(plan.layers) - 1
    _add_readout_biases(plan.layers[last], moving, work, lanes)
    for back in range(last + 1):
        number = last - back
        layer = plan.layers[number]
        units, inputs = layer[UNITS], layer[INPUTS]
        weights = moving.parameters[layer[WEIGHT] : layer[BIAS]]
        gradient = moving.gradient[layer[WEIGHT] : layer[BIAS]]
        through = work.through[layer[ROW] : layer[ROW] + units]
        x, below = work.pixels, work.through
        if number > 0:
            row = plan.layers[number - 1, ROW]
            x, below = work.outputs[row : row + inputs], work.through[row : row + inputs]
        if layer[KIND] == DENSE:
            dense_weight_gradient(plan.sgemm, gradient, x, inputs, through, units, lanes)
            if number > 0:
                dense_backward(plan.sgemm, weights, through, units, below, inputs, lanes)
        elif layer[KIND] == CONVOLUTION:
            convolution_weight_gradient(layer, gradient, x, through, lanes)
            if number > 0:
                convolution_backward(layer, weights, through, below, lanes)
        if number > 0:
            _to_lower_layer(
                plan,
                wiring,
                moving,
                work,
                number,
                x,
                through,
                below,
                lanes,
                share,
                key,
                first,
            )


@inner
def _to_lower_layer(
    plan: Plan,
    wiring: Wiring,
    moving: Moving,
    work: Workspace,
    number: int,
    x: Floats,
    through: Floats,
    below: Floats,
    lanes: int,
    share: float,
    key: np.uint32,
    first: Size,
) -> None:
    """From the gradients of a layer to those of the units that it reads, one after another.

    A unit's row stays in the processor's first-level cache for all that is done with it.
    """
    layer, lower = plan.layers[number], plan.layers[number - 1]
    weights = moving.parameters[layer[WEIGHT] : layer[BIAS]]
    gradient = moving.gradient[layer[WEIGHT] : layer[BIAS]]
    readers = wiring.readers[layer[READERS] :]
    entries = wiring.entries[layer[READERS] :]
    reader_offsets = wiring.reader_offsets[layer[READER_OFFSETS] :]
    slope = plan.slopes[number - 1]
    reads_pixels = number == 1 and lower[KIND] == SPARSE
    for unit in range(layer[INPUTS]):
        row = unit
        single, total = False, np.float32(0)
        if layer[KIND] == SPARSE:
            # What reads pixels hands no gradient on, so that one row serves all its units.
            row = 0 if reads_pixels else unit
            e, last = np.int64(reader_offsets[unit]), np.int64(reader_offsets[unit + 1])
            single = last - e == 1 and share == 0.0
            if single:
                total = single_backward(
                    weights,
                    gradient,
                    readers[e],
                    entries[e],
                    through,
                    x,
                    unit,
                    slope,
                    below,
                    row,
                    lanes,
                )
            else:
                sparse_backward(
                    weights,
                    gradient,
                    readers,
                    entries,
                    e,
                    last,
                    through,
                    x,
                    unit,
                    below,
                    row,
                    lanes,
                )
        if share > 0.0:
            silence(below, row, unit, share, _of_layer(key, number - 1), first, lanes)
        if not single:
            total = through_leaky_relu(below, row, x, unit, slope, lanes)
        moving.gradient[lower[BIAS] + unit // lower[POSITIONS]] += total
        if reads_pixels:
            e, last = np.int64(wiring.offsets[unit]), np.int64(wiring.offsets[unit + 1])
            add_entry_gradients(
                moving.gradient, wiring.columns, e, last, work.pairs, PIXEL, below, row, lanes
            )


@inner
def _add_readout_biases(
    layer: NDArray[np.int64], moving: Moving, work: Workspace, lanes: int
) -> None:
    for unit in range(layer[UNITS]):
        total = np.float32(0)
        for lane in range(lanes):
            total += work.through[layer[ROW] + unit, lane]
        moving.gradient[layer[BIAS] + unit] += total


@inlined
def _of_layer(key: np.uint32, number: int) -> np.uint32:
    return mixed(np.uint32(key + np.uint32(number)))
