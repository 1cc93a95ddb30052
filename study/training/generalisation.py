"""Losses and accuracies of each replicate by epoch, and what diagnostics derive from the losses."""

from dataclasses import asdict, dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True)
class ReplicateValues:
    """Losses (nats) and accuracies (0..1) of replicates in an epoch; nan for one that has stopped.

    The training loss is the mean over the batches of the epoch, during which the weights change.
    """

    train_loss: list[float]
    val_loss: list[float]
    val_accuracy: list[float]


@final
@dataclass(frozen=True, slots=True)
class ReplicateCurves:
    """The values of all epochs, each a list of R numbers as in `ReplicateValues`."""

    train_loss: list[list[float]] = field(default_factory=list)
    val_loss: list[list[float]] = field(default_factory=list)
    val_accuracy: list[list[float]] = field(default_factory=list)

    def add(self, values: ReplicateValues) -> None:
        """Appends the values of the next epoch."""
        self.train_loss.append(values.train_loss)
        self.val_loss.append(values.val_loss)
        self.val_accuracy.append(values.val_accuracy)

    def since(self, epochs: int) -> dict[str, list[list[float]]]:
        """The values after this number of epochs, by the name of the metric."""
        return {name: values[epochs:] for name, values in asdict(self).items()}

    def gap(self) -> Tensor:
        """Validation minus training loss of the last epoch of each replicate (nats), shape (R,)."""
        gaps = np.array(self.val_loss) - np.array(self.train_loss)
        last = (~np.isnan(gaps)).sum(axis=0) - 1  # a stopped replicate has no later losses
        return torch.from_numpy(gaps[last, np.arange(gaps.shape[1])])

    def lowest_loss_epoch(self) -> Tensor:
        """The epoch (from 1) of the lowest validation loss, the first of equal ones, shape (R,).

        The E of the paper's efficiency scores.
        """
        # numpy returns the first of equal values, torch any.
        return torch.from_numpy(np.nanargmin(np.array(self.val_loss), axis=0)) + 1
