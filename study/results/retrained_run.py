"""Retrainings in MLflow: child runs of the parent run of the study, with the role `retrained`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Run

from models.architecture import Architecture
from study.errors import BadInputError, NotFoundError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.results.record import TrialRecord, by_seed
from study.results.stored_study import StoredStudy
from study.search.difference import is_real
from study.search.pooling import CONFIRMED_NAMES
from study.search.trial import TrialConfig
from study.spec.sections import MOST_EPOCHS
from study.spec.study_spec import StudySpec
from study.tracking.store import all_runs, client, translated
from study.tracking.tags import (
    CONFIG_TAG,
    REPLICATES_TAG,
    RETRAINING_TAG,
    RETRAINS_TAG,
    ROLE_TAG,
)
from study.training.settings import TrainingSettings

_RETRAINED: Final = f"tags.`{ROLE_TAG}` = 'retrained'"

_METRICS: Final = tuple(
    f"{part}_{kind}{ending}"
    for part in ("val", "test")
    for kind in ("accuracy", "loss")
    for ending in ("", "_sem")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """The settings of a retraining, which identify it.

    `full`: on training and validation images together, with the last weights kept. Raises BadInputError
    for other than 1 to 100 replicates, or no epochs.
    """

    trial: int
    replicates: int
    epochs: int
    full: bool

    def __post_init__(self) -> None:
        if not 1 <= self.replicates <= 100:  # noqa: PLR2004  # as in a spec
            raise BadInputError(
                f"`1 <= replicates <= 100` must hold, got replicates={self.replicates}"
            )
        if not 1 <= self.epochs <= MOST_EPOCHS:
            raise BadInputError(
                f"`1 <= epochs <= {MOST_EPOCHS}` must hold, got epochs={self.epochs}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types."""
        return asdict(self)

    @classmethod
    def of(cls, run: Run) -> "Retraining":
        """The retraining in the tag of a run."""
        return cls(**json.loads(run.data.tags[RETRAINING_TAG]))

    def label(self) -> str:
        """The name of its folder, such as `trial-5-replicates-10-epochs-50-full`."""
        full = "-full" if self.full else ""
        return f"trial-{self.trial}-replicates-{self.replicates}-epochs-{self.epochs}{full}"

    def seeds(self, spec: StudySpec) -> list[int]:
        """The seeds of the replicates, none of which the search has used."""
        first = spec.seed + spec.replicates
        return list(range(first, first + self.replicates))

    def settings(self, record: TrialRecord) -> TrainingSettings:
        """The settings of the trial with these epochs; if `full`, without patience and validation."""
        settings = replace(TrainingSettings(**record.training), epochs=self.epochs)
        return replace(settings, keep="last", patience=0) if self.full else settings

    def config(self, record: TrialRecord, spec: StudySpec) -> TrialConfig:
        """The configuration for the worker."""
        return TrialConfig(
            number=self.trial,
            architecture=Architecture(**record.architecture),
            training=self.settings(record),
            seeds=tuple(self.seeds(spec)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """The results of a configuration in the search and in a retraining.

    `record` has the fields of a trial; those of validation are None after a `full` retraining. `new`:
    whether it was trained or recorded by this call.
    """

    retraining: Retraining
    search: TrialRecord
    record: TrialRecord
    new: bool

    def agrees(self, metric: str) -> bool | None:
        """Whether both values of a metric agree within the errors (`study.search.difference`).

        None if a value or a standard error is missing.
        """
        values = [getattr(record, metric) for record in (self.search, self.record)]
        errors = [getattr(record, f"{metric}_sem") for record in (self.search, self.record)]
        if None in values or None in errors:
            return None
        return not is_real(values[0] - values[1], *errors)

    def to_dict(self) -> dict[str, Any]:
        """The results as JSON types."""
        return asdict(self) | {
            "agrees": {name: self.agrees(name) for name in _METRICS if not name.endswith("_sem")}
        }


def find_run(store: MlflowClient, experiment: str, retraining: Retraining) -> Run | None:
    """The finished run of a retraining, or None."""
    runs = _finished_runs(store, experiment, retraining.trial)
    return next((run for run in runs if Retraining.of(run) == retraining), None)


def retrained(run: Run, search: TrialRecord, *, new: bool) -> Retrained:
    """The results of a finished retraining of the trial `search`."""
    config, metrics = json.loads(run.data.tags[CONFIG_TAG]), run.data.metrics
    measured: dict[str, Any] = {name: metrics.get(name) for name in _METRICS}
    measured |= dict.fromkeys(CONFIRMED_NAMES)  # this is no confirmation of itself
    record = replace(
        search,
        run_id=run.info.run_id,
        state="COMPLETE",
        reason=None,
        notice=None,
        training=config["training"],
        replicates=len(config["seeds"]),
        trainable_parameters=int(metrics["trainable_parameters"]),
        macs=int(metrics["macs"]),
        epochs=int(metrics["epochs"]),
        seconds=metrics["seconds"],
        on_front=False,
        by_seed=by_seed(config["seeds"], run.data.tags.get(REPLICATES_TAG)),
        diagnostics={},  # those of the search belong to other networks
        **measured,
    )
    return Retrained(retraining=Retraining.of(run), search=search, record=record, new=new)


def _finished_runs(store: MlflowClient, experiment: str, trial: int) -> list[Run]:
    """The finished retrainings of a trial, the latest first."""
    where = f"{_RETRAINED} and tags.`{RETRAINS_TAG}` = '{trial}'"
    runs = store.search_runs([experiment], where, order_by=["attributes.start_time DESC"])
    return list(filter(_finished, runs))


def _finished(run: Run) -> bool:
    return str(run.info.status) == "FINISHED"


def choose_retrained(stored: StoredStudy, number: int | None, home: Home) -> TrialRecord:
    """The trial, by default the best, with the run, metrics and replicates of its last retraining.

    Raises NotFoundError if there is no such trial or it was not retrained.
    """
    search = stored.trial(number)
    with translated(home):
        runs = _finished_runs(client(home), stored.parent.info.experiment_id, search.trial)
    if not runs:
        raise NotFoundError(
            f"trial {search.trial} of study {stored.spec.name!r} was not retrained; "
            f"run `study retrain {stored.spec.name} {search.trial} --replicates N`"
        )
    return retrained(runs[0], search, new=False).record


def retrained_records(
    stored: StoredStudy, numbers: int | Sequence[int] | None
) -> list[TrialRecord]:
    """These trials, by default all that were retrained, as `choose_retrained` has them."""
    if numbers is not None:
        return [choose_retrained(stored, one.trial, stored.home) for one in stored.chosen(numbers)]
    # The oldest first, so that the last one of each trial stays.
    last = {Retraining.of(run).trial: run for run in filter(_finished, _all_runs(stored))}
    return [
        retrained(last[search.trial], search, new=False).record
        for search in (stored.records if last else ())
        if search.trial in last
    ]


def _all_runs(stored: StoredStudy) -> list[Run]:
    """The runs of all retrainings of a study, the oldest first."""
    with translated(stored.home):
        return all_runs(client(stored.home), stored.parent.info.experiment_id, _RETRAINED)


@checked_keywords
def retrainings(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None
) -> list[Retrained]:
    """The finished retrainings of a study, in order of trials and replicates.

    Raises NotFoundError if there is no such study.
    """
    stored = read_study(name, Home.find(home, tracking_uri))
    runs = _all_runs(stored)
    search = {record.trial: record for record in stored.records} if runs else {}
    results = [
        retrained(run, search[Retraining.of(run).trial], new=False)
        for run in filter(_finished, runs)
        if Retraining.of(run).trial in search
    ]
    return sorted(
        results, key=lambda result: (result.retraining.trial, result.retraining.replicates)
    )
