"""Data sets as uint8 tensors, with deterministic training, validation and test splits."""

import hashlib
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.architecture import ImageShape
from study.errors import DataError
from study.spec.sections import DatasetSpec
from study.training.data_sources import Pool, read_pools
from study.training.split import Split

_PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The three splits of a data set. Validation data steer a study, test data are only reported."""

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split

    @property
    def image_shape(self) -> ImageShape:
        """(channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return (channels, height, width)

    def to(self, device: torch.device) -> "Dataset":
        """The same data set on a device."""
        splits = {part: getattr(self, part).to(device) for part in _PARTS}
        return Dataset(name=self.name, classes=self.classes, **splits)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The splits as named arrays, for Ray to share among the workers of a node."""
        return {
            f"{part}_{kind}": getattr(getattr(self, part), kind).numpy()
            for part in _PARTS
            for kind in ("images", "labels")
        }

    def sha256(self) -> str:
        """The SHA-256 of all six arrays, their shapes and types; it identifies the data of a study."""
        digest = hashlib.sha256()
        for name, array in self.to_arrays().items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def check_is(self, sha256: str | None, study: str) -> None:
        """Raises DataError, with both hashes, if a study used other arrays; None allows any."""
        own = self.sha256()
        if sha256 is not None and sha256 != own:
            raise DataError(
                f"the data of study {study!r} must be the arrays that it began with, of SHA-256 "
                f"{sha256}, got {self.name} with {own}: restore them, or give the study another name"
            )

    @classmethod
    def from_arrays(
        cls, name: str, classes: int, arrays: dict[str, NDArray[np.generic]]
    ) -> "Dataset":
        """The data set of `to_arrays`; its tensors share the memory of the arrays, so only read them."""
        splits = {
            part: Split(_view(arrays[f"{part}_images"]), _view(arrays[f"{part}_labels"]))
            for part in _PARTS
        }
        return cls(name=name, classes=classes, **splits)


def load_dataset(spec: DatasetSpec | str, seed: int = 0) -> Dataset:
    """Loads a data set by its spec, or by name with default settings.

    The seed determines the stratified split into training and validation images. The test images are
    those of the data set or, where it has none, a fifth that is the same for every seed. Raises
    DataError if the data set is absent, unreadable, or smaller than the requested sizes.
    """
    if isinstance(spec, str):
        spec = DatasetSpec.model_validate({"name": spec})
    train_pool, test_pool, classes = read_pools(spec)
    if test_pool is None:
        train_pool, test_pool = _divide(train_pool, None, _share(train_pool, 5), seed=0)
    validation_size = spec.validation_size or _share(train_pool, 10)
    train, validation = _divide(train_pool, spec.train_size, validation_size, seed)
    return Dataset(
        name=spec.name,
        classes=classes,
        train=_split(train),
        validation=_split(validation),
        test=_split(test_pool),
    )


def _share(pool: Pool, parts: int) -> int:
    return max(1, len(pool.labels) // parts)


def _divide(pool: Pool, first_size: int | None, second_size: int, seed: int) -> tuple[Pool, Pool]:
    """Two disjoint stratified parts; with `first_size` None, the first is all but the second."""
    total = len(pool.labels)
    if (first_size or 1) + second_size > total:
        raise DataError(
            "`train_size + validation_size <= training images` must hold, "
            f"got train_size={first_size or 'the rest'}, validation_size={second_size}, "
            f"training images={total} (key dataset)"
        )
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  # workers do not need it

    try:
        first, second = train_test_split(
            np.arange(total),
            train_size=first_size,
            test_size=second_size,
            random_state=seed,
            stratify=pool.labels,
        )
    except ValueError as error:
        raise DataError(
            f"the classes cannot be split in proportion: {error} (key dataset)"
        ) from error
    return pool.take(np.sort(first)), pool.take(np.sort(second))


def _split(pool: Pool) -> Split:
    return Split(torch.from_numpy(pool.images), torch.from_numpy(pool.labels))


def _view(array: NDArray[np.generic]) -> Tensor:
    with warnings.catch_warnings():
        # torch warns of Ray's read-only arrays, to which nothing here writes.
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)
