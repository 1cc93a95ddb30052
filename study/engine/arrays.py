"""A network as plain arrays, which compiled functions read: the layers, the wiring, the weights.

In a tile, some images of a batch, activations are feature-major, (units, lanes), as in
`models.layers`: each image is a lane. Rows start at a multiple of 64 bytes, a line of the cache.
"""

import math
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.uint32]

Size: TypeAlias = int | np.int64
"""A place or a count; to compiled functions both are one type."""

LANES: Final = 32
"""The lanes of a tile are a multiple of this."""

BLOCK: Final = 16
"""This many pixels of as many images are transposed at once."""

LINE: Final = 64
"""The bytes of a line of the cache."""

MANY: Final = 16
"""The units from which on a dense layer is multiplied by BLAS; with fewer, BLAS is slower."""

# The columns of `Plan.layers`.
KIND: Final = 0
INPUTS: Final = 1
UNITS: Final = 2
WEIGHT: Final = 3
BIAS: Final = 4
ROW: Final = 5
COLUMNS: Final = 6
OFFSETS: Final = 7
READERS: Final = 8
READER_OFFSETS: Final = 9
POSITIONS: Final = 10
CHANNELS: Final = 11
HEIGHT: Final = 12
WIDTH: Final = 13
SIDE: Final = 14
STRIDE: Final = 15
TOP: Final = 16
LEFT: Final = 17
OUT_HEIGHT: Final = 18
OUT_WIDTH: Final = 19
FIELDS: Final = 20

PIXEL: Final = np.float32(1 / 255)
"""The scale of a byte of an image."""

SPARSE: Final = 0
DENSE: Final = 1
CONVOLUTION: Final = 2

# What a loop is to do.
TRAIN: Final = 0
EVALUATE: Final = 1


class Plan(NamedTuple):
    """What all replicates have in common.

    `layers`: (L, FIELDS), a row a layer, the readout last: its kind; how many inputs and units; where
    its weights and biases start in a replicate's parameters, its units in the rows of activations,
    and its part in the arrays of `Wiring`. A unit of a convolution is one kernel at one of its
    `POSITIONS` (1 in other layers), and has the kernel's bias; further fields are the image that it
    reads, and its padding. `slopes`: (L,), of the leaky ReLU after each layer.
    `dropout`: the share of units that a training step silences after every layer but the readout.
    `sgemm`: its address (`study.engine.blas`), 0 where no dense layer has `MANY` units.
    """

    layers: NDArray[np.int64]
    slopes: Floats
    dropout: float
    sgemm: int


class Wiring(NamedTuple):
    """What the units of one replicate read; of all sparse layers, one after another.

    `pixels`: the inputs of the network that are read at all, (P,). `columns` and `offsets`: unit u of
    a layer reads `columns[offsets[u]:offsets[u + 1]]`.
    `readers`, `entries` and `reader_offsets`: the same from the other side, which units read an
    input, and with which of their weights; of the first layer there is none.
    """

    pixels: Indices
    columns: Indices
    offsets: Indices
    readers: Indices
    entries: Indices
    reader_offsets: Indices


class Moving(NamedTuple):
    """What training changes of one replicate, each (parameters,): zero gradients between steps.

    `average`: of the parameters after each step; (0,) if none is wanted.
    """

    parameters: Floats
    gradient: Floats
    first_moment: Floats
    second_moment: Floats
    average: Floats


class Workspace(NamedTuple):
    """Memory for one tile, which nothing outlasts.

    `bytes`: (bytes of an image, lanes); `pixels`: the same as floats, for a dense layer;
    `pairs`: (inputs, lanes / 2), the same for a sparse layer. A word has lanes i and i + 16 of 32 in its
    lower and upper half, each the upper half of a float, which holds any byte exactly: one instruction
    makes 16 floats of it, and a row takes half of the memory of floats, by whose bandwidth sums over
    synapses are bound.
    `outputs` and `through`: (units of all layers, lanes), activations and the loss's gradient.
    `peak`, `total`: (lanes,), of the softmax.
    """

    bytes: NDArray[np.uint8]
    pixels: Floats
    pairs: Indices
    outputs: Floats
    through: Floats
    peak: Floats
    total: Floats


class Images(NamedTuple):
    """Bytes of all images, (bytes,); labels, (images,); the byte of each input of an image, (inputs,).

    `targets`: a teacher's probabilities of each image, (images, classes), or (0, classes) without one.
    `places` ascend, and count from the start of an image, from which on there are whole blocks of bytes.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    places: Indices
    targets: Floats


def floats(*shape: int) -> Floats:
    """Zeros that start with a line of the cache."""
    return _aligned(4 * math.prod(shape)).view(np.float32).reshape(shape)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Zero bytes that start with a line of the cache."""
    memory = np.zeros(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size]


def workspace(inputs: int, span: int, units: int, lanes: int) -> Workspace:
    """A workspace for tiles of so many lanes, of images of so many bytes."""
    padded = -(-inputs // BLOCK) * BLOCK
    spanned = -(-span // BLOCK) * BLOCK
    return Workspace(
        bytes=_aligned(spanned * lanes).reshape(spanned, lanes),
        pixels=floats(padded, lanes),
        pairs=floats(padded, lanes // 2).view(np.uint32),
        outputs=floats(units, lanes),
        through=floats(units, lanes),
        peak=floats(lanes),
        total=floats(lanes),
    )
