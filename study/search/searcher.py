"""The searcher: hands Ray Tune one trial after another, and writes down how each of them ends.

Ray Tune is a stateless executor to it: what was asked and how it ended is in the ledger, so opening
that again continues the search. Ray's own OptunaSearch tells trials that were stopped early as
complete, knows no constraints, and leaves trials without a metric running for ever.

The file is long because the class is: Ray asks for all of it at once.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, final

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from models.architecture import Architecture
from study.search.budget import BudgetSpent
from study.search.rungs import rung_epochs
from study.search.sampler import Sampler
from study.search.space import suggest
from study.search.storage import (
    METRICS,
    REASON,
    RUN_ID,
    Ending,
    SearchStorage,
    epochs_of,
    kept_of,
    metrics_of,
    point_of,
    rungs_of,
    state_of,
)
from study.search.trial import Outcome, TrialConfig, judge, last_metrics
from study.spec.constraint import all_kept, violations
from study.spec.metrics import METRICS as METRIC_NAMES
from study.spec.study_spec import StudySpec

_ASK_FOR_S: Final = 0.2  # at a time, for a trial that keeps the constraints; Ray's loop waits
_MOST_INFEASIBLE: Final = 1000  # one after another

Count = Callable[[Architecture], Mapping[str, float]]
InfeasibleHeard = Callable[[TrialConfig, Mapping[str, float], Outcome], None]


def config_of(spec: StudySpec, params: Mapping[str, Any], number: int) -> TrialConfig:
    """What a worker is told of a trial with these answers."""
    architecture, training = suggest(optuna.trial.FixedTrial(dict(params)), spec)
    return TrialConfig(
        number=number,
        architecture=architecture,
        training=training,
        seeds=tuple(spec.replicate_seeds),
    )


@final
class StudySearcher(Searcher):
    """Asks for trials until the budget is met: first those that were interrupted, by their number.

    `count` gives the metrics of an architecture that are known before training; `heard` is called
    for each trial that breaks a constraint by them, and `run_id` gives a trial's MLflow run.
    `one_by_one`: only interrupted trials are handed out, each alone. `room` gives how many trials may
    run or wait for a worker now, at least one.
    """

    def __init__(
        self,
        spec: StudySpec,
        ledger: SearchStorage,
        count: Count,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.heard: InfeasibleHeard = lambda *_: None
        self.run_id: Callable[[int], str | None] = lambda _: None
        self.stopped: str | None = None
        self.one_by_one = False
        self.room: Callable[[], int] = lambda: sys.maxsize
        self._count = cache(count)
        self._ledger = ledger
        trials = ledger.trials()
        self._sampling = Sampler(spec, len(trials), self._counted, clock)
        self._spending = BudgetSpent(spec, self._sampling.grid_size)
        self._interrupted: deque[int] = deque()
        for trial in trials:
            self._sampling.begin(trial.number, trial.params, trial.system_attrs)
            for epoch, metrics in rungs_of(trial).items():
                self._sampling.see(trial.number, metrics | {"epochs": epoch})
            if trial.state == TrialState.RUNNING:
                self._interrupted.append(trial.number)
                continue
            if trial.state == TrialState.COMPLETE:
                self._sampling.see(trial.number, metrics_of(trial))
            self._sampling.end(trial.number, trial.state, trial.values, trial.constraints)
            if state_of(trial) != "INFEASIBLE":
                self._spending.end(trial.number, epochs_of(trial), point_of(trial))
        self._rung_epochs = rung_epochs(spec)
        self._running: dict[str, int] = {}
        self._infeasible_in_a_row = 0

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its searcher to restore it; the ledger is the memory."""
        return {}

    def met(self) -> str | None:
        """Why no more trials are to be asked for, in words; None while there are."""
        return self._spending.met() or self.stopped

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Ray asks whether the searcher itself sees to how many trials run at once: by `room`."""
        del max_concurrent
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        if len(self._running) >= (1 if self.one_by_one else self.room()):
            return None  # Ray asks again after its next event
        config = self._next()
        if config is None:
            over = (self.one_by_one or self.met() is not None) and not self._running
            return str(Searcher.FINISHED) if over else None
        self._running[trial_id] = config.number
        self._spending.begin(config.number)
        return config.to_dict()

    def _next(self) -> TrialConfig | None:
        """The next trial to train; None if there is none now."""
        if self.met() is not None:
            return None
        while self._interrupted:
            number = self._interrupted.popleft()
            config = config_of(self.spec, self._ledger.trials()[number].params, number)
            # It may have been broken off before its network was counted.
            if self._feasible(config):
                return config
        if self.one_by_one:
            return None
        until = time.monotonic() + _ASK_FOR_S
        while self._spending.allows_another() and time.monotonic() < until:
            proposal = self._sampling.propose(self._ledger.asked)
            if proposal is None:
                self.stopped = "every configuration of the space was tried"
                return None
            config = config_of(self.spec, proposal.params, self._ledger.ask(proposal))
            if self._feasible(config):
                return config
        return None

    def _counted(self, params: Mapping[str, Any]) -> Mapping[str, float]:
        return self._count(config_of(self.spec, params, 0).architecture)

    def _feasible(self, config: TrialConfig) -> bool:
        """Whether the network keeps the constraints; if not, the trial has ended already."""
        if not self.spec.constraints:
            return True
        counted = self._count(config.architecture)
        broken = violations(self.spec.constraints, counted, before_training=True)
        if all_kept(broken):
            self._infeasible_in_a_row = 0
            return True
        reason = "; ".join(text for text, violation in broken.items() if violation > 0)
        outcome = Outcome(state="INFEASIBLE", reason=f"it breaks {reason}")
        attributes = {METRICS: dict(counted), REASON: outcome.reason}
        self._tell(
            config.number,
            Ending(state=TrialState.PRUNED, values=None, violations=broken, attributes=attributes),
        )
        self.heard(config, counted, outcome)
        self._infeasible_in_a_row += 1
        if self._infeasible_in_a_row >= _MOST_INFEASIBLE:
            self.stopped = (
                f"{_MOST_INFEASIBLE} configurations one after another broke constraints, the last one "
                f"with {', '.join(f'{name} = {value:,}' for name, value in counted.items())}"
            )
        return False

    def break_off(self) -> list[int]:
        """Takes the running trials back, to be handed out again; their numbers."""
        lost = sorted(self._running.values())
        self._running.clear()
        self._interrupted.extendleft(reversed(lost))
        return lost

    def fail(self, number: int, reason: str) -> None:
        """Ends a trial that was taken back, as failed."""
        self._interrupted.remove(number)
        attributes = {REASON: reason}
        self._tell(
            number,
            Ending(state=TrialState.FAIL, values=None, violations={}, attributes=attributes),
        )
        self._spending.end(number, 0, None)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        metrics = last_metrics(result)
        if metrics and trial_id in self._running:
            number = self._running[trial_id]
            self._spending.report(number, int(metrics["epochs"]))
            self._note_rung(number, metrics)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002  # Ray's signature
    ) -> None:
        number = self._running.pop(trial_id, None)
        if number is None:
            return
        report = None if error else result
        outcome = judge(report, self.spec.objectives)
        metrics = {} if report is None else last_metrics(report)
        attributes: dict[str, Any] = {} if outcome.reason is None else {REASON: outcome.reason}
        if metrics:
            attributes |= kept_of(metrics)
        run_id = self.run_id(number)
        if run_id is not None:
            attributes[RUN_ID] = run_id
        values, broken = None, {}
        if outcome.state == "COMPLETE":
            values = [metrics[name] for name in self.spec.objectives]
            self._sampling.see(number, metrics)
            broken = violations(self.spec.constraints, metrics)
        elif outcome.state == "PRUNED" and metrics:
            self._note_rung(number, metrics)
        self._tell(
            number,
            Ending(
                state=TrialState[outcome.state],
                values=values,
                violations=broken,
                attributes=attributes,
            ),
        )
        point = values if all_kept(broken) else None
        self._spending.end(number, int(metrics.get("epochs", 0)), point)

    def _note_rung(self, number: int, metrics: Mapping[str, float]) -> None:
        epoch = int(metrics["epochs"])
        if epoch in self._rung_epochs:
            names = (name for metric in METRIC_NAMES for name in (metric, f"{metric}_sem"))
            reached = {name: metrics[name] for name in names if name in metrics}
            self._ledger.note_rung(number, epoch, reached)
            self._sampling.see(number, metrics)

    def _tell(self, number: int, ending: Ending) -> None:
        self._ledger.tell(number, ending)
        self._sampling.end(number, ending.state, ending.values, ending.violations)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the ledger is the memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the ledger is the memory."""
