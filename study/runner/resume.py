"""Continues a study: repairs its journal, compares its spec, completes its records, cleans up."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from optuna.trial import FrozenTrial

from study.errors import SpecError, StudyError, echo
from study.runner.checkpoint_folder import CheckpointFolder
from study.runner.scoreboard import Scoreboard
from study.search.budget import BudgetSpent
from study.search.configuration import Configuration
from study.search.confirmation import Confirmation, confirmations_of, confirmed_front
from study.search.storage import METRICS, REASON, SearchStorage, metrics_of, point_of, start_of
from study.search.trial import Outcome
from study.spec.study_spec import StudySpec
from study.study_folder import HISTORY, StudyFolder, replace_file, trial_folder
from study.tracking.tracker import Tracker

# May differ when a study is continued: the amount and place of computation, not the search.
_MAY_GROW: Final = (
    "budget.trials",
    "budget.total_epochs",
    "budget.minutes",
    "budget.stagnation",
    "budget.confirm",
)
_MAY_CHANGE: Final = (
    "resources",
    "storage",
    "dataset.root",
    "dataset.download",
    "dataset.path",
    "diagnostics",
)


def earlier_scoreboard(spec: StudySpec, storage: SearchStorage, budget: BudgetSpent) -> Scoreboard:
    """The scoreboard with the trials that ended in earlier runs."""
    board = Scoreboard(spec, budget)
    for trial in storage.trials():
        if trial.state.is_finished():
            label = Configuration(spec, given=trial.params).architecture.label()
            metrics = trial.user_attrs.get(METRICS, {})
            board.add_earlier(trial.number, label, trial.state.name, metrics, point_of(trial))
            if REASON in trial.user_attrs:
                board.failures.add(trial.user_attrs[REASON])
    return board


def record_again(storage: SearchStorage, board: Scoreboard, tracker: Tracker, store: Path) -> None:
    """Records trials that have ended in the storage but not in MLflow, as after the death of a driver.

    Waits until the tracker is ready.
    """
    states = tracker.wait_until_ready()
    _check_complete(storage, states)
    for trial in storage.trials():
        if trial.state.is_finished() and states.get(trial.number) != trial.state.name:
            _record(trial, board, tracker, store)
    for number, confirmation in confirmations_of(storage.study).items():
        record_confirmation(tracker, number, confirmation)
    # The driver may have died after a trial joined the front, before others left it.
    mark_front(board.spec, storage, tracker)


def mark_front(spec: StudySpec, storage: SearchStorage, tracker: Tracker) -> None:
    """Marks all complete trials, by pooled values, as on the front or not."""
    trials = storage.trials()
    front = confirmed_front(spec, trials, confirmations_of(storage.study))
    complete = [trial.number for trial in trials if trial.state.name == "COMPLETE"]
    tracker.mark_front({number: number in front for number in complete})


def record_confirmation(tracker: Tracker, number: int, confirmation: Confirmation) -> None:
    """Records the result of a confirmation with the trial; repeated records count once."""
    if confirmation.reason is None:
        tracker.confirm_trial(number, confirmation.named())
    else:
        tracker.note(number, f"not confirmed: {confirmation.reason}")


def _check_complete(storage: SearchStorage, states: Mapping[int, str]) -> None:
    """Raises StudyError if the store has trials that the journal lacks, whose numbers it would reuse."""
    last = max(states, default=-1)
    if last >= storage.asked:
        raise StudyError(
            f"the journal {storage.journal} must have every trial of the tracking store, got "
            f"{storage.asked} trials, the store has trial {last}: restore the journal from a copy, or "
            "give the study another name (--name NAME)"
        )


def _record(trial: FrozenTrial, board: Scoreboard, tracker: Tracker, store: Path) -> None:
    number = trial.number
    configuration = Configuration(board.spec, given=trial.params)
    tracker.begin_trial(configuration.for_trial(number, start_of(trial)))
    folder = trial_folder(store, number)
    metrics = metrics_of(trial)
    if "epochs" in metrics:
        history = history_of(folder)
        for epoch in history["epochs"]:
            tracker.log_epoch(number, epoch)
        tracker.log_curves(number, 1, history["curves"])
        tracker.log_replicates(number, history["replicates"])
    if metrics:
        tracker.log_epoch(number, metrics)
    outcome = Outcome(state=trial.state.name, reason=trial.user_attrs.get(REASON))  # type: ignore[arg-type]  # finished
    tracker.end_trial(number, outcome, keep_network=number in board.front.points)


def history_of(folder: Path) -> dict[str, Any]:
    """The metrics of a finished trial by epoch, and by replicate; empty if its folder is gone."""
    try:
        history: dict[str, Any] = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"epochs": [], "curves": {}, "replicates": {}}
    return history


def clean_up(storage: SearchStorage, store: Path, checkpoints: CheckpointFolder | None) -> None:
    """Deletes the files of all trials but those that will be continued.

    Raises OSError if checkpoints cannot be deleted.
    """
    running = {trial.number for trial in storage.trials() if not trial.state.is_finished()}
    kept = {trial_folder(store, number) for number in running}
    for folder in store.glob("trial-*"):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)
    if checkpoints is not None:
        checkpoints.clear(running)


def check_continues(folder: StudyFolder, spec: StudySpec) -> None:
    """Raises SpecError, with the difference, if the folder holds a study with another spec."""
    if not folder.spec.exists():
        return
    stored = _flat(StudySpec.from_stored(folder.spec).to_dict())
    wanted = _flat(spec.to_dict())
    differences = [
        f"  {key}: was {echo(stored.get(key))}, is {echo(wanted.get(key))}"
        for key in sorted(stored.keys() | wanted.keys())
        if stored.get(key) != wanted.get(key)
        and not key.startswith(_MAY_CHANGE)
        and not (key in _MAY_GROW and _grew(stored.get(key), wanted.get(key)))
    ]
    if differences:
        raise SpecError(
            f"a study {spec.name!r} exists with another spec; only its diagnostics, its "
            "resources and the place of its data may change, and its budget (trials, total_epochs, "
            "minutes, stagnation, confirm) may grow:\n"
            + "\n".join(differences)
            + "\nuse another name (--name NAME), or undo the change"
        )


def _grew(before: float | None, after: float | None) -> bool:
    """Whether a limit of the budget became no smaller; no limit is the largest."""
    return after is None or (before is not None and after >= before)


def store_spec(folder: StudyFolder, spec: StudySpec) -> None:
    """Writes the spec into the folder, which is made if needed."""
    folder.path.mkdir(parents=True, exist_ok=True)
    replace_file(folder.spec, json.dumps(spec.to_dict(), indent=2) + "\n")


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key == "objectives":
            # The search stores their values in this order.
            flat[key] = list(value.items())
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
