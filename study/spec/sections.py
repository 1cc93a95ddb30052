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
    """A table of a spec. A key's docstring is its description in the reference (docs/reference.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DatasetSpec(Section):
    """The images to train on. A plain string in its place is a name, or the path of an npz file."""

    name: DatasetName
    """The data set; `npz` reads arrays of your own."""
    root: Path = Path("data")
    """Folder of torchvision data sets. Relative paths start at the working directory."""
    download: bool = False
    """Whether torchvision may download the data set into `root`."""
    path: Path | None = None
    """The file of `npz`: `x` (uint8 images: flat, grey, or channels last), `y` (labels from 0 up),
    and `x_test` and `y_test` if there are any.
    """
    train_size: Annotated[int, Field(ge=1)] | None = None
    """Training images. By default all that are not used for validation."""
    validation_size: Annotated[int, Field(ge=1)] | None = None
    """Validation images, taken from the training images. By default a tenth."""

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
    """Limits of the study; it ends when the first of them is reached."""

    trials: Annotated[int, Field(ge=1)] | None = None
    """Trials that end; those that break a constraint before training do not count. Without any
    limit there are 30, or as many as a grid has.
    """
    epochs: Annotated[int, Field(ge=1)] = 15
    """Epochs of a trial that is not stopped early."""
    total_epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs of all trials together; never exceeded."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Minutes of running, over all runs of the study."""
    stagnation: Annotated[int, Field(ge=1)] | None = None
    """Trials that end one after another while the hypervolume grows by less than a thousandth."""


class Stopping(Section):
    """Early stopping of trials by asynchronous successive halving.

    The defaults found the front of the digits with the fewest epochs (docs/search_method.md).
    """

    scheduler: Literal["pareto", "asha", "none"] = "pareto"
    """How trials are ranked: `pareto` by all objectives, `asha` by the first alone; `none` stops
    no trial.
    """
    grace_epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs before the first comparison. By default a fifth of those of a trial."""
    reduction_factor: Annotated[float, Field(gt=1, le=100)] = 2.0
    """About one trial in so many continues after each comparison; the next comes after so many
    times as many epochs.
    """


class Resources(Section):
    """Resources of one trial, and how many trials run at once."""

    cpus: Annotated[float, Field(gt=0)] = 1.0
    """CPUs of a trial. Below 1, trials share a CPU."""
    gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs of a trial. With 0.125, eight trials share a GPU; where there is none, trials run on
    CPUs.
    """
    engine: Literal["auto", "torch"] = "auto"
    """What computes the training: by default the compiled engine on CPUs, where it is the faster one,
    else torch (docs/networks.md).
    """
    concurrent_trials: Annotated[int, Field(ge=1)] | None = None
    """The most trials at once. By default as many as the nodes hold; with an autoscaler twice
    that, at least 8.
    """

    @field_validator("cpus", "gpus")
    @classmethod
    def _whole_above_one(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError(f"a share above one must be a whole number, got {value}")
        return value
