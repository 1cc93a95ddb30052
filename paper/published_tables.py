"""Tables 1 and 2 of the paper, with the values of our networks beside the published ones."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import pandas as pd

from paper.choices import Role
from paper.claim import DATA
from paper.claims import PublishedNetwork
from paper.evidence import Evidence, NotRunError

Row = Sequence[str]

_TABLE_2: Final = ("table2-dendritic", "table2-vann", "table2-equal-vann", "table2-equal-sparse")
TABLE_1_HEAD: Final = (
    "data set",
    "network",
    "parameters",
    "seeds",
    "test accuracy, %",
    "published",
    "test loss, nats",
    "published",
)
TABLE_2_HEAD: Final = (
    "network",
    "parameters",
    "learning rate",
    "seeds",
    "test accuracy, %",
    "published",
    "test loss, nats",
    "published",
)


def table_1(evidence: Evidence, published: dict[str, dict[str, PublishedNetwork]]) -> Iterator[Row]:
    """A row for each family on each data set of which a network was chosen and tested."""
    for data, families in published.items():
        for family, theirs in families.items():
            try:
                rows = evidence.tested(Role(study=f"table1-{family}", family=family), data)
            except NotRunError:
                continue
            yield [data, _label(rows), *_size(rows), *_beside(rows, theirs)]


def table_2(rows: pd.DataFrame, published: dict[str, PublishedNetwork]) -> Iterator[Row]:
    """A row for each network and learning rate; published is the rate of 0.001 alone."""
    own = rows[(rows["data"] == DATA) & (rows["stage"] == "test")]
    rates = own["settings"].map(lambda text: json.loads(text)["learning_rate"])
    for study in _TABLE_2:
        of_study = own[own["study"] == study]
        for (family, rate), seeds in of_study.groupby(["family", rates]):
            as_published = rate == 1e-3 and "equal" not in study  # noqa: PLR2004  # the protocol's
            theirs = published.get(str(family)) if as_published else None
            parameters, count = _size(seeds)
            yield [_label(seeds), parameters, f"{rate:g}", count, *_beside(seeds, theirs)]


def _label(rows: pd.DataFrame) -> str:
    settings = json.loads(rows["settings"].iloc[0])
    sizes = {"D": settings.get("dendrites"), "S": settings["somata"]}
    shown = (f"{letter}{size}" for letter, size in sizes.items() if size is not None)
    return " ".join([str(rows["family"].iloc[0]), *shown])


def _size(rows: pd.DataFrame) -> tuple[str, str]:
    """The parameters and the number of seeds."""
    return f"{int(rows['trainable_parameters'].iloc[0]):,}", str(len(rows))


def _beside(rows: pd.DataFrame, theirs: PublishedNetwork | None) -> Iterator[str]:
    """The accuracy and the loss over seeds, mean and standard deviation, ours and theirs."""
    for metric, scale, digits in (("accuracy", 100, 2), ("loss", 1, 3)):
        values = scale * rows[f"test_{metric}"]
        yield f"{values.mean():.{digits}f} ± {values.std(ddof=0):.{digits}f}"
        if theirs is None:
            yield ""
            continue
        mean, sd = getattr(theirs, metric)
        yield f"{scale * mean:.{digits}f} ± {scale * sd:.{digits}f}"
