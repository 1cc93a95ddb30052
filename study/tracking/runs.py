"""The MLflow runs of a study, created and filled with few requests.

A run is created once, even if the response to the request is lost or late.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from study.home import Home
from study.study_folder import EXAMPLE, LAYOUT, delete_files
from study.tracking.artifacts import check_location
from study.tracking.logged_model import model_of, store_network, with_model
from study.tracking.pending_batch import PendingBatch
from study.tracking.seed_curves import FILE as CURVES
from study.tracking.tags import (
    FRONT_TAG,
    LAYOUT_TAG,
    MODEL_TAG,
    NUMBER_TAG,
    PARENT_TAG,
    RETRAINING_TAG,
    RETRAINS_TAG,
    ROLE_TAG,
)
from study.tracking.trial_table import TrialRows

PARENT: Final = -1
"""The key of the parent run; those of trials are their numbers."""


@final
@dataclass(frozen=True, slots=True)
class RunTags:
    """The tags that identify the runs of a search, or of retrainings, at most one of a trial.

    `retrainings` are the settings of those by trial, None for a search.
    """

    retrainings: Mapping[int, Mapping[str, Any]] | None = None

    @classmethod
    def of(cls, retrainings: str | None) -> "RunTags":
        """The tags for what `StudyFolder.retraining` returns."""
        if retrainings is None:
            return cls()
        return cls({settings["trial"]: settings for settings in json.loads(retrainings)})

    @property
    def role(self) -> str:
        """The role of the runs."""
        return "trial" if self.retrainings is None else "retrained"

    @property
    def _number_tag(self) -> str:
        return NUMBER_TAG if self.retrainings is None else RETRAINS_TAG

    def filter(self, number: int) -> str:
        """MLflow's filter for the runs of a trial, which include those of other retrainings of it."""
        return f"tags.`{ROLE_TAG}` = '{self.role}' and tags.`{self._number_tag}` = '{number}'"

    def of_trial(self, number: int) -> dict[str, str]:
        """The tags of the run of a trial."""
        tags = {ROLE_TAG: self.role, self._number_tag: str(number)}
        if self.retrainings is None:
            return tags | {FRONT_TAG: "false"}
        return tags | {RETRAINING_TAG: self._settings(number)}

    def number_of(self, run: Run) -> int | None:
        """The number of the trial of a run, `PARENT` for the parent, None for any other run."""
        tags = run.data.tags
        if tags.get(ROLE_TAG) == "study":
            return PARENT
        if tags.get(ROLE_TAG) != self.role:
            return None
        number = int(tags[self._number_tag])
        if self.retrainings is None:
            return number
        if number not in self.retrainings:
            return None
        return number if tags.get(RETRAINING_TAG) == self._settings(number) else None

    def _settings(self, number: int) -> str:
        """The value of the tag `RETRAINING_TAG`."""
        assert self.retrainings is not None  # noqa: S101  # of retrainings alone
        return json.dumps(self.retrainings[number], sort_keys=True)


