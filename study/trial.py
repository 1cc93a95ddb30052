"""One trial as a Ray Trainable: a warm worker that trains one epoch a step.

What travels is plain: a `TrialConfig` as a dict to the worker, and from it after each epoch
`{"metrics": {...}, "finished": bool, "failure": str | None, "done": bool}`.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from ray import tune

from models.architecture import Architecture
from models.building import build
from models.counting import count_macs, count_parameters
from models.network import Network
from models.storage import save_network
from study.allocator import keep_freed_memory
from study.data import Dataset
from study.train import EpochMetrics, Estimate, TrainingSettings, evaluate, train


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that a worker needs to know of a trial; `number` is Optuna's."""

    number: int
    architecture: Architecture
    training: TrainingSettings
    seeds: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON types."""
        return asdict(self) | {"seeds": list(self.seeds)}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "TrialConfig":
        """The configuration of `to_dict`."""
        return cls(
            number=table["number"],
            architecture=Architecture(**table["architecture"]),
            training=TrainingSettings(**table["training"]),
            seeds=tuple(table["seeds"]),
        )


@final
class StudyTrainable(tune.Trainable):
    """Trains trials one after another in one process, which keeps torch and the data set warm.

    What goes wrong in a trial is reported, not raised: Ray would end the worker with the trial.
    """

    def setup(  # type: ignore[override]  # noqa: PLR0913  # tune.with_parameters adds keywords
        self,
        config: dict[str, Any],
        *,
        dataset_name: str,
        classes: int,
        arrays: dict[str, NDArray[np.generic]],
        threads: int,
        use_gpu: bool,
    ) -> None:
        torch.set_num_threads(threads)
        keep_freed_memory()
        self._device = torch.device("cuda" if use_gpu and torch.cuda.is_available() else "cpu")
        dataset = Dataset.from_arrays(dataset_name, classes, arrays)
        self._dataset = dataset.to(self._device)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._trial = TrialConfig.from_dict(new_config)
        self._network: Network | None = None
        self._epochs: Iterator[EpochMetrics] = iter(())
        self._seconds = 0.0
        return True

    def step(self) -> dict[str, Any]:
        try:
            return self._epoch()
        except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
            self._network = None
            return {
                "metrics": {},
                "finished": False,
                "failure": f"{type(error).__name__}: {error}",
                "done": True,
            }

    def _epoch(self) -> dict[str, Any]:
        trial = self._trial
        if self._network is None:
            shape, classes = self._dataset.image_shape, self._dataset.classes
            network = build(trial.architecture, shape, classes, trial.seeds).to(self._device)
            self._network = network
            self._epochs = train(network, self._dataset, trial.training)
        epoch = next(self._epochs)
        self._seconds += epoch.seconds
        metrics = self._metrics(self._network, epoch)
        finished = epoch.epoch == trial.training.epochs
        if finished:
            self._epochs.close()  # type: ignore[attr-defined]  # a generator: now the kept weights are in
            metrics |= self._test_metrics(self._network)
        return {"metrics": metrics, "finished": finished, "failure": None, "done": finished}

    def _metrics(self, network: Network, epoch: EpochMetrics) -> dict[str, float]:
        """The values of the kept weights under their plain names, this epoch's under `epoch/`."""
        return {
            "trainable_parameters": count_parameters(network),
            "macs": count_macs(network),
            "epochs": epoch.epoch,
            "seconds": self._seconds,
            **_named("val_accuracy", epoch.kept_accuracy),
            **_named("val_loss", epoch.kept_loss),
            **_named("epoch/train_loss", epoch.train_loss),
            **_named("epoch/val_accuracy", epoch.val_accuracy),
            **_named("epoch/val_loss", epoch.val_loss),
            "epoch/seconds": epoch.seconds,
            "threads": torch.get_num_threads(),
        }

    def _test_metrics(self, network: Network) -> dict[str, float]:
        accuracy, loss = evaluate(network, self._dataset.test)
        return {
            **_named("test_accuracy", Estimate.over(accuracy)),
            **_named("test_loss", Estimate.over(loss)),
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Stores the kept weights; Ray asks for it at the end of a trial."""
        if self._network is not None:
            save_network(self._network, Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """A trial that lost its worker starts anew: its numbers follow from its seeds."""


def _named(name: str, estimate: Estimate) -> dict[str, float]:
    """The mean, and the standard error if there is one."""
    if math.isnan(estimate.sem):
        return {name: estimate.mean}
    return {name: estimate.mean, f"{name}_sem": estimate.sem}
