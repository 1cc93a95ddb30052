"""Images with their labels: what a training needs of a data set, without its spec."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_AT_A_TIME: Final = 1000  # images in memory as numbers


@dataclass(frozen=True, slots=True)
class Split:
    """Images, shape (count, channels, height, width), uint8; and labels, shape (count,), int64."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Split":
        """The same split on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def pixel_variance(self) -> NDArray[np.float64]:
        """The variance of each pixel over the images, summed over channels, (height, width).

        Of pixels in 0..255. The same on every device: sums of whole numbers are exact.
        """
        shape = self.images.shape[1:]
        total = torch.zeros(shape, dtype=torch.float64, device=self.images.device)
        squares = torch.zeros_like(total)
        for some in torch.split(self.images, _AT_A_TIME):
            numbers = some.double()
            total += numbers.sum(dim=0)
            squares += numbers.square().sum(dim=0)
        count = len(self.images)
        variance = squares / count - (total / count).square()
        summed: NDArray[np.float64] = variance.clamp(min=0).sum(dim=0).cpu().numpy()
        return summed
