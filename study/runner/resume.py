"""Brings the records of a study that goes on in line with its ledger, and sweeps what was left over."""

import json
import shutil
from pathlib import Path

from optuna.trial import FrozenTrial

from study.runner.scoreboard import Scoreboard
from study.search.searcher import config_of
from study.search.storage import REASON, Ledger, metrics_of, state_of
from study.search.trial import Outcome
from study.study_folder import HISTORY, trial_folder
from study.tracking.tracker import Tracker


def record_again(ledger: Ledger, board: Scoreboard, tracker: Tracker, store: Path) -> None:
    """Records the trials that the ledger knows to have ended and the record does not.

    Their driver died, or the record was away, between the two. Waits until the record is open.
    """
    states = tracker.wait_until_ready()
    for trial in ledger.trials():
        if trial.state.is_finished() and states.get(trial.number) != state_of(trial):
            _record(trial, board, tracker, store)
    # The driver may have died between a trial's coming to the front and the others' leaving it.
    complete = [trial.number for trial in ledger.trials() if state_of(trial) == "COMPLETE"]
    tracker.mark_front({number: number in board.front for number in complete})
    tracker.caught_up = True


def _record(trial: FrozenTrial, board: Scoreboard, tracker: Tracker, store: Path) -> None:
    number = trial.number
    tracker.begin_trial(config_of(board.spec, trial.params, number))
    folder = trial_folder(store, number)
    metrics = metrics_of(trial)
    if "epochs" in metrics:
        for epoch in [*_history(folder), metrics]:
            tracker.log_epoch(number, epoch, "unknown")
    elif metrics:
        tracker.log_counts(number, metrics)
    outcome = Outcome(state=state_of(trial), reason=trial.user_attrs.get(REASON))  # type: ignore[arg-type]  # finished
    tracker.end_trial(number, outcome, on_front=number in board.front)


def _history(folder: Path) -> list[dict[str, float]]:
    """The metrics of every epoch that a finished trial left in its folder; none if it is gone."""
    try:
        found: list[dict[str, float]] = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found


def sweep(ledger: Ledger, store: Path) -> None:
    """Deletes the folders of trials that have ended and are recorded, or were never asked for."""
    running = {trial.number for trial in ledger.trials() if not trial.state.is_finished()}
    kept = {trial_folder(store, number) for number in running}
    for folder in store.glob("trial-*"):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)
