"""Images as compiled functions read them, and the place where each one starts."""

import math
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.engine.arrays import BLOCK, Images
from study.engine.augmentation import Moves, augments
from study.engine.recipe import Recipe


@final
class StoredImages:
    """Images (count, channels, height, width), uint8, in one row of bytes; labels and targets, if any.

    Without augmentation the bytes are those of the images, without a copy where they fit. With it, each
    image is stored with zeros around it, and a translated image is the same bytes from another start;
    mirror images are stored, too. So augmentation costs memory (1.07 times the images for a shift of one
    pixel, twice that with mirror images), but hardly any time.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
        targets: Tensor | None = None,
    ) -> None:
        border = int(recipe.shift)
        self._count, channels, height, width = images.shape
        self._row = width + border
        plane = (height + border) * self._row
        row, column = np.divmod(np.arange(height * width), width)
        within = row * self._row + column
        places = (np.arange(channels)[:, None] * plane + within).ravel()
        self._first = border * self._row + border
        self._image = channels * plane
        if augments(recipe):
            pixels = self._padded(images, border, mirrored=recipe.flip > 0)
        else:
            rows = images.flatten(1)
            missing = -rows.shape[1] % BLOCK
            if missing:
                rows = torch.nn.functional.pad(rows, (0, missing))
            self._image = rows.shape[1]
            pixels = np.ascontiguousarray(rows.numpy()).reshape(-1)
        of_labels = np.ascontiguousarray(labels.numpy(), dtype=np.int64)
        of_teacher = np.zeros((0, 1), np.float32) if targets is None else targets.numpy()
        self.images = Images(pixels, of_labels, places.astype(np.uint32), of_teacher)

    @property
    def span(self) -> int:
        """The bytes from the start of an image to the end of its last pixel."""
        return int(self.images.places[-1]) + 1

    def starts(self, order: NDArray[np.int64], moves: Moves | None = None) -> NDArray[np.int64]:
        """The first byte of each image of an order, moved if there are moves; (images of the order,)."""
        if moves is None:
            return order * self._image
        starts = np.arange(self._count) * self._image + self._first
        starts += moves.mirrored * (self._count * self._image)
        starts -= moves.rows * self._row + moves.columns
        return starts[order]

    def _padded(self, images: Tensor, border: int, *, mirrored: bool) -> NDArray[np.uint8]:
        """Each plane after `border` rows of zeros, each row before as many; the same after the last."""
        count, channels, height, width = images.shape
        copies = 2 if mirrored else 1
        shape = (copies, count, channels, height + border, width + border)
        end = border + math.prod(shape) + border * (width + border) + BLOCK
        pixels = np.zeros(end, np.uint8)
        planes = pixels[border : border + math.prod(shape)].reshape(shape)
        planes[0, :, :, border:, :width] = images.numpy()
        if mirrored:
            planes[1, :, :, border:, :width] = images.numpy()[..., ::-1]
        return pixels
