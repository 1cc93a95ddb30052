"""Random translations and mirror images of the training images, drawn anew in each epoch."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from study.engine.recipe import Recipe

_AUGMENTATION: Final = 5  # a random stream beside those of models.building and study.training


class Moves(NamedTuple):
    """What is done to each image: (images,) each.

    Where `mirrored` is 1, it is mirrored left to right; then it moves by `rows` down and by `columns`
    to the right. What moves in is zero, as the border of most images (Simard et al., ICDAR 2003).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    mirrored: NDArray[np.int64]


def augments(recipe: Recipe) -> bool:
    """Whether the recipe changes images."""
    return recipe.shift > 0 or recipe.flip > 0


def draw_moves(recipe: Recipe, images: int, seed: int, epoch: int) -> Moves:
    """The moves of each image in an epoch of the replicate with a seed.

    Each translation of at most `shift` pixels is equally likely, in rows and in columns.
    """
    generator = np.random.default_rng([_AUGMENTATION, seed, epoch])
    shift = int(recipe.shift)
    rows, columns = generator.integers(-shift, shift + 1, (2, images), dtype=np.int16)
    mirrored = generator.random(images, dtype=np.float32) < recipe.flip
    return Moves(rows.astype(np.int64), columns.astype(np.int64), mirrored.astype(np.int64))
