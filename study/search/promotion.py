"""Which ended trials go on when the budget of their study grows, and which of them are promising.

A promoted trial continues from its checkpoint as a trial of its own, as in ASHA with checkpoints
(arXiv 1810.05934, section 3): no configuration is trained twice to the same epoch.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from optuna.trial import FrozenTrial, TrialState

from study.search.rungs import Rung, new_rung
from study.search.stored_trial import continues_of, epochs_of, is_cut_short, metrics_of, rungs_of
from study.search.trial import State
from study.spec.dimensions import Choice
from study.spec.study_spec import StudySpec

_STATES: Final = {TrialState.PRUNED: "PRUNED", TrialState.COMPLETE: "COMPLETE"}


def can_extend(spec: StudySpec) -> bool:
    """Whether all trainings of a spec can continue with more epochs than they were planned for.

    With a learning rate that falls towards the last epoch, or with rewiring, which ends before it, the
    first epochs of a longer training are others.
    """
    space = spec.space
    return space.schedule == Choice(("constant",)) and space.rewiring == Choice((0.0,))


def kept_states(spec: StudySpec) -> tuple[State, ...]:
    """How trials have ended whose checkpoints are kept."""
    if not spec.storage.checkpoint_share:
        return ()
    return ("PRUNED", "COMPLETE") if can_extend(spec) else ("PRUNED",)


def by_promise(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[int]:
    """The ended trials whose checkpoints are of use, the most promising first.

    Those that were trained longest are first; of equally long ones those of the lowest non-dominated
    rank at their last rung, or at their end. `trials` are all, by number.
    """
    rungs = _rungs(spec, trials)
    ranks = {epoch: rung.ranks() for epoch, rung in rungs.items()}

    def order(number: int) -> tuple[int, int, int]:
        epochs = epochs_of(trials[number])
        return -epochs, ranks.get(epochs, {}).get(number, 0), number

    return sorted(_candidates(spec, trials), key=order)


def promoted(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[int]:
    """The ended trials that would not have ended by the spec, as it is now, the most promising first.

    They are those that their rung keeps if all that reached it are compared at once, and the complete
    ones that were planned for fewer epochs.
    """
    kept = {epoch: rung.kept() for epoch, rung in _rungs(spec, trials).items()}

    def goes_on(trial: FrozenTrial) -> bool:
        if trial.state == TrialState.COMPLETE:
            return is_cut_short(trial, spec)
        return trial.number in kept.get(epochs_of(trial), set())

    return [number for number in by_promise(spec, trials) if goes_on(trials[number])]


def cut_short(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[int]:
    """The complete trials that were planned for fewer epochs than the spec has, and not continued."""
    return [number for number in _candidates(spec, trials) if is_cut_short(trials[number], spec)]


def replaced(continues: Mapping[int, int], complete: Sequence[int]) -> set[int]:
    """The trials that complete ones continue; `continues` is the trial before by trial."""
    found: set[int] = set()
    for number in complete:
        before = continues.get(number)
        while before is not None and before not in found:
            found.add(before)
            before = continues.get(before)
    return found


def _candidates(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[int]:
    continued = {continues_of(trial) for trial in trials}
    states = kept_states(spec)
    return [
        trial.number
        for trial in trials
        if _STATES.get(trial.state) in states and trial.number not in continued
    ]


def _rungs(spec: StudySpec, trials: Sequence[FrozenTrial]) -> dict[int, Rung]:
    """All rungs that trials came to, also under an earlier factor; and the end of complete trials."""
    rungs: dict[int, Rung] = {}
    for trial in trials:
        for epoch, metrics in rungs_of(trial).items():
            rungs.setdefault(epoch, new_rung(spec)).place(trial.number, metrics)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            metrics = metrics_of(trial)
            rungs.setdefault(epochs_of(trial), new_rung(spec)).place(trial.number, metrics)
            if not is_cut_short(trial, spec):
                # Its replicates have stopped, so it would come to later rungs with what it has.
                for epoch, rung in rungs.items():
                    if epoch > metrics["epochs"]:
                        rung.place(trial.number, metrics)
    return rungs
