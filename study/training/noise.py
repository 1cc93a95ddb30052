"""Images with noise: what a network is worth where pixels cannot be trusted (paper, Fig. 7b)."""

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from study.training.dataset import Dataset, Split

_INPUT_NOISE: Final = (
    2  # a stream of its own beside those of models.building and study.training.batch_order
)
_SCALE: Final = 255  # an image's largest value, 1 in the scale of the noise
_AT_ONCE: Final = 1000  # images, so that no second data set of floats lies in memory


def noisy(dataset: Dataset, sigma: float) -> Dataset:
    """The data set with Gaussian noise on the images of all three splits; itself where sigma is 0.

    `sigma` is the standard deviation where pixels are 0 to 1; what leaves that range is clipped. The
    noise is drawn once and is the same each time, also for another sigma but for its scale. Images
    stay uint8, so a pixel is rounded to the nearest of 256 values: a sigma far below 1/255 is lost.
    """
    if sigma == 0:
        return dataset
    return replace(
        dataset,
        train=_noisy(dataset.train, sigma, 0),
        validation=_noisy(dataset.validation, sigma, 1),
        test=_noisy(dataset.test, sigma, 2),
    )


def _noisy(split: Split, sigma: float, part: int) -> Split:
    generator = np.random.default_rng([_INPUT_NOISE, part])
    parts = [_blurred(images, sigma, generator) for images in torch.split(split.images, _AT_ONCE)]
    return Split(torch.cat(parts), split.labels)


def _blurred(images: Tensor, sigma: float, generator: np.random.Generator) -> Tensor:
    noise = generator.standard_normal(tuple(images.shape), dtype=np.float32)
    values = images.cpu().numpy() + (_SCALE * sigma) * noise
    rounded = np.rint(np.clip(values, 0, _SCALE)).astype(np.uint8)
    return torch.from_numpy(rounded).to(images.device)
