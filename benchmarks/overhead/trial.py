"""Trials that train nothing and report what training would, for benchmarks/overhead.

Accuracies depend on the configuration and on chance, so that samplers and early stopping have
something to decide on. In the worker nothing is imported but Ray, and nothing takes time.
"""

import math
import random
from typing import Any, final

from ray import tune

EPOCHS = 5
_SEM = 0.004
_INPUTS, _CLASSES = 64, 10


def metrics(config: dict[str, Any], epoch: int) -> dict[str, float]:
    """What `study.runner.trainable` reports of an epoch, with every standard error."""
    network, training = config["architecture"], config["training"]
    chance = random.Random(config["number"] * 101 + epoch)  # noqa: S311  # no secrets
    parameters = _parameters(network)
    reached = (
        0.99 - 1.5 * parameters**-0.4 - 0.03 * abs(math.log10(training["learning_rate"] / 1e-2))
    )
    accuracy = reached * (1 - 0.6 * math.exp(-epoch)) + chance.gauss(0, _SEM)
    loss = -math.log(max(accuracy, 1e-3)) + 0.05
    values = {"val_accuracy": accuracy, "val_loss": loss}
    values |= {f"epoch/{name}": value for name, value in (values | {"train_loss": loss}).items()}
    if epoch == training["epochs"]:
        values |= {"test_accuracy": accuracy, "test_loss": loss}
    errors = {f"{name}_sem": _SEM for name in values}
    counts = {"trainable_parameters": parameters, "macs": parameters, "epochs": epoch, "threads": 1}
    return values | errors | counts | {"seconds": 0.01 * epoch, "epoch/seconds": 0.01}


def curves(epochs: list[dict[str, float]], seeds: int) -> dict[str, list[list[float]]]:
    """The values of each replicate, here all alike."""
    names = ("train_loss", "val_loss", "val_accuracy")
    return {name: [seeds * [epoch[f"epoch/{name}"]] for epoch in epochs] for name in names}


def _parameters(network: dict[str, Any]) -> int:
    """About as many as the network would have."""
    dendrites, somata = network.get("dendrites") or 1, network["somata"]
    inputs = _INPUTS if network["family"] == "vann" else network.get("synapses") or _INPUTS
    return int(dendrites * somata * (inputs + 2) + somata * (_CLASSES + 1) + _CLASSES)


class NullTrainable(tune.Trainable):
    """Steps as `StudyTrainable` does with short epochs: up to the next rung at once."""

    every_epoch = False

    def setup(self, config: dict[str, Any], *, rungs: tuple[int, ...], **_: object) -> None:
        self._rungs = frozenset(rungs)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._config = new_config
        self._epoch = 0
        return True

    def step(self) -> dict[str, Any]:
        epochs = []
        last = self._config["training"]["epochs"]
        while self._epoch < last:
            self._epoch += 1
            epochs.append(metrics(self._config, self._epoch))
            if self.every_epoch or self._epoch in self._rungs:
                break
        done = self._epoch == last
        report = {"epochs": epochs, "engine": None, "finished": done, "failure": None}
        report |= {"curves": curves(epochs, len(self._config["seeds"]))}
        return report | {"notice": None, "replicates": {}, "done": done}


@final
class EveryEpoch(NullTrainable):
    """Reports every epoch by itself, as epochs of more than a tenth of a second do."""

    every_epoch = True
