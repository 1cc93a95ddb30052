"""The order of the training images in an epoch; apart from training, as the driver checks it too."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from study.errors import SpecError
from study.spec.dimensions import bounds
from study.spec.study_spec import StudySpec

_BATCH_ORDER: Final = 1  # a random stream besides those of models.building


def shuffled(images: int, seeds: Sequence[int], epoch: int) -> Tensor:
    """A permutation of the images for each replicate, by its seed and the epoch, shape (R, images)."""
    permutations = [
        np.random.default_rng([_BATCH_ORDER, seed, epoch]).permutation(images) for seed in seeds
    ]
    return torch.from_numpy(np.stack(permutations))


def by_class(labels: Tensor, batch_size: int) -> Tensor:
    """The images sorted by class, with batches of a single class, shape (images,).

    This is the sequential training of the paper (Fig. 7): classes in order, and the images of a class
    in the order of the data set. Images that do not fill a batch of their class are left out. Raises
    SpecError if a class does not fill one batch.
    """
    counts = torch.bincount(labels)
    present = counts.nonzero().flatten().tolist()
    parts = []
    for label in present:
        count = int(counts[label])
        if count < batch_size:
            raise SpecError(
                "`batch_size <= training images of each class` must hold where batches are made by "
                f"class, got batch_size={batch_size}, {count} training images of class {label} "
                "(keys space.batch_order and space.batch_size)"
            )
        rows = (labels == label).nonzero().flatten()
        parts.append(rows[: count - count % batch_size])
    return torch.cat(parts)


def check_batch_order(spec: StudySpec, labels: Tensor) -> None:
    """Raises SpecError if a class would not fill one batch in some trial of the space."""
    _, largest = bounds(spec.space.batch_size)
    if "by_class" in getattr(spec.space.batch_order, "values", ()):
        by_class(labels, int(largest))
