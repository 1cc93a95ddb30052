"""The kept weights of each replicate during training, and the early stopping of replicates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from study.training.settings import TrainingSettings


@dataclass(slots=True)
class _Snapshot:
    """The weights of each replicate at some epoch, with their accuracy and loss, (R,)."""

    weights: list[Tensor]
    accuracy: Tensor
    loss: Tensor

    def take(
        self, which: Tensor, weights: Sequence[Tensor], accuracy: Tensor, loss: Tensor
    ) -> None:
        """Copies the weights and values of these replicates, a mask of shape (R,)."""
        for mine, other in zip(self.weights, weights, strict=True):
            mine[which] = other.detach()[which]
        self.accuracy = torch.where(which, accuracy, self.accuracy)
        self.loss = torch.where(which, loss, self.loss)

    def state(self, name: str) -> dict[str, Tensor]:
        tensors = {f"{name}.{index}": weights for index, weights in enumerate(self.weights)}
        return tensors | {f"{name}_accuracy": self.accuracy, f"{name}_loss": self.loss}

    def restore(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        for index, weights in enumerate(self.weights):
            weights.copy_(tensors[f"{name}.{index}"])
        # Values of the validation are on the CPU, whatever the device of the weights.
        self.accuracy = tensors[f"{name}_accuracy"].cpu()
        self.loss = tensors[f"{name}_loss"].cpu()


@final
class KeptWeights:
    """The kept weights of each replicate, and its wiring if that is learned; tensors of shape (R, ...).

    The setting `keep` selects those of the epoch of best validation accuracy, or of the last epoch. A
    replicate without a new lowest validation loss in `patience` successive epochs stops: then it keeps
    the weights of the epoch of its lowest loss (paper, supplement: early stopping). With a patience of
    0 none stops.
    """

    def __init__(
        self, parameters: Sequence[Tensor], replicates: int, settings: TrainingSettings
    ) -> None:
        self._parameters = parameters
        self._settings = settings
        self._kept = self._snapshot(replicates)
        self._lowest = self._snapshot(replicates) if settings.patience else None
        self._waited = torch.zeros(replicates, dtype=torch.int64)
        self._stopped = torch.zeros(replicates, dtype=torch.bool)

    @property
    def accuracy(self) -> Tensor:
        """The validation accuracy of the kept weights, shape (R,)."""
        return self._kept.accuracy

    @property
    def loss(self) -> Tensor:
        """The validation loss of the kept weights, shape (R,)."""
        return self._kept.loss

    @property
    def stopped(self) -> Tensor:
        """Which replicates have stopped, shape (R,)."""
        return self._stopped

    def update(self, accuracy: Tensor, loss: Tensor) -> None:
        """Updates the kept weights after an epoch; validation accuracies and losses, shape (R,)."""
        running = ~self._stopped
        self._kept.take(running & self._to_keep(accuracy, loss), self._parameters, accuracy, loss)
        if self._lowest is None:
            return
        lower = running & (self._lowest.loss.isnan() | (loss < self._lowest.loss))
        self._lowest.take(lower, self._parameters, accuracy, loss)
        self._waited = torch.where(lower, 0, self._waited + 1)
        stops = running & (self._waited >= self._settings.patience)
        self._kept.take(stops, self._lowest.weights, self._lowest.accuracy, self._lowest.loss)
        self._stopped = self._stopped | stops

    def put_back(self) -> None:
        """Copies the kept weights into the parameters."""
        with torch.no_grad():
            for parameter, kept in zip(self._parameters, self._kept.weights, strict=True):
                parameter.copy_(kept)

    def state(self) -> dict[str, Tensor]:
        """The state for `restore`, by name."""
        tensors = self._kept.state("kept")
        if self._lowest is not None:
            tensors |= self._lowest.state("lowest")
            tensors |= {"waited": self._waited, "stopped": self._stopped}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores a state saved with the same settings."""
        self._kept.restore("kept", tensors)
        if self._lowest is not None:
            self._lowest.restore("lowest", tensors)
            self._waited, self._stopped = tensors["waited"].cpu(), tensors["stopped"].cpu()

    def _to_keep(self, accuracy: Tensor, loss: Tensor) -> Tensor:
        """The replicates with a new best accuracy, or an equal one at a lower loss."""
        if self._settings.keep == "last":
            return torch.ones_like(accuracy, dtype=torch.bool)
        best = self._kept
        return (
            best.accuracy.isnan()
            | (accuracy > best.accuracy)
            | ((accuracy == best.accuracy) & (loss < best.loss))
        )

    def _snapshot(self, replicates: int) -> _Snapshot:
        nothing = torch.full((replicates,), math.nan, dtype=torch.float64)
        weights = [parameter.detach().clone() for parameter in self._parameters]
        return _Snapshot(weights, nothing, nothing.clone())
