"""A table of recorded learning curves, and the truth by which searches over it are judged.

A table holds every configuration of a space that keeps its constraints, trained to its last epoch, so a
search can be replayed on it in no time and its result be compared with the best that there is.

A search sees one replicate of each configuration, drawn by the seed of the search: the same for
all methods. The truth is the mean of the other replicates, so luck that a search has seen is worth
nothing. A search is told the standard error of an accuracy on so many images, as by a study of one
replicate; how far seeds scatter beside that, it has to find out.

The hypervolume is measured in boxes of the table's own. One side is log10 of the trainable
parameters, from the table's fewest (0) to its most (1), with the reference a tenth beyond: with the
reference at 1 the largest network, often the most accurate, would count for nothing. The other side
is log10 of the error, from that of the most accurate configuration (0) to that of a quantile (1). In
the box up to the median error only accurate networks count; up to the 95 % quantile also small ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import moocore
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Configuration: TypeAlias = dict[str, Any]
Metrics: TypeAlias = dict[str, float]
Array: TypeAlias = NDArray[np.float64]

REFERENCE: Final = (1.1, 1.0)
"""The worst corner of a box, of (parameters, error); its best corner is (0, 0)."""
_IMAGES: Final = {"digits": (1, 8, 8), "fashion_mnist": (1, 28, 28)}
_SEEN: Final = 7  # the stream of seeds by which replicates are drawn, apart from those of methods


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a method may know before anything is trained.

    `spec` has the families, the space and the constraints as in the spec of a study; `epochs` is the
    last epoch of a trial, `image` the shape of the images. `configurations` are all that keep the
    constraints, a setting that a family lacks left out; `sizes` has their trainable_parameters and
    macs, in the same order.
    """

    spec: Mapping[str, Any]
    epochs: int
    image: tuple[int, int, int]
    configurations: list[Configuration]
    sizes: list[Metrics]

    @cached_property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of each setting, ascending."""
        keys = dict.fromkeys(key for one in self.configurations for key in one)
        return {
            key: tuple(sorted({one[key] for one in self.configurations if key in one}))
            for key in keys
        }

    @cached_property
    def settings(self) -> dict[str, tuple[str, ...]]:
        """The settings of each family."""
        return {one["family"]: tuple(one)[1:] for one in self.configurations}

    @cached_property
    def rows(self) -> dict[frozenset[tuple[str, Any]], int]:
        """The place of each configuration, by its items."""
        return {frozenset(one.items()): row for row, one in enumerate(self.configurations)}

    def row(self, configuration: Configuration) -> int | None:
        """The place of a configuration; None for one that breaks a constraint."""
        return self.rows.get(frozenset(configuration.items()))

    @cached_property
    def features(self) -> Array:
        """(n, features) of all configurations."""
        return np.array([self.features_of(one) for one in self.configurations])

    def features_of(self, configuration: Configuration) -> Array:
        """(features,): the family as one of several, numbers from 0 to 1 by their place."""
        families = [float(name == configuration["family"]) for name in self.values["family"]]
        places = [
            values.index(configuration[key]) / max(1, len(values) - 1)
            if key in configuration
            else 0.0
            for key, values in self.values.items()
            if key != "family"
        ]
        return np.array([*families, *places])


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a search sees of a table and what is true, arrays (n,) or (n, epochs), epoch 1 first."""

    accuracy: Array
    error: Array
    """The standard errors of the accuracies."""
    truth: Array
    """Accuracies after the last epoch, nan for a configuration that fails."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Learning curves of n configurations: the accuracy of the kept weights, so it never falls."""

    space: Space
    accuracy: Array
    """(n, replicates, epochs), two replicates or more."""
    images: int
    """In the validation set, from which the accuracy of one replicate has its standard error."""
    fails: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """(n,): which configurations fail in their first epoch."""

    def __post_init__(self) -> None:
        if not self.fails.size:
            object.__setattr__(self, "fails", np.zeros(len(self.accuracy), dtype=np.bool_))
        if not len(self.space.rows) == len(self.accuracy):
            raise ValueError(
                f"a table must hold each configuration once, got {len(self.accuracy)} rows "
                f"of {len(self.space.rows)}"
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """The table of a file of record_table.py (Parquet) or record_tuning_table.py (npz)."""
        return cls._of_npz(path) if path.suffix == ".npz" else cls._of_parquet(path)

    @classmethod
    def _of_npz(cls, path: Path) -> Self:
        with np.load(path) as arrays:
            spec = json.loads(str(arrays["spec"]))
            counts = zip(arrays["trainable_parameters"], arrays["macs"], strict=True)
            # Mean and standard error of two replicates: these are the mean minus and plus the error.
            mean, error = (
                arrays[name].astype(np.float64) for name in ("val_accuracy", "val_accuracy_sem")
            )
            space = Space(
                spec=_searched(spec),
                epochs=spec["budget"]["epochs"],
                image=_IMAGES[spec["dataset"]["name"]],
                configurations=json.loads(str(arrays["configurations"])),
                sizes=[_sizes(*both) for both in counts],
            )
            return cls(
                space=space,
                accuracy=np.stack([mean - error, mean + error], axis=1),
                images=spec["dataset"]["validation_size"],
            )

    @classmethod
    def _of_parquet(cls, path: Path) -> Self:
        table = pq.read_table(path)
        spec = json.loads(table.schema.metadata[b"spec"])
        rows = table.to_pylist()
        keys = table.schema.names[: table.schema.names.index("trainable_parameters")]
        images = spec["dataset"]["validation_size"]
        right = np.array([row["right"] for row in rows], dtype=np.float64)
        return cls(
            space=Space(
                spec=_searched(spec),
                epochs=spec["budget"]["epochs"],
                image=_IMAGES[spec["dataset"]["name"]],
                configurations=[
                    {key: row[key] for key in keys if row[key] is not None} for row in rows
                ],
                sizes=[_sizes(row["trainable_parameters"], row["macs"]) for row in rows],
            ),
            accuracy=right.reshape(len(rows), spec["replicates"], -1) / images,
            images=images,
            fails=np.array([row["failed"] > 0 for row in rows]),
        )

    def failing(self, *, learning_rate_from: float, macs_quantile: float) -> Self:
        """The same table where high learning rates diverge and the largest networks need too much."""
        large = self.macs > np.quantile(self.macs, macs_quantile)
        rates = np.array([one["learning_rate"] for one in self.space.configurations])
        return replace(self, fails=self.fails | large | (rates >= learning_rate_from))

    @property
    def epochs(self) -> int:
        """The last epoch of a trial."""
        return self.space.epochs

    @property
    def all_epochs(self) -> int:
        """What training the whole table once costs."""
        return len(self.accuracy) * self.epochs

    @cached_property
    def parameters(self) -> Array:
        """(n,)."""
        return np.array([one["trainable_parameters"] for one in self.space.sizes])

    @cached_property
    def macs(self) -> Array:
        """(n,), multiply-accumulates of one image."""
        return np.array([one["macs"] for one in self.space.sizes])

    def seen_by(self, seed: int) -> Seen:
        """What the search of a seed sees, and the truth about it."""
        count, replicates, _ = self.accuracy.shape
        drawn = np.random.default_rng([_SEEN, seed]).integers(replicates, size=count)
        shown = self.accuracy[np.arange(count), drawn]
        error = np.sqrt(shown * (1 - shown) / self.images)
        last = (self.accuracy[:, :, -1].sum(axis=1) - shown[:, -1]) / (replicates - 1)
        return Seen(accuracy=shown, error=error, truth=np.where(self.fails, np.nan, last))

    def costs(self, accuracies: Array, quantile: float) -> Array:
        """(n, 2): points of all configurations in the box up to a quantile of the error."""
        parameters = np.log10(self.parameters)
        parameters = (parameters - parameters.min()) / np.ptp(parameters)
        means = self.accuracy[~self.fails, :, -1].mean(axis=1)
        best, worst = np.log10(1 - means.max()), np.log10(np.quantile(1 - means, quantile))
        errors = (np.log10(1 - accuracies) - best) / (worst - best)
        points: Array = np.minimum(np.stack([parameters, errors], axis=-1), REFERENCE)
        return points


def hypervolume(costs: Sequence[tuple[float, float]] | Array) -> float:
    """What the points dominate of the box, not normalised."""
    return float(moocore.hypervolume(np.asarray(costs, dtype=np.float64), ref=REFERENCE))


def _searched(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of the spec of a study says what is searched."""
    return {key: spec[key] for key in ("families", "constraints", "space")}


def _sizes(parameters: int, macs: int) -> Metrics:
    return {"trainable_parameters": int(parameters), "macs": int(macs)}
