"""The searcher: hands trials to Ray Tune, and stores how each of them ends.

Ray Tune is a stateless executor here: what was asked and how it ended is in the storage, so opening it
again continues the search. Ray's own OptunaSearch tells trials that were stopped early as complete,
cannot pass constraints, and leaves trials without a metric running for ever.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

from optuna.trial import TrialState
from ray.tune.search import Searcher

from study.search.budget import BudgetSpent, own_epochs
from study.search.configuration import Configuration
from study.search.earlier_study import EarlierStudy
from study.search.proposals import Proposal, Proposals
from study.search.rungs import rung_epochs
from study.search.samplers import Count
from study.search.space import architecture_of
from study.search.storage import RUN_ID, Ending, SearchStorage
from study.search.stored_trial import (
    REASON,
    RUNG,
    TRAINED,
    compared_of,
    config_of,
    continued_by,
    continues_of,
    has_passed,
    is_cut_short,
    kept_of,
    rungs_of,
    start_of,
)
from study.search.study_view import PENDING
from study.search.trial import (
    EndedTrial,
    Outcome,
    TrialConfig,
    TrialListener,
    judge,
    last_metrics,
)
from study.spec.constraint import all_kept, violations
from study.spec.study_spec import StudySpec

_ASK_FOR_S: Final = 0.2  # at a time, for a trial that satisfies the constraints; Ray's loop waits
_MOST_REJECTED: Final = 1000  # one after another


class StatelessSearcher(Searcher):
    """A searcher whose memory is the storage: Ray, which would restore it, has nothing to save."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its searcher."""
        return {}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Tells Ray that the searcher itself limits how many trials run at once."""
        del max_concurrent
        return True

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restores nothing."""


