"""Trains a network of a benchmark to its end, in this process."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import Architecture, Network, build
from study import Dataset
from study.training.evaluation import Estimate
from study.training.settings import TrainingSettings
from study.training.train import Training


class Trained(NamedTuple):
    """A network with its kept weights, and their validation accuracies by replicate, with the mean."""

    network: Network
    accuracies: list[float]
    accuracy: Estimate


def trained(
    architecture: Architecture,
    settings: Mapping[str, Any],
    dataset: Dataset,
    seeds: Sequence[int],
    logits: NDArray[np.float32] | None = None,
) -> Trained:
    """Trains replicates with these seeds and settings; `logits` are those of the teacher, if any."""
    variance = dataset.train.pixel_variance() if architecture.centres == "variance" else None
    network = build(architecture, dataset.image_shape, dataset.classes, seeds, variance)
    training = Training(network, dataset, TrainingSettings(**settings), logits=logits)
    while not training.over:
        last = training.run_epoch()
    training.restore_kept()
    return Trained(network, training.kept_values()["val_accuracy"], last.kept_accuracy)
