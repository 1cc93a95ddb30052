"""Draws the inputs of each unit, as index arrays instead of masks.

Inputs are numbered as the flattened image (channels, height, width). One call wires one layer of
one replicate, from its own generator.
"""

import math
from dataclasses import dataclass
from reprlib import repr as short
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.architecture import FAMILIES, Architecture, ImageShape

_UNITS_AT_ONCE: Final = 2_000
_MOST_ENTRIES: Final = 10**9 - 1  # of a matrix that NumPy draws from


@dataclass(frozen=True, slots=True)
class Connections:
    """The inputs of each unit: unit u reads `inputs[offsets[u]:offsets[u + 1]]`, in ascending order.

    `inputs`: shape (connections,), int32. `offsets`: shape (units + 1,), int32.
    """

    inputs: NDArray[np.int32]
    offsets: NDArray[np.int32]

    @classmethod
    def of(cls, rows: NDArray[np.integer]) -> "Connections":
        """The connections of units with equal numbers of inputs; rows of shape (units, inputs)."""
        inputs = np.sort(rows, axis=1).astype(np.int32)
        offsets = np.arange(0, inputs.size + 1, inputs.shape[1], dtype=np.int32)
        return cls(inputs.ravel(), offsets)

    def in_order(self, units: NDArray[np.integer]) -> "Connections":
        """The connections of the same units in another order."""
        counts = np.diff(self.offsets)[units]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][units] - offsets[:-1], counts)
        return Connections(self.inputs[places], offsets)


Density: TypeAlias = NDArray[np.floating]
"""How likely each pixel is as a centre, (height, width), in any unit; where all are 0, all are alike."""


def draw_synapses(
    generator: np.random.Generator,
    architecture: Architecture,
    shape: ImageShape,
    density: Density | None = None,
) -> Connections:
    """Draws the inputs of each dendrite of a layer; dendrites jD..jD+D-1 are those of soma j.

    Each has `synapses` distinct inputs, or `synapses` pixels in all their channels. Not for families
    that read all inputs or are convolutional: their wiring is not drawn. `density`: of the centres of
    receptive fields, by default even.
    """
    family = FAMILIES[architecture.family]
    if family.synapses == "random":
        connections = _random(generator, architecture, shape)
    else:
        field = _local if family.synapses == "local" else _grouped
        connections = field(generator, architecture, shape, density)
    if family.cables != "shuffled" or architecture.cable_draw == "global":
        return connections
    # The position of a dendrite determines its soma, so shuffled cables are shuffled dendrites.
    return connections.in_order(generator.permutation(architecture.units))


def centre_density(
    architecture: Architecture, image_shape: ImageShape, variance: Density | None
) -> Density | None:
    """The density of centres in the first layer: the variance of pixels, or None where they are even.

    Raises ValueError if the variance is needed and is not that of such images.
    """
    if architecture.centres != "variance":
        return None
    _, height, width = image_shape
    if variance is None or variance.shape != (height, width) or not (variance >= 0).all():
        raise ValueError(
            f"`variance` must have a number from 0 for each of {height} x {width} pixels where "
            f"centres are drawn by it, got {None if variance is None else short(variance)}"
        )
    return variance


def draw_over_matrix(
    generator: np.random.Generator, units: int, inputs: int, total: int
) -> Connections:
    """Draws `total` distinct connections, every subset of the (units x inputs) matrix equally likely.

    A unit has total / units connections on average, and may have none (the paper's code). The number
    of connections of each unit is drawn first, then the inputs, so the matrix is never created. Raises
    ValueError for a matrix that is too large for NumPy's draw.
    """
    if units * inputs > _MOST_ENTRIES:
        raise ValueError(
            f"`units x inputs <= {_MOST_ENTRIES}` must hold for connections drawn over the matrix "
            f'(synapse_draw or cable_draw = "global"), got {units} x {inputs}'
        )
    counts = generator.multivariate_hypergeometric([inputs] * units, total, method="marginals")
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    drawn = np.empty(total, dtype=np.int32)
    for count in np.unique(counts[counts > 0]):
        units_of_count = np.flatnonzero(counts == count)
        rows = np.sort(_distinct(generator, len(units_of_count), inputs, int(count)), axis=1)
        drawn[offsets[units_of_count][:, None] + np.arange(count)] = rows
    return Connections(drawn, offsets)


def _random(
    generator: np.random.Generator, architecture: Architecture, shape: ImageShape
) -> Connections:
    """Random inputs of the whole image."""
    channels, height, width = shape
    synapses = architecture.synapses or 0
    if architecture.draws_over_matrix:
        total = synapses * architecture.units
        total *= channels if architecture.synapses_per == "channel" else 1
        return draw_over_matrix(generator, architecture.units, channels * height * width, total)
    if architecture.synapses_per == "channel":
        pixels = _distinct(generator, architecture.units, height * width, synapses)
        return Connections.of(_all_channels(pixels, shape))
    inputs = channels * height * width
    return Connections.of(_distinct(generator, architecture.units, inputs, synapses))


def _local(
    generator: np.random.Generator,
    architecture: Architecture,
    shape: ImageShape,
    density: Density | None,
) -> Connections:
    """A receptive field anywhere in the image."""
    _, height, width = shape
    if density is not None:
        centres = _centres(generator, architecture.units, density)
        return _fields(generator, architecture, shape, centres)
    rows = generator.integers(0, height, size=architecture.units)
    columns = generator.integers(0, width, size=architecture.units)
    return _fields(generator, architecture, shape, rows * width + columns)


