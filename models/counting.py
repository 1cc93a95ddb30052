"""Counts of a network that follow from its architecture: no network is built for them."""

import math
from itertools import pairwise
from typing import Final

from models.architecture import FAMILIES, Architecture, ImageShape
from models.shapes import check_fits, layer_shapes

SEED_BITS: Final = 64
"""Bits of the seed from which a wiring is drawn."""
_WEIGHT_BYTES: Final = 4


def counts_of(architecture: Architecture, image_shape: ImageShape, classes: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of one replicate, equal to the counts of the built network.

    `image_shape` is (channels, height, width). Raises ValueError if the architecture does not fit it.
    """
    check_fits(architecture, image_shape)
    family, units, somata = FAMILIES[architecture.family], architecture.units, architecture.somata
    *read, last = layer_shapes(architecture, image_shape)
    parameters = macs = 0
    for (channels, height, width), following in pairwise([*read, last]):
        positions, synapses = 1, architecture.synapses or 0
        if family.synapses == "all":
            synapses = channels * height * width
        elif family.synapses == "convolution":
            synapses *= channels
            positions = math.prod(following[1:])
        elif architecture.synapses_per == "channel":
            synapses *= channels
        parameters += units * (synapses + 1)
        macs += units * synapses * positions
        if family.has_dendrites:
            cables = units * somata if family.cables == "all" else units * positions
            parameters += cables + somata * positions
            macs += cables
    features = math.prod(last)
    return parameters + (features + 1) * classes, macs + features * classes


def wiring_bits(architecture: Architecture, image_shape: ImageShape) -> int:
    """Bits that store the wiring of one replicate, besides the weights.

    Wiring that follows from the architecture takes none, drawn wiring takes a seed of 64 bits. Centres
    drawn by the variance of pixels do not follow from the seed alone: each takes its index. Learned
    wiring takes the index of the input of each synapse (of a pixel, if it is read in all channels), in
    as many bits as the largest index needs. `image_shape` is (channels, height, width).
    """
    family = FAMILIES[architecture.family]
    # Otherwise shuffled cables are an order of the dendrites.
    draws_cables = family.cables == "shuffled" and architecture.cable_draw == "global"
    if not architecture.rewiring:
        seed = SEED_BITS if family.draws_synapses or draws_cables else 0
        if architecture.centres == "even":
            return seed
        fields = architecture.somata if family.synapses == "grouped" else architecture.units
        return seed + fields * _bits(math.prod(image_shape[1:]))
    bits = SEED_BITS if draws_cables else 0
    varies = architecture.draws_over_matrix
    of_pixels = architecture.synapses_per == "channel"
    for channels, height, width in layer_shapes(architecture, image_shape)[:-1]:
        read = (architecture.synapses or 0) * (channels if of_pixels and varies else 1)
        places = height * width * (1 if of_pixels and not varies else channels)
        bits += architecture.units * read * _bits(places)
        bits += architecture.units * _bits(places + 1) if varies else 0  # their number
    return bits


def _bits(values: int) -> int:
    """Bits that tell so many values apart."""
    return (values - 1).bit_length()


def stored_bytes(parameters: int, bits: int) -> int:
    """Bytes that store a replicate: parameters in 32 bits each, and bits of wiring."""
    return _WEIGHT_BYTES * parameters + -(-bits // 8)