@final
class StudySearcher(StatelessSearcher):
    """Asks for trials until the budget is met.

    First come those that were interrupted, by their number, then those that continue ended ones, as the
    storage says (`SearchStorage.promoted`). A trial that was interrupted before the epochs of its study
    grew ends with those it was planned for, and is then continued as well. `budget` has what the trials
    of the storage spent. `count` gives the metrics of an architecture that are known before training.
    `capacity` gives how many trials may run or wait for a worker now, at least one. `clock` and
    `earlier` are those of `study.search.samplers.sampler_of`.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts that it puts together
        self,
        spec: StudySpec,
        storage: SearchStorage,
        budget: BudgetSpent,
        count: Count,
        listener: TrialListener | None = None,
        capacity: Callable[[], int] = lambda: sys.maxsize,
        clock: Callable[[], float] | None = time.monotonic,
        earlier: Sequence[EarlierStudy] = (),
    ) -> None:
        super().__init__()
        self._spec = spec
        self._storage = storage
        self._budget = budget
        self._count = count
        self._listener = listener or TrialListener()
        self._capacity = capacity
        self._one_by_one = False  # only interrupted trials are handed out, each alone
        trials = storage.trials()
        self._proposals = Proposals(spec, len(trials), self._counted, clock, earlier)
        self._interrupted: deque[int] = deque()
        self._promoted = deque(storage.promoted)
        go_on = {*self._promoted, *(continues_of(trial) for trial in trials)}
        for trial in trials:
            self._proposals.restore(trial, goes_on=trial.number in go_on)
            if trial.state == TrialState.RUNNING:
                self._interrupted.append(trial.number)
        self._rung_epochs = rung_epochs(spec)
        # By Ray's name of a trial: its number, and how many epochs it has reported.
        self._running: dict[str, tuple[int, int]] = {}
        self._rejected_in_a_row = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        if len(self._running) >= (1 if self._one_by_one else self._capacity()):
            return None  # Ray asks again after its next event
        config = self._next()
        if config is None:
            over = self._one_by_one or self._budget.met() is not None
            return str(Searcher.FINISHED) if over and not self._running else None
        self._running[trial_id] = (config.number, 0)
        return config.to_dict()

    def _next(self) -> TrialConfig | None:
        """The next trial to train; None if there is none now."""
        running = len(self._running)
        # Whatever else is met by now, an interrupted trial would have been trained to its end.
        if self._interrupted and self._budget.allows_epochs(running):
            number = self._interrupted.popleft()
            return config_of(self._storage.trials()[number], self._spec)
        if self._one_by_one or self._budget.met(running) is not None:
            return None
        return self._continued(running) or self._new(running)

    def _continued(self, running: int) -> TrialConfig | None:
        """The next trial that continues an ended one; None if the epochs allow none now."""
        while self._promoted and self._budget.allows_epochs(running):
            ended = self._storage.trials()[self._promoted.popleft()]
            if self._listener.can_continue(ended.number):
                proposal = Proposal(
                    configuration=Configuration(self._spec, given=ended.params),
                    start=start_of(ended),
                    continues=ended.number,
                )
                number = self._storage.ask(proposal)
                self._proposals.go_on(number, ended.number)
                return config_of(self._storage.trials()[number], self._spec)
            # It has lost its checkpoint, or the spec has another engine since it was promoted.
            self._budget.stay_ended()
            self._proposals.end(ended)
        return None

    def _new(self, running: int) -> TrialConfig | None:
        """A trial of a new configuration that satisfies the constraints; None if there is none now."""
        until = time.monotonic() + _ASK_FOR_S
        while self._budget.allows_another(running) and time.monotonic() < until:
            proposal = self._proposals.propose(self._storage.asked)
            if proposal is None:
                self._budget.exhaust("every configuration of the space was tried")
            if proposal is None or proposal is PENDING:
                return None
            if self._feasible(proposal.configuration):
                number = self._storage.ask(proposal)
                return proposal.configuration.for_trial(number, proposal.start)
        return None

    def _counted(self, params: Mapping[str, Any]) -> Mapping[str, float]:
        return self._count(architecture_of(params, self._spec))

    def _feasible(self, configuration: Configuration) -> bool:
        """Whether the network satisfies the constraints; if not, only the sampler is told."""
        if not self._spec.constraints:
            return True
        counted = self._count(configuration.architecture)
        broken = violations(self._spec.constraints, counted, before_training=True)
        if all_kept(broken):
            self._rejected_in_a_row = 0
            return True
        self._proposals.tell(self._storage.asked, TrialState.PRUNED, None, broken)
        self._rejected_in_a_row += 1
        if self._rejected_in_a_row >= _MOST_REJECTED and self._spec.sampler != "grid":
            self._budget.exhaust(
                f"{_MOST_REJECTED} successive configurations violate constraints, the last one "
                f"with {', '.join(f'{name} = {value:,}' for name, value in counted.items())}"
            )
        return False

    def on_lost_memory(self, reason: str) -> list[int]:
        """Memory ran out and ended the running trials; returns their numbers.

        A single one has failed. Of several it is not known which was the one, so they are handed out
        again, one by one, until `end_one_by_one`.
        """
        trials = sorted(self._running.values())
        lost = [number for number, _ in trials]
        self._running.clear()
        if len(trials) == 1:
            self._listener.ensure_begun(config_of(self._storage.trials()[lost[0]], self._spec))
            self._listener.on_end(self._end(*trials[0], Outcome(state="FAIL", reason=reason), {}))
        else:
            self._interrupted.extendleft(reversed(lost))
            self._one_by_one = True
        return lost

    def end_one_by_one(self) -> bool:
        """Lets trials run beside each other again; returns whether they ran one by one."""
        before, self._one_by_one = self._one_by_one, False
        return before

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        metrics = last_metrics(result)
        if metrics and trial_id in self._running:
            number, _ = self._running[trial_id]
            self._running[trial_id] = (number, int(metrics["epochs"]))
            reached = self._reached(number, metrics)
            if reached:
                self._storage.note_rung(number, int(metrics["epochs"]), reached)
                self._proposals.report(number, metrics)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002  # Ray's signature
    ) -> None:
        running = self._running.pop(trial_id, None)
        if running is None:
            return
        if error and self._listener.begins_again(running[0]):
            self._interrupted.append(running[0])
            return
        report = None if error else result
        outcome = judge(report, self._spec.objectives)
        ended = self._end(*running, outcome, {} if report is None else last_metrics(report))
        if not error:  # the callback hears of errors from Ray, with their reason
            self._listener.on_end(ended)

    def _end(
        self, number: int, epochs: int, outcome: Outcome, metrics: Mapping[str, float]
    ) -> EndedTrial:
        """Stores the end of a trial that reported so many epochs before, and counts it."""
        attributes: dict[str, Any] = {} if outcome.reason is None else {REASON: outcome.reason}
        trials = self._storage.trials()
        # Reported in this run, or before an interruption.
        epochs = max(epochs, int(metrics.get("epochs", 0)), *rungs_of(trials[number]))
        attributes |= kept_of(metrics) if metrics else {TRAINED: epochs}
        run_id = self._listener.run_id(number)
        if run_id is not None:
            attributes[RUN_ID] = run_id
        values, broken = None, {}
        if outcome.state == "COMPLETE":
            values = [metrics[name] for name in self._spec.objectives]
            self._proposals.report(number, metrics)
            broken = violations(self._spec.constraints, metrics)
        elif outcome.state == "PRUNED" and metrics:
            # In the same append: a running trial with a rung in the storage has passed it.
            reached = self._reached(number, metrics)
            if reached:
                attributes[f"{RUNG}{int(metrics['epochs'])}"] = reached
                self._proposals.report(number, metrics)
        chain = continued_by(trials[number], trials)
        state = TrialState[outcome.state]
        self._storage.tell(
            number,
            Ending(state=state, values=values, violations=broken, attributes=attributes),
        )
        ended = self._storage.trials()[number]
        goes_on = is_cut_short(ended, self._spec) and self._listener.can_continue(number)
        if not goes_on:
            self._proposals.end(ended)
        point = values if all_kept(broken) else None
        own = own_epochs(epochs, trials[chain[0]] if chain else None)
        changes = self._budget.end(number, own, point, chain if outcome.state == "COMPLETE" else ())
        if goes_on:
            self._storage.promote([number])
            self._promoted.append(number)
            self._budget.go_on()
        return EndedTrial(
            number=number,
            outcome=outcome,
            metrics=metrics,
            point=point,
            changes=changes,
            goes_on=goes_on,
        )

    def _reached(self, number: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics with which a trial comes to a rung that it has not passed; empty at none."""
        epoch = int(metrics["epochs"])
        if epoch not in self._rung_epochs:
            return {}
        trials = self._storage.trials()
        return {} if has_passed(trials[number], epoch, trials) else compared_of(metrics)