def _centres(generator: np.random.Generator, count: int, density: Density) -> NDArray[np.int64]:
    """Pixels, each as likely as its density."""
    weights = density.ravel().astype(np.float64)
    even = np.full(weights.size, 1 / weights.size)
    return generator.choice(
        weights.size, count, p=weights / weights.sum() if weights.any() else even
    )


def _grouped(
    generator: np.random.Generator,
    architecture: Architecture,
    shape: ImageShape,
    density: Density | None,
) -> Connections:
    """One centre for each soma; the fields of its dendrites are centred on distinct pixels around it.

    The ring rule chooses these pixels. If a soma has more dendrites than the image has pixels, pixels
    are reused.
    """
    _, height, width = shape
    dendrites = architecture.dendrites or 1
    if density is None:
        somata = generator.integers(0, height * width, size=architecture.somata)
    else:
        somata = _centres(generator, architecture.somata, density)
    distinct = min(dendrites, height * width)
    centres = _ring(generator, (1, height, width), somata, distinct)
    centres = generator.permuted(centres, axis=1)
    again = np.arange(dendrites) % distinct
    return _fields(generator, architecture, shape, centres[:, again].ravel())


def _fields(
    generator: np.random.Generator,
    architecture: Architecture,
    shape: ImageShape,
    centres: NDArray[np.integer],
) -> Connections:
    """A receptive field around each centre, in all channels if `synapses` counts pixels."""
    field = _ring if architecture.receptive_field == "ring" else _square
    of_pixels = architecture.synapses_per == "channel"
    read = (1, *shape[1:]) if of_pixels else shape
    rows = [  # what is drawn does not depend on the parts, which bound the memory
        field(generator, read, part, architecture.synapses or 0).astype(np.int32)
        for part in np.split(centres, range(_UNITS_AT_ONCE, len(centres), _UNITS_AT_ONCE))
    ]
    fields = np.concatenate(rows)
    return Connections.of(_all_channels(fields, shape) if of_pixels else fields)


def _ring(
    generator: np.random.Generator, shape: ImageShape, centres: NDArray[np.integer], count: int
) -> NDArray[np.integer]:
    """The paper's rule: the 3 x 3 block around the centre, then whole rings of one more pixel.

    Of the last ring (of the block, if it is larger than the field) a random part is taken.
    """
    channels, height, width = shape
    # Large enough for a field in a corner of the image.
    radius = 1
    while channels * min(radius + 1, height) * min(radius + 1, width) < count:
        radius += 1
    # No further than the image reaches, which bounds the memory if it has few rows or columns.
    tall, wide = (min(radius, side - 1) for side in (height, width))
    row_offset, column_offset = (
        grid.ravel() for grid in np.meshgrid(np.arange(-tall, tall + 1), np.arange(-wide, wide + 1))
    )
    rows = centres[:, None] // width + row_offset
    columns = centres[:, None] % width + column_offset
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    ring = np.maximum(1, np.maximum(np.abs(row_offset), np.abs(column_offset)))
    rank = np.where(inside, ring, np.inf)
    return _first(generator, shape, rows * width + columns, rank, count)


def _square(
    generator: np.random.Generator, shape: ImageShape, centres: NDArray[np.integer], count: int
) -> NDArray[np.integer]:
    """The smallest square patch with enough inputs, inside the image and near the centre.

    If it has more inputs than the field, a random part is taken.
    """
    channels, height, width = shape
    side = math.isqrt(max(0, -(-count // channels) - 1)) + 1
    tall, wide = min(side, height), min(side, width)
    # If the image is too small in one direction, the patch grows in the other.
    while channels * tall * wide < count:
        tall, wide = min(tall + 1, height), min(wide + 1, width)
    top = np.clip(centres // width - tall // 2, 0, height - tall)
    left = np.clip(centres % width - wide // 2, 0, width - wide)
    row_offset, column_offset = (grid.ravel() for grid in np.mgrid[:tall, :wide])
    pixels = (top[:, None] + row_offset) * width + left[:, None] + column_offset
    return _first(generator, shape, pixels, np.zeros(pixels.shape), count)


def _first(
    generator: np.random.Generator,
    shape: ImageShape,
    pixels: NDArray[np.integer],
    rank: NDArray[np.floating],
    count: int,
) -> NDArray[np.integer]:
    """For each unit the `count` inputs of lowest rank among its pixels, in every channel.

    `pixels` and `rank` have shape (units, candidates); equal ranks are in random order.
    """
    inputs = _all_channels(pixels, shape)
    if count == inputs.shape[1]:
        return inputs
    order = np.tile(rank, (1, shape[0])) + generator.random(inputs.shape)
    chosen = np.argpartition(order, count - 1, axis=1)[:, :count]
    return np.take_along_axis(inputs, chosen, axis=1)


def _distinct(
    generator: np.random.Generator, units: int, inputs: int, count: int
) -> NDArray[np.int32]:
    """Draws `count` distinct inputs for each unit, every subset equally likely; shape (units, count).

    Floyd's sampling, vectorized over units: it needs no memory beyond the result.
    """
    chosen = np.full((units, count), -1, dtype=np.int32)
    for column, last in enumerate(range(inputs - count, inputs)):
        drawn = generator.integers(0, last + 1, size=units, dtype=np.int32)
        taken = (chosen[:, :column] == drawn[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, np.int32(last), drawn)
    return chosen


def _all_channels(pixels: NDArray[np.integer], shape: ImageShape) -> NDArray[np.integer]:
    """The inputs of these pixels in every channel; (units, pixels) to (units, channels x pixels)."""
    channels, height, width = shape
    planes = np.arange(channels) * height * width
    return (planes[None, :, None] + pixels[:, None, :]).reshape(len(pixels), -1)
