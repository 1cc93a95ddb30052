"""What a study has spent of its budget, and whether it may ask for another trial."""

from collections.abc import Collection, Sequence
from typing import Final, final

from optuna.trial import FrozenTrial, TrialState

from study.search.pareto import Front, Point
from study.search.stored_trial import continued_by, continues_of, epochs_of, point_of
from study.spec.study_spec import StudySpec

DEFAULT_TRIALS: Final = 30
_GROWTH: Final = 1e-3  # of the hypervolume, relative; less is stagnation


@final
class BudgetSpent:
    """Counts trials, epochs and the hypervolume's standstill, those of earlier runs included.

    A trial and the one that continues it count as one. `trials` is how many may end, None if another
    limit ends the study; `front` is made of the complete trials that satisfy the constraints.
    `grid_size` is the number of configurations of a grid, None for other samplers.
    """

    def __init__(self, spec: StudySpec, grid_size: int | None = None) -> None:
        self._budget = spec.budget
        self.grid_size: Final = grid_size
        self.trials: Final = trials_allowed(spec, grid_size)
        self.front: Final = Front(spec.objectives)
        self._ended = 0
        self._epochs_of_ended = 0
        self._best = 0.0
        self._standstill = 0
        self._exhausted: str | None = None

    def end(
        self, number: int, epochs: int, point: Point | None, replaces: Collection[int] = ()
    ) -> dict[int, bool]:
        """Ends a trial after so many epochs of its own.

        `point` are its objectives if it is complete and satisfies the constraints; `replaces` are the
        trials that it continues, if it is complete. Returns how the front changed by it, as `Front.add`
        does.
        """
        self._ended += 1
        self._epochs_of_ended += epochs
        self._standstill += 1
        changes = self.front.remove(replaces)
        if point is not None:
            changes |= self.front.add(number, point)
        # Those that joined come first, so that a reader in between finds no hole in the front.
        changes = dict(sorted(changes.items(), key=lambda change: not change[1]))
        if self.front.hypervolume > self._best * (1 + _GROWTH):
            self._best = self.front.hypervolume
            self._standstill = 0
        return changes

    def go_on(self) -> None:
        """Counts an ended trial as one that has not ended, because it is to be continued."""
        self._ended -= 1
        self._standstill = 0  # it may let the hypervolume grow

    def stay_ended(self) -> None:
        """Counts a trial that was to be continued as ended, because it cannot be."""
        self._ended += 1

    def exhaust(self, reason: str) -> None:
        """Ends the study before a limit is met, because nothing is left to try."""
        self._exhausted = reason

    def met(self, running: int = 0) -> str | None:
        """Why no more trials are asked for while so many run, in words; None if there are more."""
        budget = self._budget
        if self.trials is not None and self._ended >= self.trials:
            return f"all {self.trials} trials are done"
        spent = budget.total_epochs is not None and self._epochs_left(running) < budget.epochs
        if spent and not running:
            return f"{self._epochs_of_ended} of {budget.total_epochs} epochs are trained"
        if budget.stagnation is not None and self._standstill >= budget.stagnation:
            return f"the hypervolume has not grown over {self._standstill} trials"
        return self._exhausted

    def allows_another(self, running: int) -> bool:
        """Whether a new trial, trained in full beside those that run, stays within the budget."""
        if self.trials is not None and self._ended + running >= self.trials:
            return False
        return self.allows_epochs(running)

    def allows_epochs(self, running: int) -> bool:
        """Whether a trial that is trained in full beside those that run stays within the epochs."""
        return (
            self._budget.total_epochs is None or self._epochs_left(running) >= self._budget.epochs
        )

    def _epochs_left(self, running: int) -> int:
        """Epochs that are neither trained nor promised to a running trial."""
        promised = running * self._budget.epochs
        return (self._budget.total_epochs or 0) - self._epochs_of_ended - promised


def trials_allowed(spec: StudySpec, grid_size: int | None = None) -> int | None:
    """How many trials may end; None if another limit ends the study, or a grid of unknown size."""
    budget = spec.budget
    if budget.trials is not None:
        return budget.trials if grid_size is None else min(budget.trials, grid_size)
    if spec.sampler == "grid":
        return grid_size
    limited = (budget.total_epochs, budget.minutes, budget.stagnation)
    return DEFAULT_TRIALS if all(limit is None for limit in limited) else None


def budget_spent(
    spec: StudySpec,
    trials: Sequence[FrozenTrial],
    grid_size: int | None = None,
    promoted: Collection[int] = (),
) -> BudgetSpent:
    """What stored trials, all by number, have spent; those that are `promoted` are to be continued."""
    spent = BudgetSpent(spec, grid_size)
    for trial in trials:
        before = continues_of(trial)
        if trial.state.is_finished():
            complete = trial.state == TrialState.COMPLETE
            spent.end(
                trial.number,
                own_epochs(epochs_of(trial), None if before is None else trials[before]),
                point_of(trial),
                continued_by(trial, trials) if complete else (),
            )
        if before is not None:
            spent.go_on()
    for _ in promoted:
        spent.go_on()
    return spent


def own_epochs(epochs: int, continues: FrozenTrial | None) -> int:
    """The epochs of a trial but those of the one that it continues."""
    return epochs if continues is None else max(0, epochs - epochs_of(continues))
