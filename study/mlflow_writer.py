"""The requests that put a study into MLflow, as few as can be. Used by `study.tracking` alone."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from mlflow.entities import Metric, Param, RunTag

from study import layout
from study.embedded_store import make_store
from study.home import Home
from study.reader import all_runs, client
from study.spec import StudySpec

_CONSTANT: Final = frozenset({"trainable_parameters", "macs", "threads"})
_METRICS_A_REQUEST: Final = 800  # MLflow's limit is 1,000 entities, parameters and tags included


@dataclass(slots=True)
class _Unsent:
    """What waits to be sent to one run."""

    metrics: list[Metric] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    tags: list[RunTag] = field(default_factory=list)


@final
class MlflowWriter:
    """Writes one study; metrics, parameters and tags wait for `flush`, one request a run.

    `identity` is that of the search; `states` says in which state the store has each trial.
    """

    def __init__(self, spec: StudySpec, home: Home, identity: str) -> None:
        self._spec = spec
        self._identity = identity
        make_store(home)
        self._client = client(home)
        self._unsent: dict[str, _Unsent] = {}
        self._experiment = self._open_experiment(home)
        self._parent: str | None = None
        self.run_ids: dict[int, str] = {}
        self._last_epoch: dict[int, int] = {}
        self._workers: dict[int, str] = {}
        self.states: dict[int, str] = {}
        self.find_runs()
        self._open_parent()

    def _open_experiment(self, home: Home) -> str:
        found = self._client.get_experiment_by_name(self._spec.name)
        if found is not None:
            return str(found.experiment_id)
        return self._client.create_experiment(
            self._spec.name,
            artifact_location=home.artifact_location,
            tags={layout.LAYOUT_TAG: layout.LAYOUT},
        )

    def find_runs(self) -> None:
        """Finds the runs that the store has: of a study that goes on, or after a lost answer."""
        for run in all_runs(self._client, self._experiment):
            tags = run.data.tags
            if tags.get(layout.ROLE_TAG) == "study":
                self._parent = run.info.run_id
            elif layout.NUMBER_TAG in tags:
                number = int(tags[layout.NUMBER_TAG])
                self.run_ids[number] = run.info.run_id
                if "epochs" in run.data.metrics:
                    self._last_epoch[number] = int(run.data.metrics["epochs"])
                self.states[number] = tags[layout.STATE_TAG]

    def _open_parent(self) -> None:
        spec = self._spec.to_dict()
        if self._parent is None:
            tags = {
                layout.ROLE_TAG: "study",
                layout.IDENTITY_TAG: self._identity,
                layout.SPEC_TAG: json.dumps(spec),
            }
            run = self._client.create_run(self._experiment, run_name=self._spec.name, tags=tags)
            self._parent = str(run.info.run_id)
        else:
            self._client.update_run(self._parent, status="RUNNING")
            self._client.set_tag(self._parent, layout.SPEC_TAG, json.dumps(spec))
        self._client.log_dict(self._parent, spec, "spec.json")

    @property
    def _parent_id(self) -> str:
        assert self._parent is not None  # noqa: S101  # set by _open_parent
        return self._parent

    def begin_trial(self, number: int, label: str, config: Mapping[str, Any]) -> None:
        """Makes the run of a trial, or reopens the one that it has."""
        if number in self.run_ids:
            self._client.update_run(self.run_ids[number], status="RUNNING")
            self._tag(self.run_ids[number], layout.STATE_TAG, "RUNNING")
        else:
            tags = {
                layout.PARENT_TAG: self._parent_id,
                layout.ROLE_TAG: "trial",
                layout.NUMBER_TAG: str(number),
                layout.CONFIG_TAG: json.dumps(config),
                layout.STATE_TAG: "RUNNING",
                layout.FRONT_TAG: "false",
            }
            run = self._client.create_run(self._experiment, run_name=f"{number} {label}", tags=tags)
            self.run_ids[number] = run.info.run_id
        settings = config["architecture"] | config["training"]
        settings |= {"dataset": self._spec.dataset.name, "replicates": len(config["seeds"])}
        # MLflow takes a parameter twice if its value is the same, as here.
        self._waiting(self.run_ids[number]).params.extend(
            Param(key, str(value)) for key, value in settings.items() if value is not None
        )

    def trial_metrics(
        self, number: int, epoch: int, timestamp: int, metrics: Mapping[str, float]
    ) -> None:
        """Adds the metrics of an epoch, unless the run has it.

        A trial that goes on reports all its epochs again, and gives the same numbers.
        """
        if epoch > self._last_epoch.get(number, -1):
            # What never changes is written once: every value of a metric is a row in a table.
            known = number in self._last_epoch
            news = {name: metrics[name] for name in metrics if not (known and name in _CONSTANT)}
            self._add(self.run_ids[number], epoch, timestamp, news)
            self._last_epoch[number] = epoch

    def end_trial(self, number: int, state: str, reason: str | None, network: Path | None) -> None:
        """Stores the network if there is one, and closes the run with its state."""
        run_id = self.run_ids[number]
        self._tag(run_id, layout.STATE_TAG, state)
        if reason is not None:
            self._tag(run_id, layout.REASON_TAG, reason[:4000])
        if network is not None and network.exists():
            self._client.log_artifacts(run_id, str(network), layout.MODEL_FOLDER)
        self._flush(run_id)
        self._client.set_terminated(run_id, status=layout.RUN_STATUS[state])

    def mark_front(self, changes: Mapping[int, bool]) -> None:
        """Sets the tag of trials that came to the front or left it."""
        for number, is_on_front in changes.items():
            if number in self.run_ids:
                tag = "true" if is_on_front else "false"
                self._tag(self.run_ids[number], layout.FRONT_TAG, tag)

    def mark_worker(self, number: int, worker: str) -> None:
        """Sets the tag of the worker that trains a trial, if it changed."""
        if self._workers.get(number) != worker:
            self._workers[number] = worker
            self._tag(self.run_ids[number], layout.WORKER_TAG, worker)

    def mark_notice(self, number: int, notice: str) -> None:
        """Sets the tag of what happened to a trial on the way."""
        self._tag(self.run_ids[number], layout.NOTICE_TAG, notice[:4000])

    def discard(self, folder: Path) -> None:
        """Deletes the folder of a trial of which all is recorded."""
        shutil.rmtree(folder, ignore_errors=True)

    def study_metrics(self, step: int, timestamp: int, metrics: Mapping[str, float]) -> None:
        """Adds metrics of the whole study; the step is the number of trials that ended."""
        self._add(self._parent_id, step, timestamp, metrics)

    def end_study(self, status: str, front: Mapping[str, Any]) -> None:
        """Stores the front as JSON, and closes the parent run."""
        self._client.log_dict(self._parent_id, dict(front), "front.json")
        self._flush(self._parent_id)
        self._client.set_terminated(self._parent_id, status=status)

    def flush(self) -> None:
        """Sends everything that waits."""
        for run_id in list(self._unsent):
            self._flush(run_id)

    def _waiting(self, run_id: str) -> _Unsent:
        return self._unsent.setdefault(run_id, _Unsent())

    def _tag(self, run_id: str, key: str, value: str) -> None:
        tags = self._waiting(run_id).tags
        tags[:] = [tag for tag in tags if tag.key != key]
        tags.append(RunTag(key, value))

    def _add(self, run_id: str, step: int, timestamp: int, metrics: Mapping[str, float]) -> None:
        waiting = self._waiting(run_id).metrics
        waiting.extend(Metric(key, value, timestamp, step) for key, value in metrics.items())
        if len(waiting) > _METRICS_A_REQUEST:
            self._flush(run_id)

    def _flush(self, run_id: str) -> None:
        unsent = self._unsent.get(run_id)
        if unsent is None:
            return
        while unsent.metrics or unsent.params or unsent.tags:
            metrics = unsent.metrics[:_METRICS_A_REQUEST]
            self._client.log_batch(run_id, metrics, unsent.params, unsent.tags)
            unsent.metrics = unsent.metrics[_METRICS_A_REQUEST:]
            unsent.params, unsent.tags = [], []
        del self._unsent[run_id]


def now() -> int:
    """Milliseconds since 1970, as MLflow wants them."""
    return int(time.time() * 1000)
