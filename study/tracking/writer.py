"""The requests that put a study into MLflow, as few as can be. Used by `study.tracking.sender` alone.

Each event of a study is a method; what it says waits until `flush`, which sends what each run has: one
request that makes it, one with all parameters, metrics and tags, one that ends it. Whatever was sent
before may be said again: nothing is recorded twice.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, final

from mlflow.entities import Run

from study import study_folder
from study.home import Home
from study.spec.study_spec import StudySpec
from study.study_folder import LAYOUT, NETWORK, trial_folder
from study.tracking.runs import PARENT, PendingBatch, StoredRuns, number_of
from study.tracking.store import all_runs, client, make_store
from study.tracking.tags import (
    CONFIG_TAG,
    FRONT_TAG,
    LAYOUT_TAG,
    NOTICE_TAG,
    NUMBER_TAG,
    REASON_TAG,
    ROLE_TAG,
    RUN_STATUS,
    STATE_TAG,
    WORKER_TAG,
    spec_tags,
)

_CONSTANT: Final = frozenset({"trainable_parameters", "macs", "threads"})


@final
class MlflowWriter:
    """Writes one study. Timestamps are milliseconds since 1970.

    `states` says in which state each trial is, `running` tells whether the study is said to run.
    """

    def __init__(self, spec: StudySpec, home: Home) -> None:
        self._spec = spec
        self._store = study_folder.trials(home.study_folder(spec.name))
        make_store(home)
        self._client = client(home)
        self._experiment = self._open_experiment(home)
        self._runs = StoredRuns(self._client, self._experiment)
        self.states: dict[int, str] = {}
        self.running = False
        self._last_epoch: dict[int, int] = {}
        self._workers: dict[int, str] = {}
        self._fronts: dict[int, bool] = {}
        self._newest: dict[int, tuple[int, int, dict[str, float]]] = {}
        self._unsent: dict[int, PendingBatch] = {}
        for run in all_runs(self._client, self._experiment):
            self._know(run)

    def _open_experiment(self, home: Home) -> str:
        found = self._client.get_experiment_by_name(self._spec.name)
        if found is not None:
            return str(found.experiment_id)
        return self._client.create_experiment(
            self._spec.name,
            artifact_location=home.artifact_location,
            tags={LAYOUT_TAG: LAYOUT},
        )

    def _know(self, run: Run) -> None:
        """A run that the store has."""
        number = number_of(run)
        if number is None or not self._runs.know(number, run):
            return
        if "epochs" in run.data.metrics:
            self._last_epoch[number] = int(run.data.metrics["epochs"])
        if number == PARENT:
            self.running = run.info.status == "RUNNING"
        else:
            self.states[number] = run.data.tags[STATE_TAG]
            self._fronts[number] = run.data.tags.get(FRONT_TAG) == "true"

    def begin_study(self, timestamp: int, about: Mapping[str, str]) -> None:
        """Makes the parent run, or reopens it; `about` are further tags of it."""
        tags = {
            ROLE_TAG: "study",
            **spec_tags(self._spec),
            **about,
        }
        self.running = True
        unsent = self._waiting(PARENT)
        if PARENT in self.run_ids:
            unsent.status = ("RUNNING", None)
            unsent.tags |= tags
        else:
            unsent.create = (timestamp, self._spec.name, tags)
            unsent.status = None

    def begin_trial(
        self, number: int, timestamp: int, label: str, config: Mapping[str, Any]
    ) -> None:
        """Makes the run of a trial, or reopens the one that it has."""
        unsent = self._waiting(number)
        if number in self.run_ids:
            unsent.status = ("RUNNING", None)
            unsent.tags[STATE_TAG] = "RUNNING"
        else:
            tags = {
                ROLE_TAG: "trial",
                NUMBER_TAG: str(number),
                CONFIG_TAG: json.dumps(config),
                STATE_TAG: "RUNNING",
                FRONT_TAG: "false",
            }
            unsent.create = (timestamp, f"{number} {label}", tags)
            unsent.status = None
            unsent.tags.pop(STATE_TAG, None)
        self.states[number] = "RUNNING"
        settings = config["architecture"] | config["training"]
        settings |= {"dataset": self._spec.dataset.name, "replicates": len(config["seeds"])}
        # MLflow takes a parameter twice if its value is the same, as here.
        unsent.params = {key: str(value) for key, value in settings.items() if value is not None}

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
            self._waiting(number).add(epoch, timestamp, news)
            self._newest[number] = (epoch, timestamp, news)
            self._last_epoch[number] = epoch

    def end_trial(
        self,
        number: int,
        timestamp: int,
        state: str,
        reason: str | None,
        on_front: bool,  # noqa: FBT001  # of an event
    ) -> None:
        """Closes the run with its state; stores the network of a trial on the front, if it has one."""
        unsent = self._waiting(number)
        unsent.tags[STATE_TAG] = state
        if reason is not None:
            unsent.tags[REASON_TAG] = reason[:4000]
        unsent.network = trial_folder(self._store, number) / NETWORK if on_front else None
        unsent.newest = self._newest.pop(number, None)
        unsent.status = (RUN_STATUS[state], timestamp)
        self.states[number] = state

    def discard(self, number: int) -> None:
        """Deletes the folder of a trial, when all of it is recorded."""
        self._waiting(number).discard = trial_folder(self._store, number)

    def mark_front(self, changes: list[tuple[int, bool]]) -> None:
        """Sets the tag of trials that came to the front or left it."""
        for number, is_on_front in changes:
            if number in self.states and self._fronts.get(number, False) != is_on_front:
                self._fronts[number] = is_on_front
                self._waiting(number).tags[FRONT_TAG] = "true" if is_on_front else "false"

    def mark_worker(self, number: int, worker: str) -> None:
        """Sets the tag of the worker that trains a trial, if it changed."""
        if self._workers.get(number) != worker:
            self._workers[number] = worker
            self._waiting(number).tags[WORKER_TAG] = worker

    def mark_notice(self, number: int, notice: str) -> None:
        """Sets the tag of what happened to a trial on the way."""
        self._waiting(number).tags[NOTICE_TAG] = notice[:4000]

    def study_metrics(self, step: int, timestamp: int, metrics: Mapping[str, float]) -> None:
        """Adds metrics of the whole study; the step is the number of trials that ended."""
        self._waiting(PARENT).add(step, timestamp, metrics)

    def end_study(self, timestamp: int, status: str) -> None:
        """Closes the parent run with MLflow's status."""
        self.running = False
        self._waiting(PARENT).status = (status, timestamp)

    def interrupt(self, timestamp: int) -> None:
        """The driver died: whatever runs does so no more, and will be continued."""
        for number, state in list(self.states.items()):
            if state == "RUNNING":
                self.end_trial(number, timestamp, "INTERRUPTED", None, on_front=False)
        if PARENT in self.run_ids:
            self.end_study(timestamp, "KILLED")

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run of each trial, and of the parent."""
        return self._runs.run_ids

    @property
    def sent(self) -> int:
        """How much got through."""
        return self._runs.sent

    @property
    def waits(self) -> bool:
        """Whether anything waits for `flush`."""
        return bool(self._unsent)

    @property
    def parent(self) -> str | None:
        """The parent run, None before it is made."""
        return self.run_ids.get(PARENT)

    def apply(self, event: list[Any]) -> None:
        """Does what an event of the spool says."""
        method, *arguments = event
        event_of: Callable[..., None] = getattr(self, method)
        event_of(*arguments)

    def flush(self) -> None:
        """Sends everything that waits. If that fails, what was not sent still waits."""
        for number in sorted(self._unsent, key=lambda one: one != PARENT):
            self._runs.send(number, self._unsent[number], f"{self._spec.name}-{number}")
            del self._unsent[number]

    def refuse(self) -> tuple[str, dict[str, Any]]:
        """Takes out what `flush` failed at: the run that it was for, and what it was, if anything.

        No more than has to: a network, a step of metrics; where that is not enough, all of the run.
        """
        number = min(self._unsent, key=lambda one: one != PARENT)
        run_id = self.run_ids.get(number, "no run yet")
        refused = None if number not in self.run_ids else self._unsent[number].refuse()
        if refused is None:
            refused = self._unsent.pop(number).to_dict()
        return run_id, refused

    def tidy(self) -> None:
        """Deletes runs that were made twice."""
        self._runs.tidy()

    def _waiting(self, number: int) -> PendingBatch:
        return self._unsent.setdefault(number, PendingBatch())
