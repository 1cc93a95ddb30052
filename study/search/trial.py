"""One trial: its configuration, its state in Optuna's words, judged from its last report; its end."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from models.architecture import Architecture
from study.training.settings import TrainingSettings

State: TypeAlias = Literal["COMPLETE", "PRUNED", "FAIL"]
WORKER_DIED = "the worker process died: it was killed, or its machine ran out of memory"
WORKER_ENDED = "the worker process died or ended with an error"  # of which only Ray knows more


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a trial: its state, and the reason for FAIL."""

    state: State
    reason: str | None = None


def judge(report: Mapping[str, Any] | None, objectives: Iterable[str]) -> Outcome:
    """The outcome after the last report of a worker (`study.runner.trainable`), or after none.

    COMPLETE needs the whole budget and a finite value for every objective; a trial that was stopped
    before is PRUNED, whatever its values are.
    """
    if report is None:
        return Outcome(state="FAIL", reason=WORKER_ENDED)
    if report.get("failure"):
        return Outcome(state="FAIL", reason=report["failure"])
    if not report.get("finished"):
        return Outcome(state="PRUNED")
    metrics = last_metrics(report)
    for name in objectives:
        value = metrics.get(name)
        if value is None or not math.isfinite(value):
            reason = f"the objective {name} must be a finite number, got {value}"
            return Outcome(state="FAIL", reason=reason)
    return Outcome(state="COMPLETE")


def last_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of the last epoch in a worker's report; empty if it has none."""
    epochs: list[dict[str, float]] = report.get("epochs") or [{}]
    return epochs[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that a worker needs to know of a trial; `number` is Optuna's.

    `start` is the place of its configuration among those that the spec starts with, if it is one.
    `continues` is the trial of the same configuration from whose checkpoint it starts, if there is one.
    """

    number: int
    architecture: Architecture
    training: TrainingSettings
    seeds: tuple[int, ...]
    start: int | None = None
    continues: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON types."""
        return asdict(self) | {"seeds": list(self.seeds)}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "TrialConfig":
        """The configuration of `to_dict`."""
        return cls(
            number=table["number"],
            architecture=Architecture(**table["architecture"]),
            training=TrainingSettings(**table["training"]),
            seeds=tuple(table["seeds"]),
            start=table.get("start"),
            continues=table.get("continues"),
        )

    def accepts(self, stored: Mapping[str, Any]) -> bool:
        """Whether a checkpoint with a stored configuration is of this trial, or of the one it continues.

        The latter may have been planned for fewer epochs.
        """
        own = self.to_dict()
        if stored == own:
            return True
        if self.continues is None or stored["number"] != self.continues:
            return False
        changes = {name: own[name] for name in ("number", "start", "continues")}
        epochs = max(self.training.epochs, stored["training"]["epochs"])
        changes["training"] = stored["training"] | {"epochs": epochs}
        return {**stored, **changes} == own


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTrial:
    """The end of a trial that was trained, and what followed from it.

    `point` are its objectives if it is complete and satisfies the constraints; `changes` are the trials
    that joined the front by it (True) or left it (False). `goes_on`: whether another trial will continue
    it, so that both count as one.
    """

    number: int
    outcome: Outcome
    metrics: Mapping[str, float] = field(default_factory=dict)
    point: Sequence[float] | None = None
    changes: Mapping[int, bool] = field(default_factory=dict)
    goes_on: bool = False


class TrialListener:
    """Callbacks of the searcher; by default they do nothing, and no trial has an MLflow run."""

    def run_id(self, number: int) -> str | None:
        """The MLflow run of a trial, if it has one by now."""
        del number
        return None

    def begins_again(self, number: int) -> bool:
        """Whether a trial whose worker is gone had not begun, and is to be handed out again."""
        del number
        return False

    def can_continue(self, number: int) -> bool:
        """Whether an ended trial has a checkpoint that it can continue from."""
        del number
        return False

    def ensure_begun(self, config: TrialConfig) -> None:
        """A trial is about to end, which a worker may not have begun."""

    def on_end(self, ended: EndedTrial) -> None:
        """A trial ended; one whose worker died only if the driver ended it."""
