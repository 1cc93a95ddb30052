"""Confirms the front when the search has ended: trains its trials with further seeds.

Each is a retraining (`study.results.retrained_run`) with the study's epochs: a run of its own in MLflow,
with curves, checkpoints and a network. All of them share one run of Ray Tune, one spool and one sender,
in a folder of the study. The results are stored with the search.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import final

from study.cluster.capacity import Capacity
from study.results.retrained_run import Retraining, find_run
from study.runner.callback import TrialCallback
from study.runner.confirmation_records import (
    configuration_of,
    finish_confirmation,
    give_up_others,
    recorded,
    retraining_of,
)
from study.runner.given_trials import GivenTrials, OnEnd
from study.runner.observer import Observer
from study.runner.resume import mark_front, record_confirmation
from study.runner.session import Session
from study.runner.trial_files import TrialStorage
from study.runner.tuner import LackOfMemoryError, run_tuner, tuner, worker_settings
from study.search.confirmation import Confirmation, confirmations_of, note_confirmation
from study.search.scheduler import Halving
from study.search.stored_trial import metrics_of
from study.search.trial import Outcome, TrialConfig
from study.study_folder import StudyFolder
from study.tracking.store import client, translated
from study.tracking.tracker import Tracker


def confirm(session: Session, capacity: Capacity) -> None:
    """Trains the trials of the front that are left to confirm, as many at once as fit.

    The results of trials that ended are stored at once; the others continue from their checkpoints when
    the study is run again. Raises TrackingError if the store does not take the records.
    """
    numbers = session.unconfirmed()
    if not numbers:
        finish_confirmation(session)
        return
    session.stop.withdraw()
    session.stop.disregard_clock()
    session.progress.notify(
        f"confirming the trials on the front with {session.spec.budget.confirm} further seeds: "
        f"{', '.join(map(str, numbers))}"
    )
    give_up_others(session)
    with recorded(session) as (folder, tracker):
        end = _Ends(session, tracker)
        left = _left_to_train(session, tracker, numbers)
        configs = [configuration_of(session, retraining_of(session, number)) for number in left]
        trials = GivenTrials(configs, end, capacity)
        observer = _Observer(session, trials, end)
        folder.trials.mkdir(parents=True, exist_ok=True)
        try:
            while trials.left and session.stop.reason is None:
                _run(
                    session,
                    folder,
                    trials,
                    capacity,
                    TrialCallback(tracker, session.stop, observer),
                )
        finally:
            for config in trials.running:
                tracker.interrupt_trial(config.number)
    mark_front(session.spec, session.storage, session.tracker)
    _notify_difference(session)


def _left_to_train(session: Session, tracker: Tracker, numbers: list[int]) -> list[int]:
    """The trials but those that `study retrain` trains, or has trained, with the same seeds.

    The results of the latter are read from the store.
    """
    states, left = tracker.wait_until_ready(), []
    for number in numbers:
        wanted = retraining_of(session, number)
        if session.folder.of_retraining(wanted.label()).is_driven():
            session.progress.notify(
                f"trial {number} is not confirmed now, as `study retrain` trains it with the same "
                "seeds; the same command confirms it later"
            )
        elif states.get(number) != "COMPLETE" or not _taken_over(session, wanted):
            left.append(number)
    return left


def _taken_over(session: Session, wanted: Retraining) -> bool:
    """Stores and records the result of a finished retraining; returns whether there is one."""
    with translated(session.home):
        store = client(session.home)
        experiment = store.get_experiment_by_name(session.spec.name)
        run = None if experiment is None else find_run(store, experiment.experiment_id, wanted)
    if run is None:
        return False
    confirmation = Confirmation.of(wanted.replicates, run.data.metrics)
    note_confirmation(session.storage.study, wanted.trial, confirmation)
    record_confirmation(session.tracker, wanted.trial, confirmation)
    return True


def _run(
    session: Session,
    folder: StudyFolder,
    trials: GivenTrials,
    capacity: Capacity,
    callback: TrialCallback,
) -> None:
    """Runs Ray Tune once; where memory runs out it ends, and trials then run one by one."""
    try:
        run_tuner(
            tuner(
                folder,
                settings=worker_settings(
                    session.dataset, session.logits, session.spec.resources.engine
                ),
                storage=TrialStorage.here(folder.trials, alone=capacity.alone),
                share=capacity.share,
                callback=callback,
                stop=session.stop,
                searcher=trials,
                scheduler=Halving(session.spec, rungs=()),
            )
        )
    except LackOfMemoryError as error:
        lost = ", ".join(map(str, trials.on_lost_memory(str(error))))
        session.progress.notify(f"memory ran out while these were confirmed: {lost}: {error}")


def _notify_difference(session: Session) -> None:
    """Prints by how much the search's accuracies were too good, on average over the front."""
    trials, known = session.storage.trials(), confirmations_of(session.storage.study)
    pairs = [
        (metrics_of(trials[number]).get("val_accuracy"), known[number].metrics.get("val_accuracy"))
        for number in session.budget.front.points
        if number in known
    ]
    differences = [search - own for search, own in pairs if search is not None and own is not None]
    if differences:
        session.progress.notify(
            f"the front's validation accuracy is {100 * abs(fmean(differences)):.2f} points "
            f"{'lower' if fmean(differences) > 0 else 'higher'} with further seeds than in the search, "
            f"on average over {len(differences)} trial{'s' if len(differences) > 1 else ''}"
        )


@final
class _Ends:
    """Stores and records how confirmations end."""

    def __init__(self, session: Session, tracker: Tracker) -> None:
        self._session = session
        self._tracker = tracker

    def __call__(self, config: TrialConfig, outcome: Outcome, metrics: Mapping[str, float]) -> None:
        number, session = config.number, self._session
        if outcome.state == "PRUNED":  # the study is stopped
            self._tracker.interrupt_trial(number)
            return
        confirmation = Confirmation(replicates=len(config.seeds), reason=outcome.reason)
        if outcome.state == "COMPLETE":
            confirmation = Confirmation.of(len(config.seeds), metrics)
        note_confirmation(session.storage.study, number, confirmation)
        self._tracker.end_trial(number, outcome, keep_network=outcome.state == "COMPLETE")
        record_confirmation(session.tracker, number, confirmation)
        if outcome.reason is not None:
            session.progress.notify(f"trial {number} is not confirmed: {outcome.reason}")


@final
class _Observer(Observer):
    """Passes messages on, and ends trials after errors that only Ray knows."""

    def __init__(self, session: Session, trials: GivenTrials, end: OnEnd) -> None:
        super().__init__(session.progress.notify, session.progress.update)
        self._trials = trials
        self._end = end

    def begin(self, config: TrialConfig) -> None:
        """Notes that a worker has the trial."""
        self._trials.begun.add(config.number)

    def fail(self, config: TrialConfig, reason: str) -> None:
        """Ends a trial whose workers died, unless it is handed out again."""
        if not self._trials.is_left(config.number):
            self._end(config, Outcome(state="FAIL", reason=reason), {})
