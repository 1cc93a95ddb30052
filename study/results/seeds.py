"""The metrics of each replicate of a trial, by its seed."""

from collections.abc import Sequence

import pandas as pd

from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.results.record import SEED_METRICS
from study.results.retrained_run import retrained_records


@checked_keywords
def seeds(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    trials: int | Sequence[int] | None = None,
    *,
    retrained: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """The metrics of each replicate, with one row for each trial and seed; both are the index.

    The columns are the accuracies and losses of validation and test, with nine digits; NaN where a value
    was not measured, such as the test metrics of a trial that was stopped early. `trials` are by default
    all; with `retrained`, the values are those of the last retraining, by default of each trial that was
    retrained. `fresh` is as in `study.records`. Raises NotFoundError if there is no such study or trial,
    or it was not retrained.
    """
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    records = retrained_records(stored, trials) if retrained else stored.chosen(trials)
    rows = [
        {"trial": record.trial, "seed": seed, **values}
        for record in records
        for seed, values in record.by_seed.items()
    ]
    types = {"trial": "int64", "seed": "int64"} | dict.fromkeys(SEED_METRICS, "float64")
    return pd.DataFrame(rows, columns=list(types)).astype(types).set_index(["trial", "seed"])
