"""The runs of a study in MLflow, made and filled with as few requests as can be.

A run is made once, also where the answer of the request that made it was lost or came late.
"""

import shutil
from typing import Final, final

from mlflow import MlflowClient
from mlflow.entities import Run

from study.study_folder import EXAMPLE
from study.tracking.logged_model import model_of, store_network, with_model
from study.tracking.tags import MODEL_TAG, NUMBER_TAG, PARENT_TAG, ROLE_TAG
from study.tracking.unsent import Unsent

PARENT: Final = -1
"""Stands for the parent run where trials stand with their numbers."""


@final
class StoredRuns:
    """The runs of one experiment.

    `run_ids` has the run of each number, `sent` counts what got through.
    """

    def __init__(self, store: MlflowClient, experiment: str) -> None:
        self._client = store
        self._experiment = experiment
        self.run_ids: dict[int, str] = {}
        self.sent = 0
        self._doubtful: set[int] = set()
        self._repeated: set[int] = set()

    def know(self, number: int, run: Run) -> bool:
        """Takes note of a run that the store has; whether it is the one that counts.

        Of two of a number, which an earlier sender made, all choose the same.
        """
        if number in self.run_ids:
            self._repeated.add(number)
            if run.info.run_id > self.run_ids[number]:
                return False
        self.run_ids[number] = run.info.run_id
        return True

    def tidy(self) -> None:
        """Deletes runs that were made twice, since the first one's answer was lost or came late."""
        for number in sorted(self._repeated):
            for run_id in self._find(number):
                if run_id != self.run_ids[number]:
                    self._client.delete_run(run_id)
            self._repeated.discard(number)

    def send(self, number: int, unsent: Unsent, model_name: str) -> None:
        """Sends what waits for a run; if that fails, what is left waits on."""
        if unsent.create is not None:
            self._create(number, *unsent.create)
            unsent.create = None
            self._count()
        run_id = self.run_ids[number]
        if unsent.network is not None and unsent.network.with_name(EXAMPLE).exists():
            model = model_of(self._client, self._experiment, run_id, model_name)
            store_network(self._client, model, unsent.network, self._count)
            unsent.tags[MODEL_TAG] = model.model_id
            if not unsent.steps and unsent.newest is not None:
                # They were sent, but not as the model's; MLflow keeps each once.
                unsent.add(*unsent.newest)
            if unsent.steps:
                unsent.steps[-1] = with_model(unsent.steps[-1], model.model_id)
        unsent.network = None
        for batch in unsent.batches():
            self._client.log_batch(run_id, *batch)
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
            shutil.rmtree(unsent.discard, ignore_errors=True)

    def _count(self) -> None:
        self.sent += 1

    def _create(self, number: int, timestamp: int, name: str, tags: dict[str, str]) -> None:
        if number in self._doubtful:
            # The answer may have been lost, and not the request.
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

    def _find(self, number: int) -> list[str]:
        """The runs that the store has of a trial, or as the parent."""
        where = (
            f"tags.`{ROLE_TAG}` = 'study'"
            if number == PARENT
            else f"tags.`{ROLE_TAG}` = 'trial' and tags.`{NUMBER_TAG}` = '{number}'"
        )
        found = self._client.search_runs([self._experiment], where, order_by=["attributes.run_id"])
        return [str(run.info.run_id) for run in found]


def number_of(run: Run) -> int | None:
    """The number of the trial that a run is of, `PARENT` for the parent, None of any other run."""
    role = run.data.tags.get(ROLE_TAG)
    if role == "study":
        return PARENT
    return int(run.data.tags[NUMBER_TAG]) if role == "trial" else None
