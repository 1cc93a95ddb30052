"""Data sets as uint8 tensors, with deterministic training, validation and test splits."""

import base64
import hashlib
import html
import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.architecture import ImageShape
from study.errors import DataError, SpecError
from study.spec.sections import DatasetSpec, dataset_table
from study.spec.spec_file import parse
from study.training.contact_sheet import contact_sheet
from study.training.data_sources import read_pools
from study.training.in_memory import pools_of
from study.training.official_files import FilesRead
from study.training.pool import Pool, Pools
from study.training.split import Split

if TYPE_CHECKING:
    from PIL.Image import Image

_PARTS: Final = ("train", "validation", "test")
_DARK: Final = 100  # a larger pixel is usual
_MOST_NAMED: Final = 5  # classes in a notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The three splits of a data set. Validation data guide the search, test data are only reported.

    `class_names` are in order of the labels; empty if the classes have no names. `files` are those of a
    published data set whose checksums are known.
    """

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...] = ()
    files: FilesRead | None = None

    def __repr__(self) -> str:
        """The data set in a line."""
        channels, height, width = self.image_shape
        sizes = ", ".join(f"{len(getattr(self, part).labels):,} {part}" for part in _PARTS)
        return f"Dataset({self.name}: {channels} x {height} x {width}, {self.classes} classes, {sizes})"

    def _repr_html_(self) -> str:
        png = io.BytesIO()
        self.contact_sheet().save(png, "PNG")
        data = base64.b64encode(png.getvalue()).decode()
        return (
            f"<p>{html.escape(repr(self))}</p>"
            f'<img alt="some images of each class" src="data:image/png;base64,{data}">'
        )

    def contact_sheet(self) -> "Image":
        """Some training images of each class as one picture of PIL."""
        labels = [self.class_label(label) for label in range(self.classes)]
        return contact_sheet(self.train.images.numpy(), self.train.labels.numpy(), labels)

    def notices(self) -> list[str]:
        """What users should know: which files were read, whether images are dark, parts lack classes."""
        found = [] if self.files is None else [str(self.files)]
        brightest = int(self.train.images.max())
        if brightest < _DARK:
            found.append(
                f"the images are dark, up to {brightest} of 255: scale the pixels up, such as by "
                f"{255 // max(brightest, 1)}"
            )
        for part in _PARTS:
            labels = getattr(self, part).labels
            counts = torch.bincount(labels, minlength=self.classes)
            absent = (counts == 0).nonzero().flatten().tolist()
            if len(labels) and absent:
                named = ", ".join(map(self.class_label, absent[:_MOST_NAMED]))
                named += ", ..." if len(absent) > _MOST_NAMED else ""
                found.append(f"no {part} image has the class {named}")
        return found

    def class_label(self, label: int) -> str:
        """The label of a class, with its name if it has one."""
        return f"{label} {self.class_names[label]}" if self.class_names else str(label)

    @property
    def image_shape(self) -> ImageShape:
        """(channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return (channels, height, width)

    def to(self, device: torch.device) -> "Dataset":
        """The same data set on a device."""
        splits = {part: getattr(self, part).to(device) for part in _PARTS}
        return replace(self, **splits)

    def without_test(self) -> "Dataset":
        """The same data set with no test images."""
        return replace(self, test=Split(self.test.images[:0], self.test.labels[:0]))

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
        if sha256 is not None and (own := self.sha256()) != sha256:
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
        return cls(
            name=name,
            classes=classes,
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
        )


def load_dataset(source: object, seed: int = 0) -> Dataset:
    """Loads a data set and splits it.

    `source` is its spec, a table like it, a name or a path, as the key `dataset` of a spec, or data in
    memory (docs/own_data.md). The seed determines the stratified split into training
    and validation images. The test images are those of the data set or, where it has none, a fifth that
    is the same for every seed; with `withhold_test` there are none. Raises DataError if the data set is
    absent, unreadable, or smaller than the requested sizes, SpecError for an unknown name or key.
    """
    if not isinstance(source, DatasetSpec):
        is_table = isinstance(source, Mapping) and not source.keys().isdisjoint({"name", "path"})
        if not is_table and not isinstance(source, str | os.PathLike):
            return split_pools(pools_of(source), "arrays", seed)
    spec = dataset_spec(source)  # type: ignore[arg-type]  # as tested
    dataset = split_pools(read_pools(spec), spec.label, seed, spec.train_size, spec.validation_size)
    return dataset.without_test() if spec.withhold_test else dataset


def dataset_spec(
    source: DatasetSpec | Mapping[str, Any] | str | os.PathLike[str],
) -> DatasetSpec:
    """The spec of a data set from a table, a name or a path. Raises SpecError."""
    if isinstance(source, DatasetSpec):
        return source
    try:
        table = dataset_table(dict(source) if isinstance(source, Mapping) else source)
    except ValueError as error:
        raise SpecError(str(error)) from error
    return parse(DatasetSpec, cast("dict[str, Any]", table))


def split_pools(
    pools: Pools,
    name: str,
    seed: int,
    train_size: int | None = None,
    validation_size: int | None = None,
) -> Dataset:
    """Splits images as `load_dataset`, which states the defaults of the sizes."""
    train_pool, test_pool = pools.train, pools.test
    if test_pool is None:
        train_pool, test_pool = _divide(train_pool, None, _share(train_pool, 5), seed=0)
    validation_size = validation_size or _share(train_pool, 10)
    train, validation = _divide(train_pool, train_size, validation_size, seed)
    return Dataset(
        name=name,
        classes=pools.classes,
        train=_split(train),
        validation=_split(validation),
        test=_split(test_pool),
        class_names=pools.class_names,
        files=pools.files,
    )


def _share(pool: Pool, parts: int) -> int:
    """A part of the images, at least one for each class."""
    return max(len(np.unique(pool.labels)), len(pool.labels) // parts)


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
            f"the classes cannot be split in proportion: {error}; add images, or change train_size or "
            "validation_size (key dataset)"
        ) from error
    return pool.take(np.sort(first)), pool.take(np.sort(second))


def _split(pool: Pool) -> Split:
    return Split(torch.from_numpy(pool.images), torch.from_numpy(pool.labels))


def _view(array: NDArray[np.generic]) -> Tensor:
    with warnings.catch_warnings():
        # torch warns of Ray's read-only arrays, to which nothing here writes.
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)
