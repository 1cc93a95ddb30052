"""Trains the replicates of one network together, one epoch at a time."""

import ctypes
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from models.rewiring import forget_wiring
from study.engine.engine import Engine
from study.spec.teachers import NO_TEACHER
from study.training.batch_order import by_class, shuffled
from study.training.dataset import Dataset
from study.training.engines import EngineChoice, make_engine
from study.training.evaluation import Estimate
from study.training.generalisation import ReplicateValues
from study.training.kept_weights import KeptWeights
from study.training.optimizer import learning_rate
from study.training.rewiring import Rewiring
from study.training.settings import TrainingSettings
from study.training.split import Split

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD: Final = 2**30


def keep_freed_memory() -> None:
    """Makes glibc on Linux allocate activations of some megabytes on the heap, and keep freed memory.

    Otherwise each is mapped and unmapped in every step; page faults then take up to half of the time
    of a step (benchmarks/training). On other systems this has no effect.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)


class NonFiniteLossError(ArithmeticError):
    """The loss of a replicate became infinite or NaN; the message has replicate, epoch and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """The metrics of an epoch over replicates: accuracies are shares in 0..1, losses nats.

    Losses are the plain cross-entropy, whatever is minimized.

    `val_accuracy` and `val_loss` belong to the weights of this epoch, or to their average if the recipe
    has one; `kept_accuracy` and `kept_loss` to the kept weights. `seconds` is the time of this epoch
    with validation. Replicates that stopped before the epoch count in the metrics of the kept weights
    only.
    """

    epoch: int
    by_replicate: ReplicateValues
    train_loss: Estimate
    val_accuracy: Estimate
    val_loss: Estimate
    kept_accuracy: Estimate
    kept_loss: Estimate
    seconds: float


