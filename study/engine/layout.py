"""The arrays of a network: what the compiled loops read of its layers, wiring and weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from torch import Tensor

from models.layers import DenseLayer, GroupedLayer, SparseLayer
from models.network import Network
from models.stage import Layer, Stage
from study.engine.arrays import (
    BIAS,
    COLUMNS,
    DENSE,
    FIELDS,
    INPUTS,
    KIND,
    OFFSETS,
    READER_OFFSETS,
    READERS,
    ROW,
    SPARSE,
    UNITS,
    WEIGHT,
    Floats,
    Indices,
    Plan,
    Wiring,
)


def plan_of(network: Network) -> Plan:
    """What the replicates have in common. Raises TypeError of a layer that is not known here."""
    layers = np.zeros((len(network.layers), FIELDS), np.int64)
    inputs = int(np.prod(network.image_shape))
    parameters = rows = 0
    ends = [0, 0, 0, 0]
    for number, layer in enumerate(network.layers):
        units = layer.bias.shape[1]
        weights = layer.weight[0].numel()
        line = layers[number]
        line[[INPUTS, UNITS, ROW]] = inputs, units, rows
        line[[WEIGHT, BIAS]] = parameters, parameters + weights
        line[KIND] = DENSE if isinstance(layer, DenseLayer) else SPARSE
        if line[KIND] == SPARSE:
            # Of the first layer nothing is kept from the side of its inputs.
            back = (weights, inputs + 1) if number else (0, 0)
            line[[COLUMNS, OFFSETS, READERS, READER_OFFSETS]] = ends
            for place, length in enumerate((weights, units + 1, *back)):
                ends[place] += length
        parameters += weights + units
        inputs, rows = units, rows + units
    return Plan(layers, _slopes(network), float(network.architecture.dropout))


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
        if not isinstance(layer, DenseLayer):
            columns, offsets = _connections(layer, replicate)
            parts.columns.append(columns)
            parts.offsets.append(offsets)
            if number == 0:
                pixels = np.unique(columns)
            else:
                _add_readers(parts, columns, offsets, inputs)
        inputs = layer.bias.shape[1]
    return parts.joined(pixels)


def _connections(layer: Layer, replicate: int) -> tuple[Indices, Indices]:
    if isinstance(layer, SparseLayer):
        inputs, ends = layer.connections(replicate)
        return inputs.numpy().astype(np.uint32), ends.numpy().astype(np.uint32)
    if isinstance(layer, GroupedLayer):
        _, units, each = layer.weight.shape
        columns = np.arange(units * each, dtype=np.uint32)
        return columns, np.arange(0, units * each + 1, each, dtype=np.uint32)
    raise TypeError(f"a layer must be sparse, grouped or dense, got {type(layer).__name__}")


def _add_readers(parts: _Parts, columns: Indices, offsets: Indices, inputs: int) -> None:
    order = np.argsort(columns, kind="stable")
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    counts = np.bincount(columns, minlength=inputs)
    parts.readers.append(rows[order].astype(np.uint32))
    parts.entries.append(order.astype(np.uint32))
    parts.reader_offsets.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32))


def _joined(parts: Sequence[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def read_parameters(parameters: Sequence[Tensor], rows: Floats) -> None:
    """Copies parameters, (R, ...) each, into one row a replicate, (R, parameters).

    By NumPy: torch would wake a thread for each core, which then spins beside the training.
    """
    start = 0
    for parameter in parameters:
        part = parameter.detach().flatten(1).numpy()
        rows[:, start : start + part.shape[1]] = part
        start += part.shape[1]


def write_parameters(rows: Floats, parameters: Sequence[Tensor]) -> None:
    """The way back: from one row a replicate into the parameters."""
    start = 0
    for parameter in parameters:
        size = parameter[0].numel()
        part = rows[:, start : start + size].reshape(parameter.shape)
        np.copyto(parameter.detach().numpy(), part)
        start += size
