"""Images with noise, for training and for tests of networks trained without (paper, Fig. 7b).

The paper adds noise of the same standard deviations to its training images as well.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.network import Network
from study.training.dataset import Dataset
from study.training.evaluation import batch_outcomes
from study.training.split import Split

# A random stream besides those of models.building and study.training.batch_order.
_INPUT_NOISE: Final = 2
_SCALE: Final = 255  # an image's largest value, 1 in the scale of the noise
_AT_ONCE: Final = 1000  # images, to avoid a copy of the data set as floats
_TEST_SEED: Final = 7_402  # equal for all networks


def with_training_noise(dataset: Dataset, sigma: float) -> Dataset:
    """The data set with Gaussian noise on all images of the three splits; unchanged for sigma 0.

    `sigma` is the standard deviation for pixels in 0..1; the result is clipped to that range. The
    noise is the same in every call, and proportional to sigma. Images remain uint8, rounded to the
    nearest of 256 values, so a sigma far below 1/255 has no effect.
    """
    if sigma == 0:
        return dataset
    return replace(
        dataset,
        train=_with_noise(dataset.train, sigma, 0),
        validation=_with_noise(dataset.validation, sigma, 1),
        test=_with_noise(dataset.test, sigma, 2),
    )


def _with_noise(split: Split, sigma: float, part: int) -> Split:
    generator = np.random.default_rng([_INPUT_NOISE, part])
    parts = [_blurred(images, sigma, generator) for images in torch.split(split.images, _AT_ONCE)]
    return Split(torch.cat(parts), split.labels)


def _blurred(images: Tensor, sigma: float, generator: np.random.Generator) -> Tensor:
    noise = generator.standard_normal(tuple(images.shape), dtype=np.float32)
    values = images.cpu().numpy() + (_SCALE * sigma) * noise
    rounded = np.rint(np.clip(values, 0, _SCALE)).astype(np.uint8)
    return torch.from_numpy(rounded).to(images.device)


def with_test_noise(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """The images with Gaussian noise, clipped to 0..1, as float32 of the same shape.

    `images`: uint8 in 0..255. `sigma`: the standard deviation, for pixels in 0..1.
    """
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return noise.mul_(sigma).add_(images / _SCALE).clamp_(0.0, 1.0)


def accuracy_under_noise(network: Network, split: Split, sigma: float) -> Tensor:
    """The accuracy (share in 0..1) of each replicate on noisy images, shape (R,).

    The noise is the same for all replicates and in every call, and proportional to sigma.
    """
    generator = torch.Generator().manual_seed(_TEST_SEED)
    correct = torch.zeros(network.replicates, dtype=torch.float64, device=split.labels.device)
    for images, labels in zip(
        torch.split(split.images, _AT_ONCE), torch.split(split.labels, _AT_ONCE), strict=True
    ):
        noisy = Split(with_test_noise(images, sigma, generator), labels)
        for hits, _ in batch_outcomes(network, noisy):
            correct += hits.sum(dim=1)
    return (correct / len(split.labels)).cpu()
