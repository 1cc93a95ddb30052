"""A paragraph about a study: its search, its trials and its best networks."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from study.report.style import in_words
from study.results.format import count, percent
from study.results.record import TrialRecord
from study.results.stored_study import StoredStudy
from study.search.difference import is_real
from study.spec.study_spec import StudySpec

_LOW: Final = {
    "trainable_parameters": "few",
    "macs": "few",
    "wiring_bits": "few",
    "stored_bytes": "few",
    "seconds": "short",
}
_STATES: Final = {
    "COMPLETE": "are complete",
    "PRUNED": "were stopped early",
    "FAIL": "failed",
    "INTERRUPTED": "are interrupted",
    "RUNNING": "are running",
}


def summary(stored: StoredStudy) -> str:
    """The paragraph, as plain text."""
    spec, records = stored.spec, stored.records
    sentences = [_searched(spec, records), _ended(spec, records, stored.tally().epochs)]
    best = stored.best
    if best is None:
        sentences.append("No complete trial satisfies the constraints yet.")
    else:
        on_front = sum(record.on_front for record in records)
        trials = "trial" if on_front == 1 else "trials"
        sentences += [f"The front has {on_front:,} {trials}.", _best(spec, best)]
        if next(iter(spec.objectives)) == "val_accuracy" and best.val_accuracy_sem is not None:
            sentences.append(_smaller(best, records))
        sentences.append(_confirmed(records))
    if stored.parent.info.status == "RUNNING":
        sentences.append("The study was still running when this page was created.")
    return " ".join(sentence for sentence in sentences if sentence)


def smallest_within_error(best: TrialRecord, records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial on the front with the fewest parameters within one standard error of the best.

    By the pooled validation accuracy; None without a standard error, or if that trial is the best
    itself. Only the error of the best counts, so that a large error is no advantage.
    """
    accuracy, error = best.pooled("val_accuracy")
    if accuracy is None or error is None:
        return None
    near = [
        one
        for one in records
        if one.on_front and not is_real(accuracy - (one.pooled("val_accuracy")[0] or 0.0), error)
    ]
    smallest = min(near, key=lambda one: one.trainable_parameters or 0, default=best)
    return None if smallest.trial == best.trial else smallest


def _searched(spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    objectives = [
        f"{'high' if direction == 'maximize' else _LOW.get(name, 'low')} {in_words(name)}"
        for name, direction in spec.objectives.items()
    ]
    networks = "one network" if spec.replicates == 1 else f"{spec.replicates} networks (replicates)"
    constraints = f", under {listed(spec.constraints)}" if spec.constraints else ""
    data = spec.dataset.label
    trials = "1 trial" if len(records) == 1 else f"{len(records):,} trials"
    return (
        f"This study searches {listed(spec.families)} on {data} "
        f"for {listed(objectives)}{constraints}: "
        f"{trials} of at most {spec.budget.epochs} epochs, each of {networks}, proposed by "
        f"{spec.sampler}."
    )


def _ended(spec: StudySpec, records: Sequence[TrialRecord], trained: int) -> str:
    states = Counter(record.state for record in records)
    parts = [f"{states[state]:,} {verb}" for state, verb in _STATES.items() if states[state]]
    if not parts:
        return "No trial has started yet."
    continued = sum(record.continues is not None for record in records)
    if continued:
        verb = "continues" if continued == 1 else "continue"
        parts.append(f"{continued:,} {verb} an earlier one")
    if not trained:
        return f"Of these {listed(parts)}."
    sentence = f"Of these {listed(parts)}; {trained:,} epochs were trained"
    ended = sum(record.state in ("COMPLETE", "PRUNED") for record in records) - continued
    in_full = ended * spec.budget.epochs
    if trained < in_full and ended == states.total() - continued:
        sentence += f", of {in_full:,} without early stopping"
    return f"{sentence}."


def _best(spec: StudySpec, best: TrialRecord) -> str:
    name = next(iter(spec.objectives))
    lead = "The most accurate" if name == "val_accuracy" else f"Best in {in_words(name)}"
    return f"{lead} is {_described(best)}."


def _smaller(best: TrialRecord, records: Sequence[TrialRecord]) -> str:
    smallest = smallest_within_error(best, records)
    if smallest is None:
        return "No smaller network is within one standard error of it."
    share = (best.trainable_parameters or 0) / max(smallest.trainable_parameters or 1, 1)
    return (
        f"The smallest within one standard error of it is {_described(smallest)}: "
        f"{share:.3g} times fewer parameters."
    )


def _confirmed(records: Sequence[TrialRecord]) -> str:
    """How much lower the accuracies of the confirmed trials are than in the search."""
    pairs = [
        (one.val_accuracy, one.confirmed_val_accuracy, one.confirmed_replicates)
        for one in records
        if one.val_accuracy is not None and one.confirmed_val_accuracy is not None
    ]
    if not pairs:
        return ""
    points = 100 * fmean(search - own for search, own, _ in pairs)
    trials = "1 trial was" if len(pairs) == 1 else f"{len(pairs):,} trials were"
    return (
        f"{trials} confirmed with {max(seeds or 0 for *_, seeds in pairs)} further seeds, with which "
        f"the validation accuracy is {abs(points):.2f} points {'lower' if points > 0 else 'higher'} on "
        "average; the front and the best are by the pooled values of search and confirmation."
    )


def _described(record: TrialRecord) -> str:
    parts = []
    if record.val_accuracy is not None:
        sem = record.val_accuracy_sem
        parts.append(f"{percent(record.val_accuracy, sem)} % validation")
    if record.confirmed_val_accuracy is not None:
        parts.append(f"{record.confirmed_percent} % with further seeds")
    if record.test_accuracy is not None:
        parts.append(f"{percent(record.test_accuracy, record.test_accuracy_sem)} % test accuracy")
    if record.trainable_parameters is not None:
        parts.append(f"{count(record.trainable_parameters)} parameters")
    return f"trial {record.trial}, {record.label()} ({', '.join(parts)})"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
