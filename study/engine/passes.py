"""One tile through all layers of one replicate, forward and backward."""

import numpy as np

from study.engine.activation import leaky_relu, mixed, silence, through_leaky_relu
from study.engine.arrays import (
    BIAS,
    COLUMNS,
    DENSE,
    INPUTS,
    KIND,
    OFFSETS,
    READER_OFFSETS,
    READERS,
    ROW,
    UNITS,
    WEIGHT,
)
from study.engine.compilation import inner
from study.engine.dense import dense_products, dense_weight_gradient
from study.engine.sparse import sparse_backward, sparse_forward, sparse_weight_gradient


@inner
def forward(plan, wiring, parameters, work, lanes, share, key, batch_size, first) -> None:  # type: ignore[no-untyped-def]
    """From `work.pixels` to the logits, the last rows of `work.outputs`.

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
            dense_products(weights, layer[INPUTS], 1, x, layer[INPUTS], y, units, lanes)
        else:
            columns = wiring.columns[layer[COLUMNS] :]
            offsets = wiring.offsets[layer[OFFSETS] : layer[OFFSETS] + units + 1]
            sparse_forward(weights, biases, columns, offsets, x, y, lanes)
        if number < last:
            leaky_relu(y, plan.slopes[number], lanes)
            if share > 0.0:
                silence(y, share, _of_layer(key, number), batch_size, first, lanes)
        x = y


@inner
def backward(plan, wiring, moving, work, lanes, share, key, batch_size, first) -> None:  # type: ignore[no-untyped-def]
    """Adds to the gradients, from that of the logits, the last rows of `work.through`."""
    for back in range(len(plan.layers)):
        number = len(plan.layers) - 1 - back
        layer = plan.layers[number]
        units, inputs = layer[UNITS], layer[INPUTS]
        through = work.through[layer[ROW] : layer[ROW] + units]
        weights = moving.parameters[layer[WEIGHT] : layer[BIAS]]
        gradient = moving.gradient[layer[WEIGHT] : layer[BIAS]]
        x = work.pixels
        below = work.through
        if number > 0:
            row = plan.layers[number - 1, ROW]
            x = work.outputs[row : row + inputs]
            below = work.through[row : row + inputs]
        _add_row_sums(moving.gradient[layer[BIAS] : layer[BIAS] + units], through, lanes)
        if layer[KIND] == DENSE:
            dense_weight_gradient(gradient, x, inputs, through, units, lanes)
            if number > 0:
                below[:, :lanes] = 0.0
                dense_products(weights, 1, inputs, through, units, below, inputs, lanes)
        else:
            columns = wiring.columns[layer[COLUMNS] :]
            offsets = wiring.offsets[layer[OFFSETS] : layer[OFFSETS] + units + 1]
            sparse_weight_gradient(gradient, columns, offsets, x, through, lanes)
            if number > 0:
                readers = wiring.readers[layer[READERS] :]
                entries = wiring.entries[layer[READERS] :]
                start = layer[READER_OFFSETS]
                offsets = wiring.reader_offsets[start : start + inputs + 1]
                sparse_backward(weights, readers, entries, offsets, through, below, lanes)
        if number > 0:
            if share > 0.0:
                silence(below, share, _of_layer(key, number - 1), batch_size, first, lanes)
            through_leaky_relu(below, x, plan.slopes[number - 1], lanes)


@inner
def _add_row_sums(sums, rows, lanes) -> None:  # type: ignore[no-untyped-def]
    for unit in range(len(sums)):
        total = np.float32(0)
        for lane in range(lanes):
            total += rows[unit, lane]
        sums[unit] += total


@inner
def _of_layer(key, number):  # type: ignore[no-untyped-def]
    return mixed(np.uint32(key + np.uint32(number)))
