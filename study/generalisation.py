"""How far validation losses are from training losses, and when they were lowest."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from study.evaluation import Estimate


@final
@dataclass(frozen=True, slots=True)
class LossCurves:
    """The losses (nats) of every replicate after each epoch: one list of R numbers an epoch.

    The training loss of an epoch is the mean over its batches while the weights moved.
    """

    train: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)

    def add(self, train: Estimate, validation: Estimate) -> None:
        """The losses of the next epoch."""
        self.train.append(list(train.values))
        self.validation.append(list(validation.values))

    def gap(self) -> Tensor:
        """Validation minus training loss of the last epoch (nats), shape (R,)."""
        return _tensor(self.validation[-1]) - _tensor(self.train[-1])

    def lowest_loss_epoch(self) -> Tensor:
        """The epoch (from 1) of the lowest validation loss, the first of equal ones, shape (R,).

        The E of the paper's efficiency scores.
        """
        # Of equal values numpy takes the first, torch any.
        lowest = np.array(self.validation).argmin(axis=0)
        return torch.from_numpy(lowest) + 1


def _tensor(losses: list[float]) -> Tensor:
    return torch.tensor(losses, dtype=torch.float64)
