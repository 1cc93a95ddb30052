"""The logits of teachers on the images of a study: computed once, and kept with it."""

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from models.network import Network
from study.errors import BadInputError, NotFoundError
from study.home import Home
from study.results.network import FetchedNetwork
from study.results.reader import read_study
from study.results.stored_study import StoredStudy
from study.spec.teachers import teacher_trials
from study.study_folder import replace_file
from study.tracking.artifacts import artifacts_in, current_location, download
from study.tracking.store import translated
from study.training.dataset import Dataset
from study.training.evaluation import images_at_once

Logits: TypeAlias = NDArray[np.float32]
"""Of the training images, then of the validation images, in their order, (images, classes)."""

_DATA: Final = "data"  # the SHA-256 of the arrays, in the metadata of the file
_KEY: Final = "(key space.teacher)"


def teacher_logits(
    teachers: Iterable[object],
    dataset: Dataset,
    home: Home,
    kept: Mapping[str, Logits] = MappingProxyType({}),
    data: str | None = None,
) -> dict[str, Logits]:
    """The logits of each teacher of a spec, without `none`; those that are kept as they are.

    A teacher's logits are the mean over its trials and their replicates, so the targets are the
    geometric mean of their distributions (Hinton et al., arXiv 1503.02531). They belong to the images as
    they are, without noise and moves: one pass serves all epochs, and moves that keep the class keep the
    target. With `data`, the SHA-256 of the study's arrays without test images, a teacher must have been
    trained with the same, so that it has not seen validation images. Raises BadInputError for a teacher
    that is not stored or does not fit the data, TrackingError if the store does not answer.
    """
    found: dict[str, Logits] = {}
    for teacher in map(str, teachers):
        trials = teacher_trials(teacher)
        if trials:
            known = kept.get(teacher)
            found[teacher] = _mean_logits(trials, dataset, home, data) if known is None else known
    return found


def keep_logits(file: Path, logits: Mapping[str, Logits], data: str) -> None:
    """Keeps the logits with a study on arrays of this SHA-256, as its teachers may be gone one day."""
    if logits:
        replace_file(file, save(dict(logits), {_DATA: data}), durably=False)


def kept_logits(file: Path, data: str | None) -> dict[str, Logits]:
    """The logits in a file; none if it is absent or damaged, or belongs to other arrays."""
    with suppress(OSError, SafetensorError), safe_open(file, "numpy") as opened:
        if data is not None and (opened.metadata() or {}).get(_DATA) == data:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
    return {}


def logits_of_study(stored: StoredStudy) -> dict[str, Logits]:
    """The logits that are kept with a study, in its folder here or in the store; empty if none are.

    Raises TrackingError if the store does not answer.
    """
    file, home = stored.home.study_folder(stored.spec.name).teachers, stored.home
    found = kept_logits(file, stored.data)
    if found:
        return found
    location = current_location(str(stored.parent.info.artifact_uri), home)
    with translated(home), tempfile.TemporaryDirectory() as folder:
        if all(one.path != file.name for one in artifacts_in(location, "", home)):
            return {}
        return kept_logits(download(location, file.name, Path(folder), home), stored.data)


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
    taught = stored.data_without_test
    if None not in (data, taught) and data != taught:
        raise BadInputError(
            f"{name} must have been trained with the training and validation images of this study, of "
            f"SHA-256 {data}, so that it has not seen validation images, got {taught}: give both "
            f"studies the same dataset and seed {_KEY}"
        )
    return _evaluated(network, dataset)


@torch.no_grad()
def _evaluated(network: Network, dataset: Dataset) -> Logits:
    network.eval()
    parts = [
        network(images).mean(dim=0)
        for split in (dataset.train, dataset.validation)
        for images in torch.split(split.images, images_at_once(network))
    ]
    logits: Logits = torch.cat(parts).numpy()
    return logits