@final
class StoredRuns:
    """The runs with certain tags in one experiment.

    `run_ids` has the run id of each number, `sent` is the number of successful requests. Tags and
    metrics are added to `rows`, if given.
    """

    def __init__(
        self, store: MlflowClient, experiment: str, tags: RunTags, rows: TrialRows | None
    ) -> None:
        self._client = store
        self._experiment = experiment
        self._tags = tags
        self._rows = rows
        self.run_ids: dict[int, str] = {}
        self.sent = 0
        self._doubtful: set[int] = set()
        self._repeated: set[int] = set()

    def know(self, number: int, run: Run) -> bool:
        """Adds a run of the store; returns whether it is the chosen one of its number.

        If an earlier sender created two runs of a number, every process chooses the same one.
        """
        if number in self.run_ids:
            self._repeated.add(number)
            if run.info.run_id > self.run_ids[number]:
                return False
        self.run_ids[number] = run.info.run_id
        if number != PARENT and self._rows is not None:
            self._rows.take(run)
        return True

    def tidy(self) -> None:
        """Deletes duplicate runs, which were created because a response was lost or late."""
        for number in sorted(self._repeated):
            for run_id in self._find(number):
                if run_id != self.run_ids[number]:
                    self._client.delete_run(run_id)
            self._repeated.discard(number)

    def send(self, number: int, unsent: PendingBatch, model_name: str) -> None:
        """Sends the changes of a run; after an error, the rest remains in `unsent`."""
        if unsent.create is not None:
            self._create(number, *unsent.create)
            unsent.create = None
            self._count()
        run_id = self.run_ids[number]
        self._send_artifacts(run_id, unsent, model_name)
        if unsent.result is not None:
            unsent.add(*unsent.result)
            unsent.result = None
        for batch in unsent.batches():
            self._client.log_batch(run_id, *batch)
            self._note(number, *batch)
            unsent.sent(batch)
            self._count()
        if unsent.status is not None:
            status, timestamp = unsent.status
            if timestamp is None:
                self._client.update_run(run_id, status=status)
            else:
                self._client.set_terminated(run_id, status=status, end_time=timestamp)
            unsent.status = None
        if unsent.discard is not None:
            delete_files(unsent.discard, keep_checkpoint=unsent.keep_checkpoint)

    def _send_artifacts(self, run_id: str, unsent: PendingBatch, model_name: str) -> None:
        """Sends the network and the curves of a run."""
        if unsent.network is not None and unsent.network.with_name(EXAMPLE).exists():
            model = model_of(self._client, self._experiment, run_id, model_name)
            store_network(self._client, model, unsent.network, self._count)
            unsent.tags[MODEL_TAG] = model.model_id
            if not unsent.steps and unsent.newest is not None:
                # These were sent without the model; MLflow stores each point once.
                unsent.add(*unsent.newest)
            if unsent.steps:
                unsent.steps[-1] = with_model(unsent.steps[-1], model.model_id)
        unsent.network = None
        if unsent.curves is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / CURVES
                file.write_text(unsent.curves, encoding="utf-8")
                self._client.log_artifact(run_id, str(file))
            unsent.curves = None
            self._count()

    def _count(self) -> None:
        self.sent += 1

    def _note(self, number: int, metrics: list[Metric], _: list[Param], tags: list[RunTag]) -> None:
        if number != PARENT and self._rows is not None:
            texts = {tag.key: tag.value for tag in tags}
            values = [(metric.key, metric.value) for metric in metrics]
            self._rows.add(number, self.run_ids[number], texts, values)

    def _create(self, number: int, timestamp: int, name: str, tags: dict[str, str]) -> None:
        if number in self._doubtful:
            # The run may exist, and only the response be lost.
            self._repeated.add(number)
            for run_id in self._find(number)[:1]:
                self.run_ids[number] = run_id
        if number not in self.run_ids:
            if number != PARENT:
                tags = tags | {PARENT_TAG: self.run_ids[PARENT]}
            self._doubtful.add(number)
            run = self._client.create_run(
                self._experiment, start_time=timestamp, run_name=name, tags=tags
            )
            self.run_ids[number] = run.info.run_id
        self._doubtful.discard(number)
        if number != PARENT and self._rows is not None:
            self._rows.add(number, self.run_ids[number], tags)

    def _find(self, number: int) -> list[str]:
        """The ids of the runs of a trial or the parent in the store, the chosen one first."""
        where = f"tags.`{ROLE_TAG}` = 'study'" if number == PARENT else self._tags.filter(number)
        runs = self._client.search_runs(
            [self._experiment], where, order_by=["attributes.run_id ASC"]
        )
        return [str(run.info.run_id) for run in runs if self._tags.number_of(run) == number]


def open_experiment(client: MlflowClient, name: str, home: Home) -> str:
    """The id of the experiment of a study, which is created if needed."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        new = client.create_experiment(
            name, artifact_location=home.artifact_location, tags={LAYOUT_TAG: LAYOUT}
        )
        experiment = client.get_experiment(new)
    check_location(experiment.artifact_location, home)
    return str(experiment.experiment_id)
