"""Brings some images of a batch into a table of pixels, (pixels, lanes)."""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import (
    BLOCK,
    KIND,
    LINE,
    PIXEL,
    SPARSE,
    Images,
    Plan,
    Size,
    Wiring,
    Workspace,
)
from study.engine.compilation import inner
from study.engine.vectors import (
    NARROW,
    fma,
    load,
    narrow,
    pointers,
    prefetch,
    store,
    store_pairs,
    transpose,
)


@inner
def fill_tile(
    images: Images, starts: NDArray[np.int64], first: Size, count: int, lanes: int, work: Workspace
) -> None:
    """Takes the images that begin at `starts[first:first + count]`; further lanes repeat the last one.

    Bytes are transposed in blocks of 16 images x 16 pixels, as an image's pixels lie side by side
    in memory, and a pixel of several images does in the table. Images lie anywhere in memory, so the
    next 16 are read into the cache meanwhile, a line of it at a time.
    """
    for lane in range(0, lanes, BLOCK):
        rows = pointers(images.pixels, starts, first + lane, first + count - 1)
        following = pointers(images.pixels, starts, first + lane + BLOCK, len(starts) - 1)
        for pixel in range(0, images.places[-1] + 1, BLOCK):
            if pixel % LINE == 0:
                prefetch(following, pixel)
            transpose(rows, pixel, work.bytes, lane)


@inner
def fill_table(plan: Plan, wiring: Wiring, images: Images, lanes: int, work: Workspace) -> None:
    """The bytes of the tile as what the first layer reads: pairs if it is sparse, else floats.

    Those of pixels that nothing reads are left out.
    """
    reads_pairs = plan.layers[0, KIND] == SPARSE
    for place in range(len(wiring.pixels)):
        pixel = wiring.pixels[place]
        byte = images.places[pixel]
        for lane in range(0, lanes, NARROW):
            values = load(work.bytes, byte, lane, narrow())
            if reads_pairs:
                store_pairs(work.pairs, pixel, lane, values)
            else:
                store(work.pixels, pixel, lane, fma(PIXEL, values, narrow()))
