"""Data that `study.run` gets from memory: stored in the folder of the study, from which it continues."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from study.home import Home, checked_name
from study.spec.study_spec import AnySpec, StudySpec, spec_table
from study.study_folder import StudyFolder
from study.training.data_sources import in_shape
from study.training.dataset import Dataset, split_pools
from study.training.in_memory import pools_of
from study.training.npz_file import write_npz
from study.training.pool import Pools


def spec_with_data(spec: AnySpec, home: Home) -> StudySpec:
    """The spec with the file in the study's folder as its data set.

    Sizes of splits and images, and colours, remain as in the spec. Raises SpecError for an invalid spec.
    """
    table = spec_table(spec)
    given = table.get("dataset")
    kept = dict(given) if isinstance(given, dict) else {}
    # The data are of no data set that the spec may name.
    for key in ("name", "path", "root", "download"):
        kept.pop(key, None)
    name = table.get("name")
    file = home.study_folder(checked_name(name)).data if isinstance(name, str) else Path("data.npz")
    return StudySpec.from_dict(table | {"dataset": kept | {"name": "npz", "path": str(file)}})


@final
@dataclass(frozen=True, slots=True)
class GivenData:
    """Data in memory: all images, and the data set that they are split into."""

    pools: Pools
    dataset: Dataset

    @classmethod
    def of(cls, data: object, spec: StudySpec) -> "GivenData":
        """Converts and splits data as the spec says. Raises DataError if they are invalid."""
        pools = pools_of(data)
        sizes = spec.dataset.train_size, spec.dataset.validation_size
        shaped = in_shape(pools, spec.dataset)
        dataset = split_pools(shaped, spec.dataset.label, spec.seed, *sizes)
        return cls(pools, dataset.without_test() if spec.dataset.withhold_test else dataset)

    def store(self, folder: StudyFolder) -> None:
        """Writes the images into the folder of a study, unless it continues with them."""
        if not (folder.journal.exists() and folder.data.exists()):
            write_npz(self.pools, folder.data)
