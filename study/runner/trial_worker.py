"""Trains one trial after another in one process, with or without Ray.

A worker takes a `TrialConfig` as a dict, and reports after each step
`{"epochs": [{...}], "curves": {...}, "replicates": {...}, "engine": str | None, "finished": bool,
"failure": str | None, "notice": str | None, "done": bool}`:
`epochs` has the metrics of each epoch since the last report, of all epochs after an interruption;
`curves` those of each replicate in the same epochs, a list of lists for each metric;
`replicates` the metrics of the kept weights, a list with one value for each replicate.
"""

import io
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray

from models.building import build
from models.counting import stored_bytes, wiring_bits
from models.network import Network, count_macs, count_parameters
from models.storage import network_files
from study.runner.trial_files import TrialStorage
from study.search.trial import State, TrialConfig
from study.study_folder import DISTRIBUTIONS, EXAMPLE, HISTORY, NETWORK, OUTCOMES
from study.training import checkpoint
from study.training.dataset import Dataset
from study.training.device import device_name, is_lost, set_arithmetic, training_device
from study.training.diagnostics import diagnose
from study.training.engines import EngineChoice
from study.training.evaluation import Estimate
from study.training.generalisation import ReplicateCurves
from study.training.noise import with_training_noise
from study.training.outcomes import Outcomes
from study.training.train import EpochMetrics, Training, keep_freed_memory

_STEP_S: Final = 0.1  # a report costs Ray and the driver some milliseconds


