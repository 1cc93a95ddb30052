"""The tables of a spec, and the rules that all of them keep: no unknown keys, no infinite numbers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
