"""Draws which inputs each dendrite reads, as index arrays; no mask is ever made.

Inputs are numbered as the flattened image (channels, height, width). One call wires one layer of
one replicate, from a generator of its own.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.architecture import ImageShape

Connections: TypeAlias = NDArray[np.int32]


def random_synapses(
    generator: np.random.Generator, image_shape: ImageShape, dendrites: int, synapses: int
) -> Connections:
    """Distinct inputs for each dendrite, every subset equally likely; shape (dendrites, synapses).

    The paper's text: each dendrite has the same number of synapses (its code draws them over the
    whole matrix, so that 16 is only the mean and dendrites may be empty). Floyd's sampling, all
    dendrites at once: the memory is that of the result.
    """
    inputs = int(np.prod(image_shape))
    chosen = np.full((dendrites, synapses), -1, dtype=np.int32)
    for column, last in enumerate(range(inputs - synapses, inputs)):
        drawn = generator.integers(0, last + 1, size=dendrites, dtype=np.int32)
        taken = (chosen[:, :column] == drawn[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, np.int32(last), drawn)
    chosen.sort(axis=1)
    return chosen


def local_synapses(
    generator: np.random.Generator, image_shape: ImageShape, dendrites: int, synapses: int
) -> Connections:
    """A receptive field for each dendrite; shape (dendrites, synapses x channels).

    The paper's ring rule: centres are uniform over the pixels; the 3 x 3 block around the centre
    comes first, then whole rings one pixel further out, and of the last ring that is needed (of the
    block itself, if it is larger than the field) a random part. All channels of a pixel are read.
    """
    channels, height, width = image_shape
    centre_row = generator.integers(0, height, size=dendrites)
    centre_column = generator.integers(0, width, size=dendrites)

    # A field at the corner of the image must still find enough pixels within the radius.
    radius = 1
    while min(radius + 1, height) * min(radius + 1, width) < synapses:
        radius += 1
    offsets = np.arange(-radius, radius + 1)
    row_offset, column_offset = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    rows = centre_row[:, None] + row_offset
    columns = centre_column[:, None] + column_offset
    ring = np.maximum(1, np.maximum(np.abs(row_offset), np.abs(column_offset)))

    # Within a ring the order is random; outside of the image it is never reached.
    order = ring + generator.random(rows.shape)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    order[~inside] = np.inf
    nearest = np.argpartition(order, synapses - 1, axis=1)[:, :synapses]
    pixels = np.take_along_axis(rows * width + columns, nearest, axis=1)
    pixels.sort(axis=1)

    planes = np.arange(channels) * height * width
    fields = planes[None, :, None] + pixels[:, None, :]
    result: Connections = fields.reshape(dendrites, -1).astype(np.int32)
    return result


SYNAPSE_PATTERNS: Final[
    dict[str, Callable[[np.random.Generator, ImageShape, int, int], Connections]]
] = {"random": random_synapses, "local": local_synapses}
