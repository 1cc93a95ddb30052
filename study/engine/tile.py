"""Brings some images of a batch into a table of pixels, (pixels, lanes)."""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import PIXEL, Images, Wiring, Workspace
from study.engine.compilation import inner

_HALF = np.uint64(0x00000000FFFFFFFF)
_QUARTER = np.uint64(0x0000FFFF0000FFFF)
_EIGHTH = np.uint64(0x00FF00FF00FF00FF)


@inner
def fill_tile(
    images: Images, order: NDArray[np.int64], first: int, count: int, lanes: int, work: Workspace
) -> None:
    """Takes the images `order[first:first + count]`; further lanes repeat the last one.

    Bytes are transposed in blocks of 8 images x 8 pixels (Warren, Hacker's Delight, 7-3, of bytes),
    as an image's pixels lie side by side in memory, and a pixel of several images does in the table.
    """
    words = work.words
    last = first + count - 1
    for group in range(lanes // 8):
        start = first + 8 * group
        i0 = order[min(start, last)]
        i1 = order[min(start + 1, last)]
        i2 = order[min(start + 2, last)]
        i3 = order[min(start + 3, last)]
        i4 = order[min(start + 4, last)]
        i5 = order[min(start + 5, last)]
        i6 = order[min(start + 6, last)]
        i7 = order[min(start + 7, last)]
        for block in range(images.words.shape[1]):
            a, e = _swap(images.words[i0, block], images.words[i4, block], 32, _HALF)
            b, f = _swap(images.words[i1, block], images.words[i5, block], 32, _HALF)
            c, g = _swap(images.words[i2, block], images.words[i6, block], 32, _HALF)
            d, h = _swap(images.words[i3, block], images.words[i7, block], 32, _HALF)
            a, c = _swap(a, c, 16, _QUARTER)
            b, d = _swap(b, d, 16, _QUARTER)
            e, g = _swap(e, g, 16, _QUARTER)
            f, h = _swap(f, h, 16, _QUARTER)
            a, b = _swap(a, b, 8, _EIGHTH)
            c, d = _swap(c, d, 8, _EIGHTH)
            e, f = _swap(e, f, 8, _EIGHTH)
            g, h = _swap(g, h, 8, _EIGHTH)
            row = 8 * block
            words[row, group] = a
            words[row + 1, group] = b
            words[row + 2, group] = c
            words[row + 3, group] = d
            words[row + 4, group] = e
            words[row + 5, group] = f
            words[row + 6, group] = g
            words[row + 7, group] = h


@inner
def fill_pixels(wiring: Wiring, lanes: int, work: Workspace) -> None:
    """The bytes of the tile as floats; those of pixels that nothing reads are left out."""
    for place in range(len(wiring.pixels)):
        pixel = wiring.pixels[place]
        for lane in range(lanes):
            work.pixels[pixel, lane] = work.bytes[pixel, lane] * PIXEL


@inner
def _swap(
    low: np.uint64, high: np.uint64, bits: int, mask: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Exchanges the upper parts of one word with the lower parts of another."""
    changed = ((low >> np.uint64(bits)) ^ high) & mask
    return low ^ (changed << np.uint64(bits)), high ^ changed
