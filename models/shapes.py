"""The shapes of images that the layers of a network read."""

import math

from models.architecture import FAMILIES, Architecture, ImageShape


def soma_grid(somata: int) -> ImageShape:
    """The shape (1, height, width) in which the next layer reads `somata` somata.

    Height and width are the two middle divisors, the larger first: 256 is 16 x 16, 128 is 16 x 8
    (the paper's code, deeper networks).
    """
    width = math.isqrt(somata)
    while somata % width:
        width -= 1
    return (1, somata // width, width)


def layer_shapes(architecture: Architecture, image_shape: ImageShape) -> list[ImageShape]:
    """The input shape of each layer, in order, and last that of the readout."""
    if FAMILIES[architecture.family].synapses != "convolution":
        return [image_shape, *[soma_grid(architecture.somata)] * architecture.layers]
    shapes, stride = [image_shape], stride_of(architecture)
    for _ in range(architecture.layers):
        _, height, width = shapes[-1]
        shapes.append((architecture.somata, -(-height // stride), -(-width // stride)))
    return shapes


def stride_of(architecture: Architecture) -> int:
    """The pixels from one position of a convolution to the next, in rows and in columns.

    2 for a `cnn`. With dendrites it is the side of the kernel: positions are tiles, so that each kernel
    reads each pixel once.
    """
    side = math.isqrt(architecture.synapses or 1)
    return side if FAMILIES[architecture.family].has_dendrites else 2


def check_fits(architecture: Architecture, image_shape: ImageShape) -> None:
    """Raises ValueError if a dendrite has more synapses than its layer has inputs.

    The bound is height x width if `synapses` counts pixels, else channels x height x width.
    """
    family = FAMILIES[architecture.family]
    if architecture.synapses is None or family.synapses == "convolution":
        return
    shapes = layer_shapes(architecture, image_shape)[:-1]
    for layer, (channels, height, width) in enumerate(shapes, start=1):
        pixels = architecture.synapses_per == "channel" and channels > 1
        limit = height * width * (1 if pixels else channels)
        unit = "pixels" if pixels else "inputs"
        if architecture.synapses > limit:
            raise ValueError(
                f"`synapses <= {unit}` must hold in layer {layer} of {architecture.family}, "
                f"got synapses={architecture.synapses}, {unit}={limit}"
            )
