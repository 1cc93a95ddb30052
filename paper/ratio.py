"""The ratio of parameters over the size of the reference: how it depends on which vann it refers to.

The paper divides the parameters of its most accurate vann by those of a dendritic network that is as
accurate. Here every vann that was trained is the reference once. The dendritic network is the smallest
whose mean accuracy reaches that of the reference: on validation images, or on test images, as in the
paper, whose choice rests on the images that judge. The networks are the same for both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import pandas as pd

from paper.plan import RACE_SEED

Split = Literal["validation", "test"]
_METRICS: Final[dict[Split, str]] = {"validation": "val_accuracy", "test": "test_accuracy"}
DENDRITIC: Final = "table1-dann-"
DENSE: Final = "table1-vann"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Parameters of a vann over those of the smallest network of a family that is as accurate."""

    family: str
    split: Split
    reference: int
    smallest: int

    @property
    def value(self) -> float:
        """The ratio; below 1 where a larger network is needed."""
        return self.reference / self.smallest


def ratios(rows: pd.DataFrame, data: str = "fashion_mnist") -> Iterator[Ratio]:
    """The ratios of every family to every vann; none where no network of the family reaches it."""
    for split, metric in _METRICS.items():
        means = configurations(rows, data, metric)
        dense = means[means["study"] == DENSE]
        for family, own in means[means["study"].str.startswith(DENDRITIC)].groupby("family"):
            for reference in dense.itertuples():
                enough = own[own[metric] >= getattr(reference, metric)]
                if not enough.empty:
                    yield Ratio(
                        family=str(family),
                        split=split,
                        reference=int(str(reference.trainable_parameters)),
                        smallest=int(enough["trainable_parameters"].min()),
                    )


def configurations(
    rows: pd.DataFrame, data: str, *metrics: str, keys: Sequence[str] = ()
) -> pd.DataFrame:
    """The mean over seeds of each tested configuration, with its counts, and more columns (`keys`).

    The standard error over seeds of METRIC is the column METRIC_error.
    A configuration that was chosen after a race has fresh seeds of the search's split and of the race's:
    the former count where there are any, so that all configurations are measured alike.
    """
    own = rows[(rows["data"] == data) & (rows["stage"] == "test")]
    after_race = own["seed"] >= RACE_SEED
    has_others = (~after_race).groupby([own["study"], own["trial"]]).transform("any")
    own = own[~(after_race & has_others)]
    counts = ["trainable_parameters", "macs", "stored_bytes"]
    by = ["study", "family", "trial", *counts, *keys]
    groups = own.groupby(by)[list(metrics)]
    return groups.mean().join(groups.sem().add_suffix("_error")).reset_index()