@final
class Training:
    """The training of a network: its engine and the kept weights.

    The network and the data set are on one device. The batches of a replicate depend only on its seed
    and the epoch, not on other replicates or interruptions. `logits`: of the teacher for each training
    image, (images, classes), if the settings have one. Raises ValueError without them, and SpecError if
    batches are made by class and a class does not fill one.
    """

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        settings: TrainingSettings,
        engine: EngineChoice = "auto",
        logits: NDArray[np.float32] | None = None,
    ) -> None:
        self._network = network
        self._dataset = dataset
        self._settings = settings
        self._epoch = 0
        self._rewiring = Rewiring(network, dataset.train, settings.epochs)
        # All that is learned; the inputs of the synapses, too, if they are replaced.
        self._learned = [*network.parameters(), *self._rewiring.wiring]
        labels = dataset.train.labels
        self._fixed_order: Tensor | None = None
        if settings.batch_order == "by_class":
            rows = by_class(labels, settings.batch_size)
            self._fixed_order = rows.expand(network.replicates, -1)
        images = len(labels) if self._fixed_order is None else self._fixed_order.shape[1]
        self._steps = math.ceil(images / settings.batch_size)
        self._kept = KeptWeights(self._learned, network.replicates, settings)
        self._engine = make_engine(
            engine,
            network,
            dataset.train,
            settings.batch_size,
            settings.recipe,
            _targets(settings, logits),
        )

    @property
    def engine(self) -> Engine:
        """The engine that trains the network."""
        return self._engine

    @property
    def stopped(self) -> bool:
        """Whether all replicates have stopped, so that more epochs would change nothing."""
        return bool(self._kept.stopped.all())

    @property
    def over(self) -> bool:
        """Whether all epochs are trained or all replicates have stopped."""
        return self._epoch >= self._settings.epochs or self.stopped

    def run_epoch(self) -> EpochMetrics:
        """Trains for an epoch, validates, and updates the kept weights.

        Raises NonFiniteLossError at the end of the epoch in which a replicate diverges.
        """
        start = time.perf_counter()
        self._epoch += 1
        running = ~self._kept.stopped
        train_loss = self._train_epoch(running)
        self._check_finite("training", train_loss)
        with self._averaged():
            accuracy, loss = self.evaluate(self._dataset.validation)
            self._check_finite("validation", loss)
            self._kept.update(accuracy, loss)
        self._rewire()
        images = len(self._dataset.validation.labels)
        return EpochMetrics(
            epoch=self._epoch,
            by_replicate=ReplicateValues(
                *(_of(running, values) for values in (train_loss, loss, accuracy))
            ),
            train_loss=Estimate.over(train_loss[running]),
            val_accuracy=Estimate.over(accuracy[running], images),
            val_loss=Estimate.over(loss[running]),
            kept_accuracy=Estimate.over(self._kept.accuracy, images),
            kept_loss=Estimate.over(self._kept.loss),
            seconds=time.perf_counter() - start,
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state for `restore`: tensors, and numbers as JSON types."""
        tensors = self._kept.state()
        for index, tensor in enumerate(self._learned):
            tensors[f"learned.{index}"] = tensor.detach()
        numbers = {"epoch": self._epoch, "engine": self._engine.name}
        return tensors | self._engine.state(), numbers

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restores the state of a training with the same network, data and settings.

        The results are bitwise equal to those of an uninterrupted training. Raises ValueError, and
        changes nothing, if the state is that of another engine.
        """
        if numbers["engine"] != self._engine.name:
            raise ValueError(
                "`engine of the checkpoint = engine` must hold, got "
                f"{numbers['engine']} and {self._engine.name}"
            )
        with torch.no_grad():
            for index, tensor in enumerate(self._learned):
                tensor.copy_(tensors[f"learned.{index}"])
        self._read_wiring()
        self._engine.restore(tensors)
        self._kept.restore(tensors)
        self._epoch = numbers["epoch"]

    def kept_values(self) -> dict[str, list[float]]:
        """The metrics of the kept weights, one value for each replicate."""
        return {"val_accuracy": self._kept.accuracy.tolist(), "val_loss": self._kept.loss.tolist()}

    def restore_kept(self) -> None:
        """Copies the kept weights into the network."""
        self._kept.put_back()
        self._read_wiring()

    def evaluate(self, split: Split) -> tuple[Tensor, Tensor]:
        """Accuracy and loss of the current weights, as `study.training.evaluation.evaluate`."""
        return self._engine.evaluate(split.images, split.labels)

    def _train_epoch(self, running: Tensor) -> Tensor:
        """Trains on all batches; returns the mean loss of each replicate, shape (R,)."""
        total = self._steps * self._settings.epochs
        done = self._steps * (self._epoch - 1)
        rates = [
            learning_rate(self._settings, step, total) for step in range(done, done + self._steps)
        ]
        numbers = running.nonzero().flatten().tolist()
        return self._engine.train_epoch(self._epoch, self._order(), np.array(rates), numbers)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """A context in which the weights of the network are their average, if the recipe has one."""
        averages, parameters = self._engine.averages(), list(self._network.parameters())
        own = [parameter.detach().clone() for parameter in parameters] if averages else []
        with torch.no_grad():
            for parameter, average in zip(parameters, averages, strict=False):
                parameter.copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, own, strict=False):
                    parameter.copy_(value)

    def _rewire(self) -> None:
        running = (~self._kept.stopped).nonzero().flatten().tolist()
        changes = self._rewiring.after(self._epoch, running)
        if changes:
            self._engine.rewired(changes)

    def _read_wiring(self) -> None:
        if self._rewiring.wiring:
            forget_wiring(self._network)
            self._engine.rewired(())

    def _order(self) -> Tensor:
        """The indices of the images in the order of the epoch for each replicate, shape (R, images)."""
        if self._fixed_order is not None:
            return self._fixed_order
        return shuffled(len(self._dataset.train.labels), self._network.seeds, self._epoch)

    def _check_finite(self, kind: str, loss: Tensor) -> None:
        stopped = self._kept.stopped.tolist()
        for seed, value, over in zip(self._network.seeds, loss.tolist(), stopped, strict=True):
            # Weights of a stopped replicate are not kept, so its loss does not matter.
            if not over and not math.isfinite(value):
                raise NonFiniteLossError(
                    f"the {kind} loss must stay finite, got {value} in epoch {self._epoch} "
                    f"of the replicate with seed {seed} "
                    f"(learning_rate={self._settings.learning_rate:g})"
                )


def _targets(settings: TrainingSettings, logits: NDArray[np.float32] | None) -> Tensor | None:
    """A teacher's probabilities at the temperature, (images, classes); None without a teacher."""
    if settings.teacher == NO_TEACHER:
        return None
    if logits is None:
        raise ValueError(f"the logits of teacher {settings.teacher} must be given, got none")
    softened = torch.from_numpy(logits.copy()) / settings.temperature
    return torch.softmax(softened, dim=1).contiguous()


def _of(running: Tensor, values: Tensor) -> list[float]:
    """The values, nan for a replicate that has stopped."""
    return torch.where(running, values, math.nan).tolist()
