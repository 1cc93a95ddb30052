"""Writes the events of a study to MLflow with few requests, for `study.tracking.sender`.

`apply` adds an event. `flush` sends, for each run, one request that creates it, one with parameters,
metrics and tags, one with the curves of its replicates, and one that ends it. An event that is applied
twice is recorded once.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, final

from mlflow.entities import Run

from study.home import Home
from study.search.pooling import REPLICATES
from study.spec.study_spec import StudySpec
from study.study_folder import NETWORK, StudyFolder, trial_folder
from study.tracking import tags
from study.tracking.events import (
    Event,
    FrontChanged,
    ReplicatesReported,
    StudyBegun,
    StudyEnded,
    StudyReported,
    TrialBegun,
    TrialConfirmed,
    TrialEnded,
    TrialNoticed,
    TrialReported,
)
from study.tracking.pending_batch import PendingBatch
from study.tracking.runs import PARENT, RunTags, StoredRuns, open_experiment
from study.tracking.store import all_runs, client, make_store
from study.tracking.trial_result import description, result_metrics
from study.tracking.trial_table import TrialRows

_CONSTANT: Final = frozenset(
    {"trainable_parameters", "macs", "wiring_bits", "stored_bytes", "threads"}
)


@final
class MlflowWriter:
    """Writes a study, or retrainings, which have no parent run, table and report of their own.

    `states` has the recorded state of each trial, `running` whether a driver is recorded as running;
    `interrupt` ends both after the death of a driver. Timestamps are milliseconds since 1970.
    """

    def __init__(self, spec: StudySpec, home: Home, folder: StudyFolder) -> None:
        self._spec = spec
        self._trials = folder.trials
        self._teachers = folder.teachers
        make_store(home)
        self._client = client(home)
        self._experiment = open_experiment(self._client, spec.name, home)
        self._tags = RunTags.of(folder.retraining())
        self._rows = TrialRows(spec) if self._is_search else None
        self._runs = StoredRuns(self._client, self._experiment, self._tags, self._rows)
        self.states: dict[int, str] = {}
        self.running = False
        self._last_epoch: dict[int, int] = {}
        self._trained_by: dict[int, dict[str, str]] = {}
        self._fronts: dict[int, bool] = {}
        self._confirmed: dict[int, float] = {}  # the replicates of the recorded confirmations
        self._newest: dict[int, tuple[int, int, dict[str, float]]] = {}
        self._reported: dict[int, Mapping[str, float]] = {}  # also of ended ones, to end them again
        self._unsent: dict[int, PendingBatch] = {}
        for run in all_runs(self._client, self._experiment):
            self._know(run)

    def _know(self, run: Run) -> None:
        """Adds a run of the store."""
        number = self._tags.number_of(run)
        if number is None or not self._runs.know(number, run):
            return
        if "epochs" in run.data.metrics:
            self._last_epoch[number] = int(run.data.metrics["epochs"])
        running = run.info.status == "RUNNING"
        if number == PARENT:
            self.running = running and self._is_search
            return
        self.running = self.running or (running and not self._is_search)
        self.states[number] = run.data.tags[tags.STATE_TAG]
        own = {name: value for name, value in run.data.metrics.items() if "/" not in name}
        self._reported[number] = own
        self._fronts[number] = run.data.tags.get(tags.FRONT_TAG) == "true"
        if REPLICATES in run.data.metrics:
            self._confirmed[number] = run.data.metrics[REPLICATES]

    def apply(self, event: Event) -> None:
        """Adds an event to the next `flush`."""
        match event:
            case StudyBegun():
                self._begin_study(event)
            case TrialBegun():
                self._begin_trial(event)
            case TrialReported():
                self._report(event)
            case ReplicatesReported() | TrialNoticed():
                self._tag(event)
            case TrialEnded():
                self._end_trial(event)
            case FrontChanged() | TrialConfirmed():
                self._select(event)
            case StudyReported(step=step, timestamp=timestamp, metrics=metrics):
                self._waiting(PARENT).add(step, timestamp, metrics)
            case StudyEnded(timestamp=timestamp, status=status):
                self.running = False
                if self._is_search:
                    self._waiting(PARENT).status = (status, timestamp)

    def _begin_study(self, event: StudyBegun) -> None:
        """Creates or reopens the parent run."""
        self.running = True
        if not self._is_search:
            return
        about = {tags.ROLE_TAG: "study", **tags.spec_tags(self._spec), **event.tags}
        unsent = self._waiting(PARENT)
        if PARENT in self.run_ids:
            unsent.status = ("RUNNING", None)
            unsent.tags |= about
        else:
            unsent.create = (event.timestamp, self._spec.name, about)
            unsent.status = None

    def _begin_trial(self, event: TrialBegun) -> None:
        """Creates or reopens the run of a trial."""
        trial, number = event.trial, event.trial.number
        unsent = self._waiting(number)
        if number in self.run_ids:
            unsent.status = ("RUNNING", None)
            unsent.tags[tags.STATE_TAG] = "RUNNING"
        else:
            about = self._tags.of_trial(number) | {
                tags.CONFIG_TAG: json.dumps(trial.to_dict()),
                tags.STATE_TAG: "RUNNING",
            }
            others = {tags.START_TAG: trial.start, tags.CONTINUES_TAG: trial.continues}
            about |= {tag: str(value) for tag, value in others.items() if value is not None}
            name = f"{number} {trial.architecture.label()}"
            name += "" if trial.continues is None else f" continues {trial.continues}"
            name += "" if self._is_search else f" {self._tags.role}"
            unsent.create = (event.timestamp, name, about)
            unsent.status = None
            unsent.tags.pop(tags.STATE_TAG, None)
        self.states[number] = "RUNNING"
        settings = asdict(trial.architecture) | asdict(trial.training)
        settings |= {"dataset": self._spec.dataset.label, "replicates": len(trial.seeds)}
        if self._tags.retrainings is not None:
            settings |= {"full": self._tags.retrainings[number]["full"]}
        # MLflow accepts a parameter again if its value is the same.
        unsent.params = {key: str(value) for key, value in settings.items() if value is not None}

    def _report(self, event: TrialReported) -> None:
        """Adds the metrics of an epoch, unless they are recorded.

        A resumed trial reports all its epochs again, with equal values.
        """
        number, epoch = event.number, event.epoch
        self._reported[number] = event.metrics
        trained_by = {tags.WORKER_TAG: event.worker, tags.ENGINE_TAG: event.engine}
        known_tags = self._trained_by.setdefault(number, {})
        for tag, value in trained_by.items():
            if value is not None and known_tags.get(tag) != value:
                known_tags[tag] = self._waiting(number).tags[tag] = value
        if epoch > self._last_epoch.get(number, -1):
            # Constants are written once: each value of a metric is a row in the database.
            known = _CONSTANT if number in self._last_epoch else frozenset()
            metrics = {name: event.metrics[name] for name in event.metrics if name not in known}
            self._waiting(number).add(epoch, event.timestamp, metrics)
            self._newest[number] = (epoch, event.timestamp, metrics)
            self._last_epoch[number] = epoch

    def _tag(self, event: ReplicatesReported | TrialNoticed) -> None:
        """Sets the tag of an event, which replaces that of an earlier one."""
        waiting = self._waiting(event.number).tags
        if isinstance(event, TrialNoticed):
            waiting[tags.NOTICE_TAG] = event.notice[:4000]
        else:
            waiting[tags.REPLICATES_TAG] = tags.replicates_text(event.metrics)

    def _end_trial(self, event: TrialEnded) -> None:
        """Ends the run with its state, and stores the network, if requested and present.

        The folder of the trial is deleted once all is recorded, unless the trial is to be resumed.
        """
        number, unsent = event.number, self._waiting(event.number)
        folder = trial_folder(self._trials, number)
        unsent.tags[tags.STATE_TAG] = event.state
        if event.reason is not None:
            unsent.tags[tags.REASON_TAG] = event.reason[:4000]
        unsent.network = folder / NETWORK if event.keep_network else None
        unsent.curves = event.curves
        unsent.newest = self._newest.pop(number, None)
        if self._is_search:
            metrics = self._reported.pop(number, {})
            unsent.tags[tags.DESCRIPTION_TAG] = description(self._spec.name, event, metrics)
            result = result_metrics(self._spec, event, metrics)
            unsent.result = (int(metrics.get("epochs", 0)), event.timestamp, result)
        unsent.status = (tags.RUN_STATUS[event.state], event.timestamp)
        if event.state != "INTERRUPTED":
            unsent.discard = folder
            unsent.keep_checkpoint = event.keep_checkpoint
        self.states[number] = event.state

    def _select(self, event: FrontChanged | TrialConfirmed) -> None:
        """Sets the tags of trials that joined or left the front, or the metrics of a confirmation."""
        if isinstance(event, TrialConfirmed):
            self._confirm(event)
            return
        for number, is_on_front in event.changes.items():
            if number in self.states and self._fronts.get(number, False) != is_on_front:
                self._fronts[number] = is_on_front
                self._waiting(number).tags[tags.FRONT_TAG] = "true" if is_on_front else "false"

    def _confirm(self, event: TrialConfirmed) -> None:
        """Adds the metrics of a confirmation, unless they are recorded."""
        number, metrics = event.number, event.metrics
        if number in self.states and self._confirmed.get(number) != metrics[REPLICATES]:
            self._confirmed[number] = metrics[REPLICATES]
            epoch = self._last_epoch.get(number, 0)
            self._waiting(number).add(epoch, event.timestamp, metrics)

    def reopen(self) -> None:
        """Reopens a study that an earlier sender ended."""
        self._begin_study(StudyBegun(tags={}))

    def interrupt(self) -> None:
        """Ends study and trials as interrupted, after the death of the driver."""
        for number, state in list(self.states.items()):
            if state == "RUNNING":
                self.apply(TrialEnded(number=number, state="INTERRUPTED"))
        if PARENT in self.run_ids:
            self.apply(StudyEnded(status="KILLED"))

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run ids of the trials and of the parent."""
        return self._runs.run_ids

    @property
    def sent(self) -> int:
        """The number of successful requests."""
        return self._runs.sent

    @property
    def waits(self) -> bool:
        """Whether `flush` has anything to send."""
        return bool(self._unsent)

    @property
    def _is_search(self) -> bool:
        """Whether the parent run, the table and the report are written too."""
        return self._tags.retrainings is None

    @property
    def parent(self) -> str | None:
        """The id of the parent run; None before it is created, and for a retraining."""
        return self.run_ids.get(PARENT) if self._is_search else None

    def flush(self) -> None:
        """Sends all changes; after an error, the rest is kept."""
        for number in sorted(self._unsent, key=lambda one: one != PARENT):
            name = f"{self._spec.name}-{number}"
            name += "" if self._is_search else f"-{self._tags.role}"
            self._runs.send(number, self._unsent[number], name)
            del self._unsent[number]

    def refuse(self) -> tuple[str, dict[str, Any]]:
        """Removes the part that the store refused in `flush`; returns the run and this part.

        The part is a network, curves, a step of metrics, or, if that does not suffice, all changes of
        the run.
        """
        number = min(self._unsent, key=lambda one: one != PARENT)
        run_id = self.run_ids.get(number, "no run yet")
        refused = None if number not in self.run_ids else self._unsent[number].refuse()
        if refused is None:
            refused = self._unsent.pop(number).to_dict()
        return run_id, refused

    def tidy(self) -> None:
        """Deletes duplicate runs."""
        self._runs.tidy()

    def store_table(self) -> None:
        """Stores the table of trials, if it changed, and the logits of teachers with the first one."""
        if self.parent is not None and self._rows is not None:
            self._rows.store(self._client, self.parent, self._teachers)

    def withdraw_table(self) -> None:
        """Removes the tag of the table, so that readers use the runs. Raises MLflow's errors."""
        if self.parent is not None and self._rows is not None:
            self._rows.withdraw(self._client, self.parent)

    def _waiting(self, number: int) -> PendingBatch:
        return self._unsent.setdefault(number, PendingBatch())
