"""The arrays of a network: what the compiled loops read of its layers, wiring and weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
from torch import Tensor

from models.layers import (
    ConvolutionLayer,
    DenseLayer,
    GroupedLayer,
    PositionedLayer,
    SparseLayer,
)
from models.network import Network
from models.stage import Layer, Stage
from study.engine.arrays import (
    BIAS,
    CHANNELS,
    COLUMNS,
    CONVOLUTION,
    DENSE,
    FIELDS,
    HEIGHT,
    INPUTS,
    KIND,
    LEFT,
    MANY,
    OFFSETS,
    OUT_HEIGHT,
    OUT_WIDTH,
    POSITIONS,
    READER_OFFSETS,
    READERS,
    ROW,
    SIDE,
    SPARSE,
    STRIDE,
    TOP,
    UNITS,
    WEIGHT,
    WIDTH,
    Floats,
    Indices,
    Plan,
    Wiring,
)
from study.engine.blas import sgemm_address


def plan_of(network: Network) -> Plan:
    """What the replicates have in common.

    Raises TypeError of a layer that is not known here, RuntimeError as `sgemm_address`.
    """
    layers = np.zeros((len(network.layers), FIELDS), np.int64)
    inputs = int(np.prod(network.image_shape))
    parameters = rows = 0
    ends = [0, 0, 0, 0]
    for number, layer in enumerate(network.layers):
        units = _units(layer)
        weights, biases = layer.weight[0].numel(), layer.bias[0].numel()
        line = layers[number]
        line[[INPUTS, UNITS, ROW]] = inputs, units, rows
        line[[WEIGHT, BIAS]] = parameters, parameters + weights
        line[POSITIONS] = units // biases
        if isinstance(layer, ConvolutionLayer):
            line[KIND] = CONVOLUTION
            line[_IMAGE] = *layer.shape, layer.weight.shape[-1], layer.stride, *_outputs(layer)
        else:
            line[KIND] = DENSE if isinstance(layer, DenseLayer) else SPARSE
        if line[KIND] == SPARSE:
            # Of the first layer nothing is kept from the side of its inputs.
            back = (weights, inputs + 1) if number else (0, 0)
            line[[COLUMNS, OFFSETS, READERS, READER_OFFSETS]] = ends
            for place, length in enumerate((weights, units + 1, *back)):
                ends[place] += length
        parameters += weights + biases
        inputs, rows = units, rows + units
    many = (layers[:, KIND] == DENSE) & (layers[:, UNITS] >= MANY)
    sgemm = sgemm_address() if many.any() else 0
    return Plan(layers, _slopes(network), float(network.architecture.dropout), sgemm)


_IMAGE: Final = [CHANNELS, HEIGHT, WIDTH, SIDE, STRIDE, TOP, LEFT, OUT_HEIGHT, OUT_WIDTH]


def _outputs(layer: ConvolutionLayer) -> tuple[int, int, int, int]:
    """The padding above and to the left, and the rows and columns of positions."""
    left, _, top, _ = layer.padding
    _, height, width = layer.shape
    return top, left, -(-height // layer.stride), -(-width // layer.stride)


def _units(layer: Layer) -> int:
    positions = layer.positions if isinstance(layer, ConvolutionLayer) else 1
    return layer.bias.shape[1] * positions


def _slopes(network: Network) -> Floats:
    stages = cast("list[Stage]", list(network.stages))  # ModuleList forgets
    # Of somata alone where there are no dendrites.
    slopes = [slope for stage in stages for slope in stage.slopes[-len(stage.layers) :]]
    return np.array([*slopes, 1.0], np.float32)


@dataclass(slots=True)
class _Parts:
    columns: list[Indices] = field(default_factory=list)
    offsets: list[Indices] = field(default_factory=list)
    readers: list[Indices] = field(default_factory=list)
    entries: list[Indices] = field(default_factory=list)
    reader_offsets: list[Indices] = field(default_factory=list)

    def joined(self, pixels: Indices) -> Wiring:
        parts = (self.columns, self.offsets, self.readers, self.entries, self.reader_offsets)
        return Wiring(pixels, *(_joined(part) for part in parts))


def wiring_of(network: Network, replicate: int) -> Wiring:
    """What the units of a replicate read. Raises TypeError of a layer that is not known here."""
    parts = _Parts()
    inputs = int(np.prod(network.image_shape))
    pixels = np.arange(inputs, dtype=np.uint32)
    for number, layer in enumerate(network.layers):
        if not isinstance(layer, DenseLayer | ConvolutionLayer):
            columns, offsets = _connections(layer, replicate)
            parts.columns.append(columns)
            parts.offsets.append(offsets)
            if number == 0:
                pixels = np.unique(columns)
            else:
                _add_readers(parts, columns, offsets, inputs)
        inputs = _units(layer)
    return parts.joined(pixels)


def _connections(layer: Layer, replicate: int) -> tuple[Indices, Indices]:
    if isinstance(layer, SparseLayer):
        inputs, ends = layer.connections(replicate)
        return inputs.numpy().astype(np.uint32), ends.numpy().astype(np.uint32)
    if isinstance(layer, GroupedLayer):
        _, units, each = layer.weight.shape
        columns = np.arange(units * each, dtype=np.uint32)
        return columns, np.arange(0, units * each + 1, each, dtype=np.uint32)
    if isinstance(layer, PositionedLayer):
        _, somata, dendrites, positions = layer.weight.shape
        read = np.arange(somata * dendrites * positions, dtype=np.uint32)
        # The same order as that of the weights in a row (`parameters_of`).
        read = read.reshape(somata, dendrites, positions).transpose(0, 2, 1).ravel()
        return read, np.arange(0, len(read) + 1, dendrites, dtype=np.uint32)
    raise TypeError(f"the layer must be one of models.layers, got {type(layer).__name__}")


def _add_readers(parts: _Parts, columns: Indices, offsets: Indices, inputs: int) -> None:
    order = np.argsort(columns, kind="stable")
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    counts = np.bincount(columns, minlength=inputs)
    parts.readers.append(rows[order].astype(np.uint32))
    parts.entries.append(order.astype(np.uint32))
    parts.reader_offsets.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32))


def _joined(parts: Sequence[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def parameters_of(network: Network, tensors: Sequence[Tensor] | None = None) -> list[Tensor]:
    """The parameters, (R, ...) each, as they lie in a row; or tensors of their shapes.

    Cables at a position (S, D, P) are those of its somata one after another, (S, P, D).
    """
    parameters = list(network.parameters())
    positioned = {
        id(layer.weight) for layer in network.layers if isinstance(layer, PositionedLayer)
    }
    return [
        tensor.transpose(2, 3) if id(parameter) in positioned else tensor
        for parameter, tensor in zip(parameters, tensors or parameters, strict=True)
    ]


def read_parameters(parameters: Sequence[Tensor], rows: Floats) -> None:
    """Copies parameters, (R, ...) each, into one row a replicate, (R, parameters).

    By NumPy: torch would wake a thread for each core, which then spins beside the training.
    """
    start = 0
    for parameter in parameters:
        values = parameter.detach().numpy()
        size = values[0].size
        rows[:, start : start + size].reshape(values.shape)[:] = values
        start += size


def write_parameters(rows: Floats, parameters: Sequence[Tensor]) -> None:
    """The way back: from one row a replicate into the parameters."""
    start = 0
    for parameter in parameters:
        size = parameter[0].numel()
        part = rows[:, start : start + size].reshape(parameter.shape)
        np.copyto(parameter.detach().numpy(), part)
        start += size
