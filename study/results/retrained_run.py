"""A configuration that was trained anew, as it lies in MLflow: one run under that of the study."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Run

from models.architecture import Architecture
from study.errors import BadInputError, NotFoundError
from study.home import Home
from study.results.answers import choose
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.stored_study import StoredStudy
from study.search.difference import is_real
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.tracking.store import all_runs, client, translated
from study.tracking.tags import CONFIG_TAG, RETRAINING_TAG, RETRAINS_TAG, ROLE_TAG
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
    """What is to be trained: the same again is the same training, which is done once.

    `full`: on the training and the validation images; there is no best epoch then, and the last
    weights are kept.
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
        if self.epochs < 1:
            raise BadInputError(f"`epochs >= 1` must hold, got epochs={self.epochs}")

    def identity(self) -> str:
        """What tells it from others, as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def label(self) -> str:
        """A name for its folder, such as `trial-5-replicates-10-epochs-50-full`."""
        full = "-full" if self.full else ""
        return f"trial-{self.trial}-replicates-{self.replicates}-epochs-{self.epochs}{full}"

    def seeds(self, spec: StudySpec) -> list[int]:
        """One a replicate; none of them is of the search."""
        first = spec.seed + spec.replicates
        return list(range(first, first + self.replicates))

    def settings(self, record: TrialRecord) -> TrainingSettings:
        """Those of the trial, for as many epochs; in full, without validation, none stops before."""
        found = replace(TrainingSettings(**record.training), epochs=self.epochs)
        return replace(found, keep="last", patience=0) if self.full else found

    def config(self, record: TrialRecord, spec: StudySpec) -> TrialConfig:
        """What a worker trains."""
        return TrialConfig(
            number=self.trial,
            architecture=Architecture(**record.architecture),
            training=self.settings(record),
            seeds=tuple(self.seeds(spec)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A trial as the search saw it, and the same configuration trained anew.

    `record` has the fields of a trial; what was not measured, as validation when its images were
    trained on, is None. `new` says whether it was trained now, or found.
    """

    wanted: Retraining
    search: TrialRecord
    record: TrialRecord
    new: bool

    def agrees(self, metric: str) -> bool | None:
        """Whether the difference of both values of a metric is not real (`study.search.difference`).

        None if that cannot be said: a value or a standard error is missing.
        """
        values = [getattr(one, metric) for one in (self.search, self.record)]
        errors = [getattr(one, f"{metric}_sem") for one in (self.search, self.record)]
        if None in values or None in errors:
            return None
        return not is_real(values[0] - values[1], *errors)

    def to_dict(self) -> dict[str, Any]:
        """Both as JSON types."""
        return asdict(self) | {
            "agrees": {name: self.agrees(name) for name in _METRICS if not name.endswith("_sem")}
        }


def find_run(store: MlflowClient, experiment: str, wanted: Retraining) -> Run | None:
    """The finished run of a retraining, if there is one."""
    runs = _finished_runs(store, experiment, wanted.trial)
    matching = (run for run in runs if run.data.tags[RETRAINING_TAG] == wanted.identity())
    return next(matching, None)


def latest(store: MlflowClient, experiment: str, record: TrialRecord) -> Retrained | None:
    """The retraining of a trial that started last, if there is one."""
    run = next(iter(_finished_runs(store, experiment, record.trial)), None)
    if run is None:
        return None
    wanted = Retraining(**json.loads(run.data.tags[RETRAINING_TAG]))
    return retrained(run, wanted, record, new=False)


def retrained(run: Run, wanted: Retraining, search: TrialRecord, *, new: bool) -> Retrained:
    """What a finished run holds."""
    config, metrics = json.loads(run.data.tags[CONFIG_TAG]), run.data.metrics
    measured: dict[str, Any] = {name: metrics.get(name) for name in _METRICS}
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
        diagnostics={},  # those of the search are of other networks
        **measured,
    )
    return Retrained(wanted=wanted, search=search, record=record, new=new)


def _finished_runs(store: MlflowClient, experiment: str, trial: int) -> list[Run]:
    """The finished retrainings of a trial, the one that started last first."""
    where = f"{_RETRAINED} and tags.`{RETRAINS_TAG}` = '{trial}'"
    runs = store.search_runs([experiment], where, order_by=["attributes.start_time DESC"])
    return list(filter(_finished, runs))


def _finished(run: Run) -> bool:
    return str(run.info.status) == "FINISHED"


def choose_retrained(stored: StoredStudy, number: int | None, home: Home) -> TrialRecord:
    """The same trial as it was retrained last: with that run, its metrics and its replicates.

    Raises NotFoundError like `choose`, or if it was not retrained.
    """
    searched = choose(stored, number)
    with translated(home):
        found = latest(client(home), stored.parent.info.experiment_id, searched)
    if found is None:
        raise NotFoundError(
            f"trial {searched.trial} of study {stored.spec.name!r} was not retrained; "
            f"study retrain {stored.spec.name} {searched.trial} --replicates N does it"
        )
    return found.record


def retrainings(name: str, home: Home | None = None) -> list[Retrained]:
    """Every finished retraining of a study: by trial, the fewest replicates first.

    Raises NotFoundError if there is no such study.
    """
    stored = read_study(name, home or Home.find())
    with translated(stored.home):
        runs = all_runs(client(stored.home), stored.parent.info.experiment_id, _RETRAINED)
    wanted = [(run, Retraining(**json.loads(run.data.tags[RETRAINING_TAG]))) for run in runs]
    searched = {record.trial: record for record in stored.records} if wanted else {}
    found = [
        retrained(run, one, searched[one.trial], new=False)
        for run, one in wanted
        if _finished(run) and one.trial in searched
    ]
    return sorted(found, key=lambda one: (one.wanted.trial, one.wanted.replicates))
