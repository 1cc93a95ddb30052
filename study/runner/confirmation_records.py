"""The records of a confirmation: folder, spool and sender; and what earlier ones left behind."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from study.errors import TrackingError
from study.results.retrained_run import Retraining
from study.runner.resume import history_of, store_spec
from study.runner.session import Session
from study.search.confirmation import Confirmation, confirmations_of
from study.search.stored_trial import config_of, planned_epochs
from study.search.trial import Outcome, TrialConfig
from study.study_folder import StudyFolder, trial_folder
from study.tracking.tracker import Tracker

_FRONT: Final = "front-"  # and the replicates: the folder of a confirmation
_GIVEN_UP: Final = (
    "the study has grown since this was interrupted, and confirms other trials or seeds"
)


def retraining_of(session: Session, number: int) -> Retraining:
    """The retraining that confirms a trial."""
    epochs = planned_epochs(session.storage.trials()[number], session.spec)
    replicates = session.spec.budget.confirm
    return Retraining(trial=number, replicates=replicates, epochs=epochs, full=False)


def configuration_of(session: Session, retraining: Retraining) -> TrialConfig:
    """The configuration of a trial with the seeds of its confirmation."""
    spec, trial = session.spec, session.storage.trials()[retraining.trial]
    seeds = tuple(retraining.seeds(spec))
    return replace(config_of(trial, spec), seeds=seeds, start=None, continues=None)


def finish_confirmation(session: Session) -> None:
    """Sends the records of earlier confirmations that still wait on disk, if there are any."""
    give_up_others(session)
    if session.spec.budget.confirm and _folder(session).retraining() is not None:
        with recorded(session):
            pass


def give_up_others(session: Session) -> None:
    """Ends the confirmations with another number of seeds, which a growing study left unfinished.

    What they have recorded stays; their checkpoints and folders are deleted.
    """
    for folder in session.folder.retrainings():
        if folder.path.name.startswith(_FRONT) and folder != _folder(session):
            with _recorded(session, folder, ()):
                pass


@contextmanager
def recorded(session: Session) -> Iterator[tuple[StudyFolder, Tracker]]:
    """Opens the tracker of the confirmations in their folder, and closes it.

    The folder is deleted if all is recorded and nothing is left to continue.
    """
    known = confirmations_of(session.storage.study)
    seeds = session.spec.budget.confirm
    ended = [number for number, one in known.items() if one.replicates == seeds]
    numbers = sorted({*ended, *session.unconfirmed()})
    wanted = [retraining_of(session, number) for number in numbers]
    folder = _folder(session)
    store_spec(folder, session.spec)
    with _recorded(session, folder, wanted) as tracker:
        yield folder, tracker


@contextmanager
def _recorded(
    session: Session, folder: StudyFolder, wanted: Sequence[Retraining]
) -> Iterator[Tracker]:
    """Opens the tracker of a folder, first for what was left in it; deletes it with its last records."""
    left = [Retraining(**one) for one in json.loads(folder.retraining() or "[]")]
    all_of_them = {one.trial: one for one in (*left, *wanted)}
    folder.store_retrainings([one.to_dict() for _, one in sorted(all_of_them.items())])
    tracker = Tracker(folder, session.home)
    tracker.start({})
    try:
        _catch_up(session, folder, tracker, all_of_them.values(), wanted)
        yield tracker
    except BaseException:
        try:
            tracker.close("KILLED", session.progress.notify)
        except TrackingError as error:
            # The error that ended the confirmation is raised.
            session.progress.notify(f"error: {error}")
        raise
    finally:
        shutil.rmtree(folder.tune, ignore_errors=True)
    tracker.close("FINISHED", session.progress.notify)
    if tracker.all_sent and not (wanted and session.unconfirmed()):
        shutil.rmtree(folder.path, ignore_errors=True)
        with suppress(OSError):  # unless other retrainings wait there
            folder.path.parent.rmdir()


def _catch_up(
    session: Session,
    folder: StudyFolder,
    tracker: Tracker,
    retrainings: Iterable[Retraining],
    wanted: Sequence[Retraining],
) -> None:
    """Records what is stored but not in MLflow, and ends what was interrupted and is not wanted."""
    states, known = tracker.wait_until_ready(), confirmations_of(session.storage.study)
    for one in retrainings:
        if states.get(one.trial) in ("COMPLETE", "FAIL"):
            continue
        confirmation = known.get(one.trial)
        if confirmation is not None and confirmation.replicates == one.replicates:
            _record_again(session, folder, tracker, one, confirmation)
        elif one not in wanted:
            shutil.rmtree(trial_folder(folder.trials, one.trial), ignore_errors=True)
            if one.trial in states:
                outcome = Outcome(state="FAIL", reason=_GIVEN_UP)
                tracker.end_trial(one.trial, outcome, keep_network=False)


def _record_again(
    session: Session,
    folder: StudyFolder,
    tracker: Tracker,
    retraining: Retraining,
    confirmation: Confirmation,
) -> None:
    """Records a confirmation that is stored but not in MLflow, as after the death of a driver."""
    number = retraining.trial
    history = history_of(trial_folder(folder.trials, number))
    if not history["epochs"] and confirmation.reason is None:
        return  # recorded, and the run was deleted since
    tracker.begin_trial(configuration_of(session, retraining))
    for epoch in history["epochs"]:
        tracker.log_epoch(number, epoch)
    tracker.log_curves(number, 1, history["curves"])
    tracker.log_replicates(number, history["replicates"])
    state = Outcome(
        state="COMPLETE" if confirmation.reason is None else "FAIL", reason=confirmation.reason
    )
    tracker.end_trial(number, state, keep_network=state.state == "COMPLETE")


def _folder(session: Session) -> StudyFolder:
    """The folder of the confirmation with the spec's number of seeds.

    It outlives a growth of the study's epochs: a trial keeps those it was planned for, and one that
    continues it has another number.
    """
    return session.folder.of_retraining(f"{_FRONT}replicates-{session.spec.budget.confirm}")
