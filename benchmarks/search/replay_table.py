"""A table of recorded learning curves, and the hypervolume that searches over it are judged by.

A table holds every configuration of a full grid, trained to its last epoch, so that a search can be
replayed on it in no time and its result be compared with the best that there is.

The hypervolume is measured in a box of the table's own. One side is log10 of the trainable
parameters, from the table's fewest (0) to its most (1), with the reference a tenth beyond: with the
reference at 1 the largest network, often the most accurate, would count for nothing. The other side
is log10 of the error, from that of the most accurate configuration (0) to that of a quantile, by
default the median one (1); worse configurations are clipped and so count for nothing. Both choices
make a share of 95 % a target that tells searches apart. With a reference of chance level nearly all
of the volume is won by any mediocre network, and the first random trials would reach it; from the
median on, what is left to win is the front itself. On the logarithm, halving the error counts the
same at 20 % as at 10 %, so that the accurate end of the front, which a linear scale squeezes,
weighs its part. A point that lies on the box's worst side in one objective adds nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import moocore
import numpy as np
from numpy.typing import NDArray

Configuration: TypeAlias = dict[str, Any]
Metrics: TypeAlias = dict[str, float]

REFERENCE: Final = (1.1, 1.0)
"""The worst corner of the box, of (parameters, error); its best corner is (0, 0)."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a method may know before anything is trained.

    `grid` has the values of each key, numbers in ascending order; `epochs` is the last epoch of a
    trial; `sizes` has trainable_parameters and macs of each configuration, which building a network
    tells without training it. `configurations` and `sizes` are in the same order.
    """

    grid: dict[str, tuple[Any, ...]]
    epochs: int
    configurations: list[Configuration]
    sizes: list[Metrics]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Learning curves of n configurations: arrays (n,) or (n, epochs), epoch 1 first.

    `val_accuracy` is the mean over replicates of the kept accuracy, so it never falls.
    """

    configurations: list[Configuration]
    val_accuracy: NDArray[np.float64]
    val_accuracy_sem: NDArray[np.float64]
    trainable_parameters: NDArray[np.int64]
    macs: NDArray[np.int64]
    quantile: float = 0.5
    """Where the box ends: the share of configurations that are more accurate."""
    costs: NDArray[np.float64] = field(init=False)
    """(n, epochs, 2): the point of each configuration after each epoch, in the box."""
    hypervolume: float = field(init=False)
    """Of all configurations at their last epoch: the most that a search can reach."""

    def __post_init__(self) -> None:
        parameters = np.log10(self.trainable_parameters)
        parameters = (parameters - parameters.min()) / np.ptp(parameters)
        final = self.val_accuracy[:, -1]
        best, reference = np.log10(1 - final.max()), np.log10(np.quantile(1 - final, self.quantile))
        errors = (np.log10(1 - self.val_accuracy) - best) / (reference - best)
        costs = np.stack(np.broadcast_arrays(parameters[:, None], errors), axis=-1)
        # The class is frozen; these two follow from the rest.
        object.__setattr__(self, "costs", np.minimum(costs, REFERENCE))
        object.__setattr__(self, "hypervolume", hypervolume(self.costs[:, -1]))
        by_identity = {_identity(one): row for row, one in enumerate(self.configurations)}
        object.__setattr__(self, "_rows", by_identity)
        grid_size = np.prod([len(values) for values in self.space.grid.values()])
        if not len(by_identity) == len(self.configurations) == grid_size:
            raise ValueError(
                f"a table must hold each configuration of a full grid once, got "
                f"{len(self.configurations)}, of which {len(by_identity)} differ, of {grid_size}"
            )

    @classmethod
    def load(cls, path: Path, quantile: float = 0.5) -> Self:
        """The table of an .npz file, which has the configurations as one JSON string."""
        with np.load(path) as arrays:
            return cls(
                configurations=json.loads(str(arrays["configurations"])),
                val_accuracy=arrays["val_accuracy"].astype(np.float64),
                val_accuracy_sem=arrays["val_accuracy_sem"].astype(np.float64),
                trainable_parameters=arrays["trainable_parameters"],
                macs=arrays["macs"],
                quantile=quantile,
            )

    @property
    def epochs(self) -> int:
        """The last epoch of a trial."""
        return int(self.val_accuracy.shape[1])

    @property
    def all_epochs(self) -> int:
        """What training the whole table costs."""
        return int(self.val_accuracy.size)

    @property
    def front_size(self) -> int:
        """How many configurations no other dominates."""
        return int(moocore.is_nondominated(self.costs[:, -1]).sum())

    @property
    def space(self) -> Space:
        """What methods are told."""
        grid = {}
        for key in self.configurations[0]:
            values = {configuration[key] for configuration in self.configurations}
            grid[key] = tuple(sorted(values))
        return Space(
            grid=grid,
            epochs=self.epochs,
            configurations=[dict(configuration) for configuration in self.configurations],
            sizes=[self._sizes(row) for row in range(len(self.configurations))],
        )

    def row(self, configuration: Configuration) -> int:
        """Where the configuration is in the table; raises KeyError where it is not."""
        rows: dict[frozenset[tuple[str, Any]], int] = self.__dict__["_rows"]
        try:
            return rows[_identity(configuration)]
        except KeyError:
            raise KeyError(f"a configuration must be in the table, got {configuration}") from None

    def metrics(self, row: int, epoch: int) -> Metrics:
        """What a trial reports after an epoch, counted from 1."""
        return {
            "val_accuracy": float(self.val_accuracy[row, epoch - 1]),
            "val_accuracy_sem": float(self.val_accuracy_sem[row, epoch - 1]),
            **self._sizes(row),
        }

    def _sizes(self, row: int) -> Metrics:
        return {
            "trainable_parameters": int(self.trainable_parameters[row]),
            "macs": int(self.macs[row]),
        }


def hypervolume(costs: Sequence[tuple[float, float]] | NDArray[np.float64]) -> float:
    """What the points dominate of the box, not normalised."""
    return float(moocore.hypervolume(np.asarray(costs, dtype=np.float64), ref=REFERENCE))


def _identity(configuration: Configuration) -> frozenset[tuple[str, Any]]:
    return frozenset(configuration.items())