@final
class TrialWorker:
    """Keeps torch and the data set warm from trial to trial; `begin` comes before the first `step`.

    A step is an epoch, or as many short ones as fit into `_STEP_S`, but never beyond one of the `rungs`,
    after which the driver decides; none, where the trial continues from a checkpoint at a rung, of which
    the driver may not know. In `storage` a trial has its checkpoint, and in the end its network;
    it keeps the checkpoint if it ends with one of the `kept_states`. Raises StudyError where it cannot
    use the GPU that it has. Errors of a trial are reported, not raised, for Ray would end the worker
    with the trial; but an error after which the process cannot use its GPU any more is raised, so that
    Ray replaces the process, and the trial continues from its checkpoint.
    """

    def __init__(  # noqa: PLR0913  # each has a name of its own
        self,
        *,
        dataset_name: str,
        classes: int,
        arrays: dict[str, NDArray[np.generic]],
        threads: int,
        gpus: float,
        rungs: tuple[int, ...],
        storage: TrialStorage,
        logits: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
        diagnostics: tuple[str, ...] = (),
        engine: EngineChoice = "auto",
        kept_states: tuple[State, ...] = (),
    ) -> None:
        torch.set_num_threads(threads)
        keep_freed_memory()
        set_arithmetic()
        self._device = training_device(gpus)
        dataset = Dataset.from_arrays(dataset_name, classes, arrays)
        self._clean = self._dataset = dataset.to(self._device)
        self._noise = 0.0
        self._pixel_variance: NDArray[np.float64] | None = None
        self._rungs = frozenset(rungs)
        self._groups = diagnostics
        self._logits = logits  # of teachers, by name
        self._engine = engine
        self._storage = storage
        self._kept_states = kept_states
        self._training: Training | None = None

    def begin(self, config: dict[str, Any]) -> None:
        """Sets the trial that the next step starts, or continues from its checkpoint.

        One that was not done has been stopped at a rung.
        """
        if self._training is not None and "PRUNED" in self._kept_states:
            self._keep(self._training)
        self._trial = TrialConfig.from_dict(config)
        self._files = self._storage.files(self._trial.number)
        self._network: Network | None = None
        self._training = None
        self._history: list[dict[str, float]] = []
        self._curves = ReplicateCurves()
        self._replicates: dict[str, list[float]] = {}

    def step(self) -> dict[str, Any]:
        """Trains a step; returns the report."""
        report: dict[str, Any] = {
            "curves": {},
            "replicates": {},
            "engine": None,
            "finished": False,
            "failure": None,
            "notice": None,
            "done": True,
        }
        try:
            return report | self._train()
        except Exception as error:  # see above
            self._training = self._network = None
            if is_lost(error, self._device):
                raise
            return report | {"epochs": [], "failure": f"{type(error).__name__}: {error}"}

    def _train(self) -> dict[str, Any]:
        notice = None
        reported, at_rung = len(self._history), False
        if self._training is None:
            notice = self._build()
            reported, at_rung = 0, len(self._history) in self._rungs
        training, network = self._training, self._network
        assert training is not None and network is not None  # noqa: S101, PT018  # set by _build
        start = time.monotonic()
        while not (training.over or at_rung):
            epoch = training.run_epoch()
            self._history.append(self._metrics(network, epoch))
            self._curves.add(epoch.by_replicate)
            if len(self._history) in self._rungs or time.monotonic() - start > _STEP_S:
                break
        finished = training.over
        self._replicates = training.kept_values()
        try:
            if finished:
                if "COMPLETE" in self._kept_states and not training.stopped:
                    self._keep(training)
                notice = self._finish(training, network) or notice
            elif self._files.checkpoint_due:
                self._files.write_checkpoint(lambda: self._checkpoint(training))
        except OSError as error:
            notice = f"continues without a file that could not be written: {error}"
        epochs = self._history[reported:]
        return {
            "epochs": epochs,
            "curves": self._curves.since(reported),
            "replicates": self._replicates,
            "engine": f"{training.engine.name} on {device_name(self._device)}",
            "finished": finished,
            "notice": notice,
            "done": finished,
        }

    def _build(self) -> str | None:
        """Builds the network, in the state of the trial's checkpoint if it has one."""
        trial, notice = self._trial, None
        self._set_noise(trial.training.noise)
        shape, classes = self._dataset.image_shape, self._dataset.classes
        variance = self._variance() if trial.architecture.centres == "variance" else None
        network = build(trial.architecture, shape, classes, trial.seeds, variance)
        self._network = network.to(self._device)
        logits = self._logits.get(trial.training.teacher)
        if logits is not None:
            # The rest belongs to validation images, unless a retraining trains on those, too.
            logits = logits[: len(self._dataset.train.labels)]
        self._training = Training(
            self._network, self._dataset, trial.training, self._engine, logits
        )
        waited = self._training.engine.compilation_seconds
        if waited is not None:
            notice = f"the training engine was compiled in {waited:.0f} s, once on this machine"
        notice = self._resume(self._training) or notice
        fallback = self._training.engine.fallback
        if fallback is not None:
            notice = fallback if notice is None else f"{notice}; {fallback}"
        return notice

    def _resume(self, training: Training) -> str | None:
        """Restores the checkpoint of the trial, else of the one that it continues; returns a notice."""
        trial, notice = self._trial, None
        for of in dict.fromkeys((None, trial.continues)):
            try:
                data = self._files.checkpoint(of)
                if data is not None:
                    tensors, numbers = checkpoint.from_bytes(data, trial.accepts, self._device)
                    training.restore(tensors, numbers["training"])
                    self._history = numbers["history"]
                    self._curves = ReplicateCurves(**numbers["curves"])
                    return f"continued after epoch {len(self._history)} of {trial.training.epochs}"
            except (OSError, ValueError) as error:
                unread = "its checkpoint cannot be read: " if isinstance(error, OSError) else ""
                notice = f"restarted: {unread}{error} ({self._files.checkpoint_path})"
        if trial.continues is not None:
            raise ValueError(
                f"the checkpoint of trial {trial.continues}, which it continues, must be readable; "
                f"{notice or f'there is none in {self._files.checkpoint_path.parents[1]}'}"
            )
        return notice

    def _variance(self) -> NDArray[np.float64]:
        """The variance of the pixels of the training images, without noise."""
        if self._pixel_variance is None:
            self._pixel_variance = self._clean.train.pixel_variance()
        return self._pixel_variance

    def _set_noise(self, sigma: float) -> None:
        """Makes the images noisy, unless they have this noise since the last trial."""
        if sigma != self._noise:
            self._dataset, self._noise = self._clean, 0.0  # never three data sets in memory
            self._dataset, self._noise = with_training_noise(self._clean, sigma), sigma

    def _checkpoint(self, training: Training) -> bytes:
        tensors, numbers = training.state()
        about = {"history": self._history, "config": self._trial.to_dict()}
        curves = self._curves.since(0)
        return checkpoint.to_bytes(tensors, about | {"training": numbers, "curves": curves})

    def _finish(self, training: Training, network: Network) -> str | None:
        """Tests, stores and diagnoses the kept weights; returns a notice if diagnostics fail."""
        training.restore_kept()
        files = self._test(network)
        self._training = None
        files |= {f"{NETWORK}/{name}": data for name, data in network_files(network).items()}
        notice = None
        try:
            files[DISTRIBUTIONS] = self._diagnose(network)
        except (ValueError, RuntimeError, MemoryError, OSError) as error:  # of data, memory, files
            notice = f"no diagnostics: {type(error).__name__}: {error}"
        example = io.BytesIO()
        np.save(example, self._clean.validation.images[:2].cpu().numpy(), allow_pickle=False)
        files[EXAMPLE] = example.getvalue()
        history = {"epochs": self._history, "curves": self._curves.since(0)}
        files[HISTORY] = json.dumps(history | {"replicates": self._replicates}).encode()
        self._files.write(files)
        return notice

    def _diagnose(self, network: Network) -> bytes:
        """Adds the diagnostics to the last epoch; returns the contents of their file."""
        results = diagnose(network, self._dataset, self._groups, self._curves, clean=self._clean)
        self._history[-1] |= results.to_metrics()
        return json.dumps(results.to_dict()).encode()

    def _keep(self, training: Training) -> None:
        """Keeps the checkpoint of a trial that has ended; one that cannot be written is lost."""
        if self._history:
            with suppress(OSError):
                self._files.keep_checkpoint(self._checkpoint(training))

    def close(self) -> None:
        """Writes a checkpoint of a trial that is not done.

        If those of stopped trials are not kept, only if its folder is there: it may have been stopped.
        """
        training, new = self._training, "PRUNED" in self._kept_states
        if training is not None and self._history:
            with suppress(OSError):
                self._files.write_checkpoint(lambda: self._checkpoint(training), new=new)
                self._files.finish_checkpoint()

    def _metrics(self, network: Network, epoch: EpochMetrics) -> dict[str, float]:
        """The metrics of the kept weights under their names, those of this epoch under `epoch/`."""
        seconds = self._history[-1]["seconds"] if self._history else 0.0
        parameters = count_parameters(network)
        bits = wiring_bits(network.architecture, network.image_shape)
        return {
            "trainable_parameters": parameters,
            "macs": count_macs(network),
            "wiring_bits": bits,
            "stored_bytes": stored_bytes(parameters, bits),
            "epochs": epoch.epoch,
            "seconds": seconds + epoch.seconds,
            **epoch.kept_accuracy.named("val_accuracy"),
            **epoch.kept_loss.named("val_loss"),
            **epoch.train_loss.named("epoch/train_loss"),
            **epoch.val_accuracy.named("epoch/val_accuracy"),
            **epoch.val_loss.named("epoch/val_loss"),
            "epoch/seconds": epoch.seconds,
            "threads": torch.get_num_threads(),
        }

    def _test(self, network: Network) -> dict[str, bytes]:
        """Adds the test metrics to the last epoch and to those of the replicates.

        Returns the file of the outcomes on each test image. Without test images there is neither.
        """
        if not len(self._dataset.test.labels):
            return {}
        outcomes = Outcomes.of(network, self._dataset.test)
        accuracy, loss = outcomes.accuracy(), outcomes.loss()
        self._history[-1] |= {
            **Estimate.over(accuracy, len(self._dataset.test.labels)).named("test_accuracy"),
            **Estimate.over(loss).named("test_loss"),
        }
        self._replicates |= {"test_accuracy": accuracy.tolist(), "test_loss": loss.tolist()}
        return {OUTCOMES: outcomes.to_bytes(network.seeds)}
