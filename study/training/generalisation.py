"""The losses of a training by epoch. Apart, for training makes them and diagnostics read them."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True)
class EpochLosses:
    """The losses (nats) of an epoch, one a replicate; nan for a replicate that has stopped.

    The training loss is the mean over the batches of the epoch, while the weights moved.
    """

    train: list[float]
    validation: list[float]


@final
@dataclass(frozen=True, slots=True)
class LossCurves:
    """The losses of every replicate, one list of R numbers an epoch, as in `EpochLosses`."""

    train: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)

    def add(self, losses: EpochLosses) -> None:
        """Appends the losses of the next epoch."""
        self.train.append(losses.train)
        self.validation.append(losses.validation)

    def gap(self) -> Tensor:
        """Validation minus training loss of the last epoch of each replicate (nats), shape (R,)."""
        gaps = np.array(self.validation) - np.array(self.train)
        last = (~np.isnan(gaps)).sum(axis=0) - 1  # a stopped replicate has no later losses
        return torch.from_numpy(gaps[last, np.arange(gaps.shape[1])])

    def lowest_loss_epoch(self) -> Tensor:
        """The epoch (from 1) of the lowest validation loss, the first of equal ones, shape (R,).

        The E of the paper's efficiency scores.
        """
        # Of equal values numpy takes the first, torch any.
        return torch.from_numpy(np.nanargmin(np.array(self.validation), axis=0)) + 1
