"""Continues a study: compares its spec, promotes ended trials, completes its records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from optuna.trial import FrozenTrial

from study.errors import SpecError, StudyError, echo
from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.scoreboard import Scoreboard
from study.search.budget import BudgetSpent, trials_allowed
from study.search.configuration import Configuration
from study.search.confirmation import Confirmation, confirmations_of, confirmed_front
from study.search.promotion import can_extend, cut_short, kept_states, promoted
from study.search.rungs import grace_epochs
from study.search.storage import SearchStorage
from study.search.stored_trial import METRICS, REASON, config_of, continues_of, metrics_of, point_of
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
    "budget.epochs",
)
_CONFIRM: Final = "budget.confirm"
_TRIALS: Final = "budget.trials"
_FACTOR: Final = "stopping.reduction_factor"  # smaller, more trials continue
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
    trials = storage.trials()
    continued = {*storage.promoted, *(continues_of(trial) for trial in trials)}
    for trial in trials:
        if trial.state.is_finished():
            state = None if trial.number in continued else trial.state.name
            label = Configuration(spec, given=trial.params).architecture.label()
            metrics = trial.user_attrs.get(METRICS, {})
            board.add_earlier(trial.number, label, state, metrics, point_of(trial))
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
    tracker.begin_trial(config_of(trial, board.spec))
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
    tracker.end_trial(
        number,
        outcome,
        keep_network=number in board.front.points,
        keep_checkpoint=outcome.state in kept_states(board.spec),
    )


def history_of(folder: Path) -> dict[str, Any]:
    """The metrics of a finished trial by epoch, and by replicate; empty if its folder is gone."""
    try:
        history: dict[str, Any] = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"epochs": [], "curves": {}, "replicates": {}}
    return history


def check_continues(folder: StudyFolder, spec: StudySpec) -> None:
    """Raises SpecError, with the difference, if the folder holds a study with another spec.

    Its budget may grow, and so may the share of trials that continue at a rung. The epochs of a trial
    may grow only where those that were trained are the first of a longer training.
    """
    if not folder.spec.exists():
        return
    before = StudySpec.from_stored(folder.spec)
    stored, wanted = _compared(before, spec)
    if spec.budget.epochs > before.budget.epochs:
        _check_extends(before, spec)
        stored["stopping.grace_epochs"] = wanted["stopping.grace_epochs"]
    differences = [
        f"  {key}: was {echo(stored.get(key))}, is {echo(wanted.get(key))}"
        for key in _changed(stored, wanted)
        if not key.startswith(_MAY_CHANGE) and not _grew(key, stored.get(key), wanted.get(key))
    ]
    if differences:
        raise SpecError(
            f"a study {spec.name!r} exists with another spec; only its diagnostics, "
            "resources, storage and the location of its data may change, its budget (trials, epochs, "
            "total_epochs, minutes, stagnation, confirm) may grow, and stopping.reduction_factor may "
            "become smaller:\n"
            + "\n".join(differences)
            + "\nuse another name (--name NAME), or undo the change"
        )


def _check_extends(before: StudySpec, spec: StudySpec) -> None:
    """Raises SpecError if trials cannot train on with the epochs of a spec that has more."""
    epochs = f"got {before.budget.epochs} and {spec.budget.epochs} (key budget.epochs)"
    if not can_extend(before):
        raise SpecError(
            f'`space.schedule = "constant"` and `space.rewiring = 0` must hold where the epochs of a '
            f"study grow, {epochs}: with another schedule the learning rate falls towards the last "
            "epoch, so that a longer training is another one from its start; use another name (--name "
            "NAME)"
        )
    grace = grace_epochs(before)
    if spec.stopping.scheduler != "none" and grace_epochs(spec) != grace:
        raise SpecError(
            f"`stopping.grace_epochs = {grace}` must be given where the epochs of a study grow, "
            f"{epochs}: by default it is a fifth of them, and trials were compared after {grace}"
        )


def grew(folder: StudyFolder, spec: StudySpec) -> bool:
    """Whether the folder holds a study with a smaller budget, or with fewer trials that continue."""
    if not folder.spec.exists():
        return False
    stored, wanted = _compared(StudySpec.from_stored(folder.spec), spec)
    growing = (*_MAY_GROW, _FACTOR)
    return any(key in growing and key != _CONFIRM for key in _changed(stored, wanted))


def growing(spec: StudySpec, grid_size: int | None = None) -> str:
    """How a study goes on after a limit of its budget was met; empty if no budget lets it.

    `grid_size` is the number of configurations of a grid, None for other samplers.
    """
    budget, trials = spec.budget, trials_allowed(spec, grid_size)
    options = {
        "--trials N": None if trials == grid_size else trials,
        "--set budget.total_epochs=N": budget.total_epochs,
        "--set budget.minutes=N": budget.minutes,
        "--set budget.stagnation=N": budget.stagnation,
    }
    named = [option for option, limit in options.items() if limit is not None]
    return f"; a larger budget continues it ({', '.join(named)})" if named else ""


def promote(
    spec: StudySpec, storage: SearchStorage, checkpoints: KeptCheckpoints, *, grew: bool
) -> None:
    """Stores which ended trials the study continues, since its budget grew in this or an earlier run.

    In a later one these are trials that were interrupted before, and ended with their old number of
    epochs just before the driver was killed. Raises StudyError if a checkpoint cannot be read, so that
    its trial is not left behind for a passing fault.
    """
    trials = storage.trials()
    wanted = promoted(spec, trials) if grew else cut_short(spec, trials)
    try:
        storage.promote([number for number in wanted if checkpoints.readable(number)])
    except OSError as error:
        raise StudyError(
            f"the checkpoints of ended trials must be readable to continue them, got: {error}; the same "
            "command tries again"
        ) from error


def _changed(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    keys = sorted(stored.keys() | wanted.keys())
    return [key for key in keys if stored.get(key) != wanted.get(key)]


def _grew(key: str, before: float | None, after: float | None) -> bool:
    """Whether the value of a key became no smaller, as it may; no limit is the largest."""
    if key == _FACTOR:
        return before is not None and after is not None and after <= before
    return key in _MAY_GROW and (after is None or (before is not None and after >= before))


def store_spec(folder: StudyFolder, spec: StudySpec) -> None:
    """Writes the spec into the folder, which is made if needed."""
    folder.path.mkdir(parents=True, exist_ok=True)
    replace_file(folder.spec, json.dumps(spec.to_dict(), indent=2) + "\n")


def _compared(before: StudySpec, spec: StudySpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two specs by key. If one alone gives a number of trials, the other has that of its default."""
    stored, wanted = _flat(before.to_dict()), _flat(spec.to_dict())
    if stored[_TRIALS] != wanted[_TRIALS]:
        stored[_TRIALS], wanted[_TRIALS] = trials_allowed(before), trials_allowed(spec)
    return stored, wanted


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
