"""Asynchronous successive halving on Pareto ranks, as a scheduler of Ray Tune.

MO-ASHA (arXiv 2106.12639) in the form that stops: a trial that reaches a rung is compared at once with
all that were there before, and goes on or ends. Ray's own ASHA compares one metric, and so ends every
small network beside a large, more accurate one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, final

from optuna.trial import FrozenTrial, TrialState
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.search.rungs import new_rung, rung_epochs
from study.search.stored_trial import is_cut_short, metrics_of, rungs_of
from study.search.trial import last_metrics
from study.spec.study_spec import StudySpec


@final
class Halving(FIFOScheduler):
    """Ends trials at their rungs. Ray calls it from its event loop; it only computes."""

    def __init__(self, spec: StudySpec) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's
        self._rungs = {epoch: new_rung(spec) for epoch in rung_epochs(spec)}

    @classmethod
    def of(cls, spec: StudySpec, trials: Iterable[FrozenTrial]) -> "Halving":
        """The scheduler with what stored trials had reached."""
        halving = cls(spec)
        for trial in trials:
            for epoch, metrics in rungs_of(trial).items():
                halving.enter(trial.number, epoch, metrics)
            if trial.state == TrialState.COMPLETE and not is_cut_short(trial, spec):
                halving.finish(trial.number, metrics_of(trial))
        return halving

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its scheduler to restore it; rungs are rebuilt from the search."""
        return {}

    def enter(self, number: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether the trial goes on after this epoch; always, where there is no rung."""
        rung = self._rungs.get(epoch)
        return rung is None or rung.enter(number, metrics)

    def finish(self, number: int, metrics: Mapping[str, float]) -> None:
        """A trial is complete; at the rungs from here on others are compared with it.

        Its replicates have stopped, so it would have come to each with what it has now.
        """
        for epoch, rung in self._rungs.items():
            if epoch >= metrics["epochs"]:
                rung.enter(number, metrics)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        del tune_controller
        metrics = last_metrics(result)
        number = trial.config["number"]
        if metrics and result["finished"]:
            self.finish(number, metrics)
        if not metrics or result["finished"]:
            return str(TrialScheduler.CONTINUE)
        goes_on = self.enter(number, int(metrics["epochs"]), metrics)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """None: Tune then starts pending trials itself, and gives a free worker to one without any.

        Ray's FIFO gives it to the oldest pending trial, and ends the worker that starts for that one.
        Where trials end faster than workers start, hardly any worker would ever start.
        """
        del tune_controller
        return None

    def debug_string(self) -> str:
        counts = ", ".join(f"{len(rung)} after {epoch}" for epoch, rung in self._rungs.items())
        return f"halving: {counts or 'no rungs'}"
