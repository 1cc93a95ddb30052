"""Classifies files with a trained network of a study; needs no torch."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.portable import Portable, softmax
from study.home import Home
from study.results.image_file import Images, read_images
from study.results.network import fetch_network, undamaged
from study.results.reader import read_study
from study.results.trial_choice import choose, choose_retrained


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a network says of the images of one file.

    `probabilities`: shape (images, classes), the mean over the replicates. `labels`, shape (images,),
    and `accuracies`, the share of right answers of each replicate, where the file has labels.
    `notice` says what was done to the images to make them fit.
    """

    trial: int
    file: Path
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    accuracies: NDArray[np.float64] | None
    notice: str | None

    @property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class of each image."""
        classes: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return classes

    @property
    def accuracy(self) -> float | None:
        """The mean of `accuracies`."""
        return None if self.accuracies is None else float(self.accuracies.mean())

    @property
    def accuracy_sem(self) -> float | None:
        """The standard error of `accuracy`; None for one replicate."""
        if self.accuracies is None or len(self.accuracies) == 1:
            return None
        return float(self.accuracies.std(ddof=1)) / math.sqrt(len(self.accuracies))

    def to_dict(self) -> dict[str, Any]:
        """The prediction as JSON types."""
        labels = [None] * len(self.classes) if self.labels is None else self.labels.tolist()
        return {
            "trial": self.trial,
            "file": str(self.file),
            "notice": self.notice,
            "accuracy": self.accuracy,
            "accuracy_sem": self.accuracy_sem,
            "images": [
                {"class": int(shares.argmax()), "probability": float(shares.max()), "label": label}
                for shares, label in zip(self.probabilities, labels, strict=True)
            ],
        }


def predict(
    name: str,
    files: Sequence[Path],
    trial: int | None = None,
    home: Home | None = None,
    *,
    retrained: bool = False,
) -> list[Prediction]:
    """Classifies the images of each file (`study.results.image_file`) with the network of a trial.

    By default that of the most accurate trial on the front; with `retrained`, as it was retrained last.
    The images are taken as they are, also of a trial with noise. Raises NotFoundError and TrackingError
    like `study.load_model`, DataError if a file cannot be read or does not fit.
    """
    home = home or Home.find()
    stored = read_study(name, home)
    record = choose_retrained(stored, trial, home) if retrained else choose(stored, trial)
    with tempfile.TemporaryDirectory() as place:
        folder = fetch_network(name, record, stored.records, home, Path(place))
        with undamaged(name, record, folder):
            network = Portable(folder)
    found = [(file, read_images(file, network.image_shape, network.classes)) for file in files]
    return [_predict(network, record.trial, file, images) for file, images in found]


def _predict(network: Portable, trial: int, file: Path, images: Images) -> Prediction:
    logits = network.logits(images.images)
    accuracies = None
    if images.labels is not None:
        accuracies = (logits.argmax(axis=-1) == images.labels).mean(axis=1)
    return Prediction(
        trial=trial,
        file=file,
        probabilities=softmax(logits).mean(axis=0),
        labels=images.labels,
        accuracies=accuracies,
        notice=images.notice,
    )
