"""A study in a paragraph: what was searched, what was found, what it took."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from study.reader import StoredStudy
from study.record import TrialRecord
from study.spec import StudySpec
from study.trial_text import count, label, percent

_DATA: Final = {"fashion_mnist": "Fashion-MNIST", "npz": "arrays of its own"}
_UNENDED: Final = ("RUNNING", "INTERRUPTED")


def summary(stored: StoredStudy) -> str:
    """The paragraph, as plain text."""
    spec, records = stored.spec, stored.records
    sentences = [_searched(spec, records), _ended(spec, records)]
    best = best_trial(spec, records)
    if best is None:
        sentences.append("No trial that keeps the constraints is complete yet.")
    else:
        on_front = sum(record.on_front for record in records)
        sentences += [_counted(on_front), _best(spec, best), _smaller(best, records)]
    if stored.parent.info.status == "RUNNING":
        sentences.append("The study was still running when this page was made.")
    return " ".join(sentence for sentence in sentences if sentence)


def best_trial(spec: StudySpec, records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The complete, feasible trial that is best in the first objective, of equals the smallest."""
    name, direction = next(iter(spec.objectives.items()))
    sign = -1 if direction == "maximize" else 1
    complete = [record for record in records if record.point(spec.objectives) is not None]
    return min(
        complete,
        key=lambda one: (sign * getattr(one, name), one.trainable_parameters or 0),
        default=None,
    )


def smallest_within_error(best: TrialRecord, records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial on the front with the fewest parameters within one standard error of the best.

    By validation accuracy; None if that has no error, or the trial is the best itself.
    """
    if best.val_accuracy is None or best.val_accuracy_sem is None:
        return None
    least = best.val_accuracy - best.val_accuracy_sem
    near = [one for one in records if one.on_front and (one.val_accuracy or 0.0) >= least]
    smallest = min(near, key=lambda one: one.trainable_parameters or 0, default=best)
    return None if smallest.trial == best.trial else smallest


def _searched(spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    wanted = [
        f"{'high' if direction == 'maximize' else 'low'} {name.replace('_', ' ')}"
        for name, direction in spec.objectives.items()
    ]
    networks = "1 network" if spec.replicates == 1 else f"{spec.replicates} networks"
    constraints = f" under {_listed(spec.constraints)}" if spec.constraints else ""
    trials = "1 trial" if len(records) == 1 else f"{len(records):,} trials"
    return (
        f"{_listed(spec.families)} on {_DATA.get(spec.dataset.name, spec.dataset.name)}, searched "
        f"for {_listed(wanted)}{constraints} with the sampler {spec.sampler}: {trials} of at most "
        f"{spec.budget.epochs} epochs, {networks} in each."
    )


def _ended(spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    states = Counter(record.state for record in records)
    words = {
        "COMPLETE": "complete",
        "PRUNED": "stopped early",
        "INFEASIBLE": "not trained, for they break a constraint",
        "FAIL": "failed",
        "INTERRUPTED": "interrupted",
        "RUNNING": "running",
    }
    parts = [f"{states[state]:,} {said}" for state, said in words.items() if states[state]]
    if not parts:
        return ""
    trained = sum(record.epochs for record in records)
    ended = sum(record.epochs > 0 and record.state not in _UNENDED for record in records)
    full = ended * spec.budget.epochs
    spent = f", {trained:,} epochs in all" if trained else ""
    if states["PRUNED"] and full:
        spent += f" where training all to the end takes {full:,}"
    return f"Of them {_listed(parts)}{spent}."


def _counted(on_front: int) -> str:
    return f"The front has {on_front:,} {'trial' if on_front == 1 else 'trials'}."


def _best(spec: StudySpec, best: TrialRecord) -> str:
    name = next(iter(spec.objectives))
    lead = "The most accurate" if name == "val_accuracy" else f"Best in {name.replace('_', ' ')}"
    return f"{lead} is {_told(best)}."


def _smaller(best: TrialRecord, records: Sequence[TrialRecord]) -> str:
    smallest = smallest_within_error(best, records)
    if smallest is None:
        return ""
    share = (best.trainable_parameters or 0) / max(smallest.trainable_parameters or 1, 1)
    return (
        f"The smallest within one standard error of it is {_told(smallest)}: "
        f"{share:.3g} times fewer parameters."
    )


def _told(record: TrialRecord) -> str:
    parts = []
    if record.val_accuracy is not None:
        sem = record.val_accuracy_sem
        parts.append(f"{percent(record.val_accuracy, sem)} % validation")
    if record.test_accuracy is not None:
        parts.append(f"{percent(record.test_accuracy, record.test_accuracy_sem)} % test accuracy")
    if record.trainable_parameters is not None:
        parts.append(f"{count(record.trainable_parameters)} parameters")
    return f"trial {record.trial}, {label(record)} ({', '.join(parts)})"


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
