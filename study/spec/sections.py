"""The tables of a spec, and the rules that all of them keep: no unknown keys, no infinite numbers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

DatasetName = Literal[
    "digits", "mnist", "fashion_mnist", "kmnist", "emnist_balanced", "cifar10", "cifar100", "npz"
]


class Section(BaseModel):
    """A table of a spec."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DatasetSpec(Section):
    """Which images to train on.

    `root` is the folder in which torchvision keeps its data sets, `download` says whether it may
    fetch them; `path` is the file of `npz`. Paths are relative to the working directory.
    `train_size` and `validation_size` count images; by default a tenth of the training images
    validates and the others train.
    """

    name: DatasetName
    root: Path = Path("data")
    download: bool = False
    path: Path | None = None
    train_size: Annotated[int, Field(ge=1)] | None = None
    validation_size: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _path_belongs_to_npz(self) -> "DatasetSpec":
        if (self.name == "npz") != (self.path is not None):
            raise ValueError(
                "`path` must be given for the data set npz, and for no other, "
                f"got name={self.name}, path={self.path}"
            )
        return self


def dataset_table(raw: object) -> object:
    """The table that a plain name, or the path of an npz file, stands for."""
    if not isinstance(raw, str):
        return raw
    return {"name": "npz", "path": raw} if raw.endswith(".npz") else {"name": raw}


class Budget(Section):
    """How much to spend; a study ends when the first of its limits is met.

    `epochs` is the full length of one trial. The limits of the whole study are `trials` that end
    (those that break a constraint before training are not counted), `total_epochs` trained (never
    exceeded), `minutes` of running, and `stagnation`: so many trials that end one after another
    while the hypervolume grows by less than a thousandth. Without any of them there are 30 trials, or,
    of a grid, as many as it has.
    """

    trials: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[int, Field(ge=1)] = 15
    total_epochs: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    stagnation: Annotated[int, Field(ge=1)] | None = None


class Stopping(Section):
    """When a trial is stopped early, by asynchronous successive halving (`study.search.scheduler`).

    `scheduler`: `pareto` ranks by all objectives, `asha` by the first alone, `none` stops nothing.
    Trials are compared after `grace_epochs`, by default a fifth of their epochs, and after each
    `reduction_factor` times as many; about one in `reduction_factor` goes on. The defaults are those
    that found the front of the digits with the fewest epochs (docs/search.md).
    """

    scheduler: Literal["pareto", "asha", "none"] = "pareto"
    grace_epochs: Annotated[int, Field(ge=1)] | None = None
    reduction_factor: Annotated[float, Field(gt=1, le=100)] = 2.0


class Resources(Section):
    """What one trial gets: CPUs and GPUs, as fractions if below one, and how many trials at once.

    `concurrent_trials` is by default what the nodes hold; with an autoscaler, which starts nodes for
    trials that wait, twice that, at least 8.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    concurrent_trials: Annotated[int, Field(ge=1)] | None = None

    @field_validator("cpus", "gpus")
    @classmethod
    def _whole_above_one(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError(f"a share above one must be a whole number, got {value}")
        return value
