"""The logits of teachers on the training images: computed once for a study, and kept with it."""

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.network import Network
from study.errors import BadInputError, NotFoundError
from study.home import Home
from study.results.network import FetchedNetwork
from study.results.reader import read_study
from study.spec.teachers import teacher_trials
from study.training.dataset import Dataset

Logits: TypeAlias = NDArray[np.float32]
"""Of the training images, in their order, (images, classes)."""

_AT_A_TIME: Final = 1000  # images
_KEY: Final = "(key space.teacher)"


def teacher_logits(
    teachers: Iterable[object], dataset: Dataset, home: Home, file: Path, data: str | None = None
) -> dict[str, Logits]:
    """The logits of each teacher of a spec, without `none`; those in the file are read from there.

    A teacher's logits are the mean over its trials and their replicates, so the targets are the
    geometric mean of their distributions (Hinton et al., arXiv 1503.02531). They belong to the images as
    they are, without noise and moves: one pass serves all epochs, and moves that keep the class keep the
    target. With `data`, the SHA-256 of the study's arrays, a teacher must have been trained with the
    same, so that it has not seen validation images. Raises BadInputError for a teacher that is not
    stored or does not fit the data, TrackingError if the store does not answer.
    """
    kept = _kept(file, len(dataset.train.labels))
    found: dict[str, Logits] = {}
    for teacher in map(str, teachers):
        trials = teacher_trials(teacher)
        if trials:
            found[teacher] = (
                kept[teacher] if teacher in kept else _mean_logits(trials, dataset, home, data)
            )
    return found


def keep_logits(file: Path, logits: Mapping[str, Logits]) -> None:
    """Keeps the logits for a study that is continued: its teachers may be gone by then."""
    if logits:
        part = file.with_suffix(".part")
        part.write_bytes(save(dict(logits)))
        part.replace(file)


def _kept(file: Path, images: int) -> dict[str, Logits]:
    with suppress(OSError, SafetensorError):
        return {name: one for name, one in load(file.read_bytes()).items() if len(one) == images}
    return {}


def _mean_logits(
    trials: Iterable[tuple[str, int]], dataset: Dataset, home: Home, data: str | None
) -> Logits:
    parts = [_logits_of(study, trial, dataset, home, data) for study, trial in trials]
    mean: Logits = np.mean(parts, axis=0, dtype=np.float32)
    return mean


def _logits_of(study: str, trial: int, dataset: Dataset, home: Home, data: str | None) -> Logits:
    name = f"teacher {study}/{trial}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            stored = read_study(study, home)
            fetched = FetchedNetwork.of_trial(stored, trial, Path(folder), retrained=False)
        except NotFoundError as error:
            raise BadInputError(f"{name}: {error} {_KEY}") from error
        network = fetched.load()
    has, wanted = (
        (*network.image_shape, network.classes),
        (*dataset.image_shape, dataset.classes),
    )
    if has != wanted:
        raise BadInputError(
            f"`(channels, height, width, classes)` of {name} must be those of the data, {wanted}, "
            f"got {has} {_KEY}"
        )
    if None not in (data, stored.data) and data != stored.data:
        raise BadInputError(
            f"{name} must have been trained with the arrays of this study, of SHA-256 {data}, so that "
            f"it has not seen validation images, got {stored.data}: give both studies the same "
            f"dataset and seed {_KEY}"
        )
    return _evaluated(network, dataset)


@torch.no_grad()
def _evaluated(network: Network, dataset: Dataset) -> Logits:
    network.eval()
    parts = [
        network(images).mean(dim=0) for images in torch.split(dataset.train.images, _AT_A_TIME)
    ]
    logits: Logits = torch.cat(parts).numpy()
    return logits
