"""How trials of peers are stopped early: never, by Ray's ASHA on accuracy alone, or by our halving."""

from types import SimpleNamespace
from typing import Any, Final, Literal, Protocol, TypeAlias

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from benchmarks.search.replay_ours import spec_of
from benchmarks.search.replay_table import Metrics, Space
from study.search.scheduler import Halving

StoppingName: TypeAlias = Literal["none", "asha", "pareto"]


class Stopping(Protocol):
    """Decides at each epoch whether a trial goes on."""

    def goes_on(self, key: int, epoch: int, metrics: Metrics) -> bool:
        """Whether it does after this epoch."""


class NoStopping:
    """Every trial is trained to its last epoch."""

    def goes_on(self, key: int, epoch: int, metrics: Metrics) -> bool:  # noqa: ARG002  # of the protocol
        return True


class Asha:
    """Ray's own ASHA decides, with a stand-in for Ray's trial, of which it reads only the trial_id."""

    def __init__(self, epochs: int, grace: int, factor: float) -> None:
        self._trials: dict[int, Any] = {}
        self._controller: Any = None  # ASHA does not use it
        self._scheduler = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="val_accuracy",
            mode="max",
            max_t=epochs,
            grace_period=grace,
            reduction_factor=factor,
        )

    def goes_on(self, key: int, epoch: int, metrics: Metrics) -> bool:
        if key not in self._trials:
            self._trials[key] = SimpleNamespace(trial_id=str(key))
            self._scheduler.on_trial_add(self._controller, self._trials[key])
        result = {"epoch": epoch, "val_accuracy": metrics["val_accuracy"]}
        decision = self._scheduler.on_trial_result(self._controller, self._trials[key], result)
        return bool(decision == TrialScheduler.CONTINUE)


class Pareto:
    """The halving of a study, by the ranks of both objectives."""

    def __init__(self, space: Space, grace: int, factor: float) -> None:
        stopping = {"grace_epochs": grace, "reduction_factor": factor}
        self._halving: Final = Halving(spec_of(space, 0, stopping=stopping))

    def goes_on(self, key: int, epoch: int, metrics: Metrics) -> bool:
        return self._halving.enter(key, epoch, metrics | {"epochs": epoch})


def stopping_of(name: StoppingName, space: Space, grace: int, factor: float) -> Stopping:
    """The early stopping of a name."""
    if name == "none":
        return NoStopping()
    if name == "asha":
        return Asha(space.epochs, grace, factor)
    return Pareto(space, grace, factor)
