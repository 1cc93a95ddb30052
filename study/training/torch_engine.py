"""The torch engine: for any network on any device, and the reference of the compiled engine."""

from collections.abc import Mapping, Sequence
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from models.rewiring import Rewired
from study.engine.augmentation import augments
from study.engine.engine import EngineName
from study.engine.recipe import Recipe
from study.training.captured_step import Step, captured
from study.training.evaluation import distilled, evaluate, losses_of, smoothed
from study.training.moved_images import moved, moves_of
from study.training.optimizer import Adam
from study.training.sparse_forms import (
    break_even_density,
    choose_forms,
    forms_of,
    restore_forms,
    usable_memory,
)
from study.training.split import Split

_FORMS: Final = "sparse_forms"


@final
class TorchEngine:
    """An engine (`study.engine.engine`); the network and the images are on one device.

    On a GPU, steps on full batches are replays of a CUDA graph, and the form of sparse layers is
    chosen by a measurement. A checkpoint has the forms: a trial continues with the same rounding.
    """

    name: EngineName = "torch"
    compilation_seconds: float | None = None

    def __init__(
        self,
        network: Network,
        split: Split,
        batch_size: int,
        recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
        targets: Tensor | None = None,
    ) -> None:
        self._network = network
        self._images = split.images.flatten(1)
        self._labels = split.labels
        self._batch_size = batch_size
        self._recipe = recipe
        self._targets = None if targets is None else targets.to(split.labels.device)
        self._adam = Adam(list(network.parameters()), recipe)
        self._device = split.labels.device
        shape = (network.replicates, len(split.labels), 3)
        self._moves: Tensor | None = None  # of each image in this epoch
        if augments(recipe):
            self._moves = torch.zeros(shape, dtype=torch.int64, device=self._device)
        self._captured: Step | None = None
        self.fallback: str | None = None
        if self._device.type == "cuda":
            density, memory = break_even_density(self._device), usable_memory(self._device)
            choose_forms(network, density, memory)
            self._capture()

    def train_epoch(
        self,
        epoch: int,
        order: Tensor,
        rates: NDArray[np.float64],
        running: Sequence[int],  # noqa: ARG002  # all replicates are one problem
    ) -> Tensor:
        order = order.to(self._device)
        total = torch.zeros(len(order), dtype=torch.float64, device=self._device)
        self._network.train()
        self._network.seed_dropout(epoch)
        if self._moves is not None:
            images, seeds = len(self._labels), self._network.seeds
            self._moves.copy_(moves_of(self._recipe, images, seeds, epoch))
        batches = torch.split(order, self._batch_size, dim=1)
        for batch, rate in zip(batches, self._on_device(rates), strict=True):
            is_full = batch.shape[1] == self._batch_size
            step = self._captured if self._captured is not None and is_full else self.step
            total += step(batch, rate)
        return (total / order.shape[1]).cpu()

    def step(self, batch: Tensor, rate: float | Tensor) -> Tensor:
        """Takes a step on the training images at these indices, (R, B); returns summed losses, (R,)."""
        rows, shape = batch.flatten(), self._network.image_shape
        images = self._images.index_select(0, rows).view(*batch.shape, *shape)
        labels = self._labels.index_select(0, rows).view(batch.shape)
        if self._moves is not None:
            images = moved(images, self._moves.gather(1, batch[..., None].expand(-1, -1, 3)))
        logits = self._network(images)
        losses = losses_of(logits, labels)
        learned = smoothed(losses, logits, self._recipe.label_smoothing)
        if self._targets is not None:
            targets = self._targets.index_select(0, rows).view(*batch.shape, -1)
            learned = distilled(learned, logits, targets, self._recipe)
        learned = learned.sum(dim=1)
        # The gradient of a replicate is that of its own mean loss, whatever their number.
        learned.backward(torch.full_like(learned, 1 / batch.shape[1]))
        self._adam.step(rate)
        return losses.detach().sum(dim=1)

    @property
    def changed(self) -> list[Tensor]:
        """All tensors that a step changes."""
        return self._adam.changed

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return evaluate(self._network, Split(images, labels))

    def averages(self) -> list[Tensor]:
        return self._adam.averages()

    def rewired(self, changes: Sequence[Rewired]) -> None:
        for change in changes:
            self._adam.follow(self._network.layers[change.layer].weight, change.follow)
        self._capture()  # a CUDA graph has the connections of its time

    def state(self) -> dict[str, Tensor]:
        return self._adam.state() | {_FORMS: forms_of(self._network)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._adam.restore(tensors)
        if tensors[_FORMS].tolist() != forms_of(self._network).tolist():
            restore_forms(self._network, tensors[_FORMS].tolist())
            self._capture()

    def _on_device(self, rates: NDArray[np.float64]) -> Sequence[float | Tensor]:
        """The rates one by one: numbers for the CPU, tensors on a GPU, whose steps read no number."""
        if self._device.type == "cpu":
            return list(map(float, rates))
        return torch.tensor(rates, dtype=torch.float32, device=self._device).unbind()

    def _capture(self) -> None:
        """Captures the step on full batches; `fallback` has the reason if that is impossible."""
        self._captured = self.fallback = None
        shape = (self._network.replicates, self._batch_size)
        if self._device.type != "cuda" or shape[1] > len(self._labels):
            return
        reason: str | None = "a graph cannot draw new dropout masks"
        if not self._network.architecture.dropout:
            self._network.train()
            rows = torch.zeros(shape, dtype=torch.int64, device=self._device)
            step, reason = captured(self.step, self.changed, rows, self._network.zero_grad)
            # The step itself would be a circle, which would keep the memory of an ended trial.
            self._captured = step if reason is None else None
        if reason is not None:
            self.fallback = f"training steps are not captured as a CUDA graph, and slower: {reason}"
