"""Asynchronous successive halving on Pareto ranks, as a scheduler of Ray Tune.

MO-ASHA (arXiv 2106.12639) in the form that stops: a trial that reaches a rung is compared at once with
all that were there before, and goes on or ends. Ray's own ASHA compares one metric, and so ends every
small network beside a large, more accurate one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from optuna.trial import FrozenTrial, TrialState
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.search.rungs import new_rung, rung_epochs
from study.search.stored_trial import metrics_of, planned_epochs, rungs_of
from study.search.trial import TrialConfig, judge, last_metrics
from study.spec.study_spec import StudySpec


@final
class Halving(FIFOScheduler):
    """Ends trials at their rungs, by default those of the spec, and keeps workers busy.

    Ray calls it from its event loop; it only computes.
    """

    def __init__(self, spec: StudySpec, rungs: Sequence[int] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's
        self._spec = spec
        epochs = rung_epochs(spec) if rungs is None else rungs
        self._rungs = {epoch: new_rung(spec) for epoch in epochs}

    @classmethod
    def of(cls, spec: StudySpec, trials: Iterable[FrozenTrial]) -> "Halving":
        """The scheduler with what stored trials had reached."""
        halving = cls(spec)
        for trial in trials:
            for epoch, metrics in rungs_of(trial).items():
                halving.place(trial.number, epoch, metrics)
            if trial.state == TrialState.COMPLETE:
                halving.finish(trial.number, planned_epochs(trial, spec), metrics_of(trial))
        return halving

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its scheduler to restore it; rungs are rebuilt from the search."""
        return {}

    def place(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Adds a trial to the rung at this epoch, if there is one, without comparing it."""
        if epoch in self._rungs:
            self._rungs[epoch].place(number, metrics)

    def enter(
        self,
        number: int,
        epoch: int,
        metrics: Mapping[str, float],
        continues: int | None = None,
    ) -> bool:
        """Returns whether the trial continues after this epoch; always, where there is no rung.

        It also continues at a rung that it has passed, as when it reports an epoch again after the
        loss of its worker or its driver, and at one that the trial which it `continues` came to.
        """
        rung = self._rungs.get(epoch)
        if rung is None or number in rung or continues in rung:
            return True
        return rung.enter(number, metrics)

    def finish(self, number: int, planned: int, metrics: Mapping[str, float]) -> None:
        """Adds a complete trial, planned for so many epochs, to the rungs from its last epoch on.

        If it ended before, its replicates have stopped, so it would come to each of these rungs with
        the metrics it has now. If not, it may be planned for fewer epochs than the study has by now:
        then it would train on, and comes to the rung at its last epoch only.
        """
        last = int(metrics["epochs"])
        for epoch in self._rungs:
            if epoch == last or (epoch > last and last < planned):
                self.place(number, epoch, metrics)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Compares a trial; Tune does not call this for the last report of a trial, which is `done`."""
        del tune_controller
        metrics, config = last_metrics(result), trial.config
        if not metrics:
            return str(TrialScheduler.CONTINUE)
        epoch = int(metrics["epochs"])
        goes_on = self.enter(config["number"], epoch, metrics, config["continues"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Adds a complete trial to the rungs after its end."""
        del tune_controller
        if judge(result, self._spec.objectives).state == "COMPLETE":
            config = TrialConfig.from_dict(trial.config)
            self.finish(config.number, config.training.epochs, last_metrics(result))

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
