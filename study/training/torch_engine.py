"""The torch engine: for any network on any device, and the reference of the compiled engine."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from study.engine.engine import EngineName
from study.training.dataset import Split
from study.training.evaluation import evaluate, losses_of
from study.training.optimizer import Adam


@final
class TorchEngine:
    """An engine (`study.engine.engine`); the network and the images are on one device."""

    name: EngineName = "torch"
    compilation_seconds: float | None = None

    def __init__(self, network: Network, split: Split, batch_size: int) -> None:
        self._network = network
        self._images = split.images.flatten(1)
        self._labels = split.labels
        self._batch_size = batch_size
        self._adam = Adam(list(network.parameters()))

    def train_epoch(
        self,
        epoch: int,
        order: Tensor,
        rates: NDArray[np.float64],
        running: Sequence[int],  # noqa: ARG002  # all replicates are one problem
    ) -> Tensor:
        order = order.to(self._labels.device)
        total = torch.zeros(len(order), dtype=torch.float64, device=order.device)
        self._network.train()
        self._network.seed_dropout(epoch)
        batches = torch.split(order, self._batch_size, dim=1)
        for batch, rate in zip(batches, rates.tolist(), strict=True):
            total += self.step(batch, rate)
        return (total / order.shape[1]).cpu()

    def step(self, batch: Tensor, rate: float) -> Tensor:
        """Takes a step on the training images at these indices, (R, B); returns summed losses, (R,)."""
        rows, shape = batch.flatten(), self._network.image_shape
        images = self._images.index_select(0, rows).view(*batch.shape, *shape)
        labels = self._labels.index_select(0, rows).view(batch.shape)
        losses = losses_of(self._network(images), labels).sum(dim=1)
        # The gradient of a replicate is that of its own mean loss, whatever their number.
        losses.backward(torch.full_like(losses, 1 / batch.shape[1]))  # type: ignore[no-untyped-call]  # torch's
        self._adam.step(rate)
        return losses.detach()

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return evaluate(self._network, Split(images, labels))

    def state(self) -> dict[str, Tensor]:
        return self._adam.state()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._adam.restore(tensors)
