"""Accuracy on images with noise that training did not have: a shift at test time.

The paper (Fig. 7b) adds noise of the same standard deviations to its training images as well.
"""

from typing import Final

import torch
from torch import Tensor

from models.network import Network
from study.training.dataset import Split
from study.training.evaluation import evaluate

_SEED: Final = 7_402  # of the noise alone: the same for every network that is measured


def noisy(images: Tensor, sigma: float) -> Tensor:
    """The images with Gaussian noise, clipped to 0..1, as float32 of the same shape.

    `images`: uint8 in 0..255. `sigma`: the standard deviation, of pixels in 0..1. The noise is the
    same in every call, and of each sigma the same, but for its size.
    """
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return noise.mul_(sigma).add_(images / 255).clamp_(0.0, 1.0)


def accuracy_under_noise(network: Network, split: Split, sigma: float) -> Tensor:
    """The accuracy (share in 0..1) on noisy images, the same for all replicates; shape (R,)."""
    accuracy, _ = evaluate(network, Split(noisy(split.images, sigma), split.labels))
    return accuracy
