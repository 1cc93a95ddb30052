"""Training and validation losses by epoch, recorded by the training and used by diagnostics."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True)
class EpochLosses:
    """The losses (nats) of each replicate in an epoch; nan for a replicate that has stopped.

    The training loss is the mean over the batches of the epoch, during which the weights change.
    """

    train: list[float]
    validation: list[float]


@final
@dataclass(frozen=True, slots=True)
class LossCurves:
    """The losses of all epochs, each a list of R numbers as in `EpochLosses`."""

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
        # numpy returns the first of equal values, torch any.
        return torch.from_numpy(np.nanargmin(np.array(self.validation), axis=0)) + 1
