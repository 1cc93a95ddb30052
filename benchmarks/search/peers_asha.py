"""The stock combination of Ray Tune: Optuna's TPE proposes, Ray's ASHA stops on accuracy alone.

Ray's own scheduler decides, with a stand-in for Ray's trial, of which it reads only the trial_id.
How Optuna is told of stopped trials is what the peers here differ in.
"""

from types import SimpleNamespace

from optuna.samplers import TPESampler
from optuna.trial import TrialState
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from benchmarks.search.peers import OptunaSearch
from benchmarks.search.replay_table import Configuration, Metrics, Space


class AshaSearch(OptunaSearch):
    """Multi-objective TPE and ASHA: grace of one epoch, the best third goes on at each rung."""

    def __init__(
        self, space: Space, seed: int, *, stopped: TrialState, repeats: bool = True
    ) -> None:
        super().__init__(space, TPESampler(seed=seed), seed=seed, repeats=repeats)
        self._stopped = stopped
        self._trials: dict[int, SimpleNamespace] = {}
        self._scheduler = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="val_accuracy",
            mode="max",
            max_t=space.epochs,
            grace_period=1,
            reduction_factor=3,
        )

    def ask(self) -> tuple[int, Configuration] | None:
        asked = super().ask()
        if asked is not None:
            key, _ = asked
            self._trials[key] = SimpleNamespace(trial_id=str(key))
            self._scheduler.on_trial_add(None, self._trials[key])
        return asked

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        super().report(key, epoch, metrics)
        result = {"epoch": epoch, "val_accuracy": metrics["val_accuracy"]}
        decision = self._scheduler.on_trial_result(None, self._trials[key], result)
        return bool(decision == TrialScheduler.CONTINUE)

    def end(self, key: int, *, finished: bool) -> None:
        # Of a trial that the scheduler itself ended, also at max_t, Ray tells only the searcher.
        del self._trials[key]
        self.tell(key, TrialState.COMPLETE if finished else self._stopped)


def stock(space: Space, seed: int) -> AshaSearch:
    """As Ray's OptunaSearch: a stopped trial is complete, with the accuracy that it had by then."""
    return AshaSearch(space, seed, stopped=TrialState.COMPLETE)


def pruned(space: Space, seed: int) -> AshaSearch:
    """Optuna is told that stopped trials were pruned."""
    return AshaSearch(space, seed, stopped=TrialState.PRUNED)


def pruned_without_repeats(space: Space, seed: int) -> AshaSearch:
    """Stopped trials are pruned ones, and no configuration is tried twice."""
    return AshaSearch(space, seed, stopped=TrialState.PRUNED, repeats=False)
