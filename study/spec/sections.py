"""The tables of a spec, which allow neither unknown keys nor infinite numbers."""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from study.errors import echo, nearest

DatasetName = Literal[
    "digits",
    "mnist",
    "fashion_mnist",
    "kmnist",
    "emnist_balanced",
    "cifar10",
    "cifar100",
    "folder",
    "npz",
    "parquet",
]
OWN_DATA: Final = ("folder", "npz", "parquet")
"""The data sets that are read from `path`."""

MOST_EPOCHS: Final = 1_000_000
MOST_TRIALS: Final = 1_000_000
_MOST_IMAGES: Final = 1_000_000_000
_LONGEST_PATH: Final = 1000
_PLAIN: Final = re.compile(r"[\w. -]{1,60}")  # is no markup of a terminal, of HTML or of Markdown
_LEAST_SHARE: Final = 0.01


def _checked_path(path: Path) -> Path:
    """The path; raises ValueError if no file can have it."""
    text = str(path)
    if len(text) > _LONGEST_PATH or "\0" in text:
        raise ValueError(
            f"a path has at most {_LONGEST_PATH} characters, none of them NUL, got {echo(text)}"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a path must be text of Unicode, got {echo(text)}") from None
    return path


def _height_and_width(raw: object) -> object:
    """A single number stands for both."""
    return (raw, raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw


ImageSide = Annotated[int, Field(ge=1, le=4096)]
SpecPath = Annotated[Path, AfterValidator(_checked_path)]


class Section(BaseModel):
    """A table of a spec. A key's docstring is its description in the reference (docs/reference.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _booleans_are_no_numbers(cls, raw: object, about: ValidationInfo) -> object:
        """Python counts `true` as 1, and pydantic reads "yes" as true."""
        wanted = cls.model_fields[str(about.field_name)].annotation
        numbers = {int, float} & {wanted, *get_args(wanted)}
        numbers |= {
            one for part in get_args(wanted) for one in get_args(part) if one in {int, float}
        }
        if isinstance(raw, bool) and numbers:
            raise ValueError(f"a number must be given, got {str(raw).lower()}")
        if wanted is bool and not isinstance(raw, bool):
            raise ValueError(f"true or false must be given, got {echo(raw)}")
        return raw


class DatasetSpec(Section):
    """The data set. A plain string instead of the table is a name, or the path of your own data: an
    npz or Parquet file, or a folder, whose path has a slash, as `photos/` (docs/own_data.md).
    """

    name: DatasetName
    """The data set; `folder`, `npz` and `parquet` read your own data, and follow from `path`."""
    root: SpecPath = Path("data")
    """Folder of torchvision data sets. Relative paths start at the working directory."""
    download: bool = False
    """Whether torchvision may download the data set into `root`."""
    path: SpecPath | None = None
    """Your own data: a folder with images as `train/CLASS/*.png` or with a data set of Hugging Face, an
    npz file with the arrays `x` and `y`, or a Parquet file (docs/own_data.md).
    """
    resize: Annotated[tuple[ImageSide, ImageSide], BeforeValidator(_height_and_width)] | None = None
    """Height and width in pixels to which all images are scaled; one number is both."""
    grey: bool = False
    """Whether colour images are converted to grey ones, with a third of the inputs."""
    train_size: Annotated[int, Field(ge=1, le=_MOST_IMAGES)] | None = None
    """Number of training images. By default all that are not used for validation."""
    validation_size: Annotated[int, Field(ge=1, le=_MOST_IMAGES)] | None = None
    """Number of validation images, taken from the training images. By default a tenth."""
    withhold_test: bool = False
    """Whether the search never evaluates the test images: trials have no test metrics; only
    retrainings (`study retrain`) do.
    """

    @model_validator(mode="after")
    def _path_belongs_to_own_data(self) -> "DatasetSpec":
        if (self.name in OWN_DATA) != (self.path is not None):
            raise ValueError(
                f"`path` must be given for the data sets {', '.join(OWN_DATA)}, and for no other, "
                f"got name={self.name}, path={self.path}"
            )
        return self

    @property
    def label(self) -> str:
        """The name of the data set, or of the file or folder of own data if it has no odd characters."""
        plain = self.path is not None and _PLAIN.fullmatch(self.path.name)
        return self.path.name if plain and self.path is not None else self.name


def dataset_table(raw: object) -> object:
    """Expands a plain name or path to a table, and adds the name to a table with a path only."""
    if isinstance(raw, os.PathLike):
        raw = f"{os.fspath(raw)}/" if Path(raw).is_dir() else os.fspath(raw)
    if isinstance(raw, dict) and isinstance(raw.get("path"), str | os.PathLike):
        return {"name": _kind_of(f"./{raw['path']}")} | raw
    if not isinstance(raw, str):
        return raw
    kind = _kind_of(raw)
    if kind is not None:
        return {"name": kind, "path": raw}
    if raw not in get_args(DatasetName):
        named = [name for name in get_args(DatasetName) if name not in OWN_DATA]
        hint = "" if Path(raw).suffix else f"{nearest(raw, named)}; "
        raise ValueError(
            f"unknown data set {echo(raw)}; {hint}your own data are the path of an npz file (written by "
            "numpy.savez with x and y), of a Parquet file, or of a folder of images, which needs a "
            "slash, such as 'photos/'"
        )
    return {"name": raw}


def _kind_of(path: str) -> str | None:
    """The name of the data set at a path, None for a plain name."""
    for kind in ("npz", "parquet"):
        if path.endswith(f".{kind}"):
            return kind
    return "folder" if "/" in path else None


class Budget(Section):
    """Limits of the study, which ends when the first is reached."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] | None = None
    """Number of trials. Configurations rejected by a constraint before training do not count. Without
    any limit: 30, or the size of the grid.
    """
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 15
    """Epochs of a trial, unless stopped early."""
    total_epochs: Annotated[int, Field(ge=1, le=MOST_TRIALS * MOST_EPOCHS)] | None = None
    """Total epochs of all trials; never exceeded."""
    minutes: Annotated[float, Field(ge=0.01, le=10_000_000)] | None = None
    """Running time in minutes, over all runs of the study."""
    stagnation: Annotated[int, Field(ge=1, le=MOST_TRIALS)] | None = None
    """Number of successive trials during which the hypervolume grows by less than a thousandth."""
    confirm: Annotated[int, Field(ge=0, le=100)] = 0
    """Further seeds with which each trial on the front is trained when the search has ended. They are
    not trials and do not count towards the limits (docs/search_method.md).
    """

    @model_validator(mode="after")
    def _check_epochs(self) -> "Budget":
        if self.total_epochs is not None and self.total_epochs < self.epochs:
            raise ValueError(
                "`total_epochs >= epochs` must hold, or no trial is trained, got "
                f"total_epochs={self.total_epochs}, epochs={self.epochs}"
            )
        return self


class Stopping(Section):
    """Early stopping of trials by asynchronous successive halving.

    The defaults were tuned on recorded studies (docs/search_benchmark.md).
    """

    scheduler: Literal["pareto", "asha", "none"] = "pareto"
    """Ranking of trials: `pareto` by all objectives, `asha` by the first alone; `none` disables
    early stopping.
    """
    grace_epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] | None = None
    """Epochs before the first comparison. By default a fifth of `budget.epochs`."""
    reduction_factor: Annotated[float, Field(ge=1.1, le=100)] = 2.0
    """About one in this many trials continues after each comparison; the epoch of the next comparison
    is larger by this factor.
    """


def _checked_uri(text: str) -> str:
    """The text, if it is a URI without credentials; raises ValueError otherwise."""
    scheme, separator, place = text.partition("://")
    if "@" in place.partition("/")[0]:
        raise ValueError(
            "a URI without credentials must be given, because a spec is recorded; nodes take them from "
            "their environment or their role (docs/scaling.md)"
        )
    if not (scheme.isalnum() and separator and place):
        raise ValueError(f"a URI such as s3://bucket/folder must be given, got {echo(text)}")
    return text


class Storage(Section):
    """Storage of checkpoints."""

    checkpoint_share: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    """Largest part of the free space of the home's disk for checkpoints of ended trials, from which
    they continue when the budget grows (docs/search_method.md). Beyond it those of the least promising
    are deleted; 0 keeps none.
    """
    checkpoints: (
        Annotated[str, Field(max_length=_LONGEST_PATH), AfterValidator(_checked_uri)] | None
    ) = None
    """URI of a folder that every node reaches, for studies with too many checkpoints for the driver's
    node (docs/scaling.md): `s3://bucket/folder`, `gs://bucket/folder`, or `file:///folder` for a shared
    one. By default they are sent to the driver's node.
    """


class Resources(Section):
    """Resources of a trial, and the number of concurrent trials."""

    cpus: Annotated[float, Field(ge=_LEAST_SHARE, le=10_000)] = 1.0
    """CPUs of a trial. Below 1, trials share a CPU."""
    gpus: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """GPUs of a trial. With 0.125, eight trials share a GPU, with 0.01, a hundred; without a
    GPU, trials run on CPUs.
    """
    engine: Literal["auto", "torch"] = "auto"
    """Engine of the training: by default the compiled one on CPUs where it is faster, else torch
    (docs/training.md).
    """
    concurrent_trials: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Maximum number of concurrent trials. By default as many as fit on the nodes; with an
    autoscaler twice that, at least 8.
    """

    @field_validator("cpus", "gpus")
    @classmethod
    def _whole_above_one(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError(f"a share above one must be a whole number, got {value}")
        if 0 < value < _LEAST_SHARE:
            raise ValueError(f"a share must be 0 or at least {_LEAST_SHARE}, got {value}")
        return value
