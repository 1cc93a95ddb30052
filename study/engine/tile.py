"""Brings some images of a batch into a table of pixels, (pixels, lanes)."""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import LINE, PIXEL, Images, Wiring, Workspace
from study.engine.compilation import inner
from study.engine.vectors import NARROW, pointers, prefetch, transpose


@inner
def fill_tile(
    images: Images, order: NDArray[np.int64], first: int, count: int, lanes: int, work: Workspace
) -> None:
    """Takes the images `order[first:first + count]`; further lanes repeat the last one.

    Bytes are transposed in blocks of 16 images x 16 pixels, as an image's pixels lie side by side
    in memory, and a pixel of several images does in the table. Images lie anywhere in memory, so the
    next 16 are read into the cache meanwhile, a line of it at a time.
    """
    for lane in range(0, lanes, NARROW):
        rows = pointers(images.pixels, order, first + lane, first + count - 1)
        following = pointers(images.pixels, order, first + lane + NARROW, len(order) - 1)
        for pixel in range(0, images.pixels.shape[1], NARROW):
            if pixel % LINE == 0:
                prefetch(following, pixel)
            transpose(rows, pixel, work.bytes, lane)


@inner
def fill_pixels(wiring: Wiring, lanes: int, work: Workspace) -> None:
    """The bytes of the tile as floats; those of pixels that nothing reads are left out."""
    for place in range(len(wiring.pixels)):
        pixel = wiring.pixels[place]
        for lane in range(lanes):
            work.pixels[pixel, lane] = work.bytes[pixel, lane] * PIXEL
