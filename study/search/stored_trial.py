"""What the journal keeps of a trial: its plan, what it had reached at its rungs, its metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from optuna.trial import FrozenTrial, TrialState

from study.search.configuration import Configuration
from study.search.trial import TrialConfig
from study.spec.constraint import all_kept
from study.spec.metrics import METRICS as METRIC_NAMES
from study.spec.metrics import is_diagnostic
from study.spec.study_spec import StudySpec

START: Final = "start"
"""The place among the configurations that the spec starts with."""

EPOCHS: Final = "epochs"
"""The epochs for which the trial was planned."""

CONTINUES: Final = "continues"
"""The trial of the same configuration from whose checkpoint it starts."""

RUNG: Final = "rung/"
"""And an epoch: what the trial had reached there."""

METRICS: Final = "metrics"

DIAGNOSTICS: Final = "diagnostics"
"""Apart from the metrics: Optuna's dashboard cuts what is longer than 1,024 characters."""

REASON: Final = "reason"
"""Why the trial failed."""

TRAINED: Final = "trained"
"""How many epochs a trial without metrics was trained for, as one that failed."""


def rungs_of(trial: FrozenTrial) -> dict[int, dict[str, float]]:
    """What a trial had reached at each rung that it came to, by epoch."""
    return {
        int(name.removeprefix(RUNG)): values
        for name, values in trial.user_attrs.items()
        if name.startswith(RUNG)
    }


def has_passed(trial: FrozenTrial, epoch: int, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a trial, or the one that it continues, has been at the rung of this epoch.

    `trials` are all, by number.
    """
    before = continues_of(trial)
    return epoch in rungs_of(trial) or (before is not None and epoch <= epochs_of(trials[before]))


def compared_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that can be compared at a rung, with their standard errors."""
    names = (name for metric in METRIC_NAMES for name in (metric, f"{metric}_sem"))
    return {name: metrics[name] for name in names if name in metrics}


def start_of(trial: FrozenTrial) -> int | None:
    """The place of a trial among those that the spec starts with; None if it is none of them."""
    return trial.user_attrs.get(START)


def continues_of(trial: FrozenTrial) -> int | None:
    """The trial of the same configuration that a trial continues; None if there is none."""
    return trial.user_attrs.get(CONTINUES)


def continued_by(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> list[int]:
    """The trials that a trial continues, the last one first; `trials` are all, by number."""
    chain = []
    before = continues_of(trial)
    while before is not None:
        chain.append(before)
        before = continues_of(trials[before])
    return chain


def planned_epochs(trial: FrozenTrial, spec: StudySpec) -> int:
    """The epochs for which a trial was planned: those of the spec when it was asked for."""
    return int(trial.user_attrs.get(EPOCHS, spec.budget.epochs))


def is_cut_short(trial: FrozenTrial, spec: StudySpec) -> bool:
    """Whether a complete trial was planned for fewer epochs than the spec has, and would train on.

    One that patience ended before would not.
    """
    planned = planned_epochs(trial, spec)
    complete = trial.state == TrialState.COMPLETE
    return complete and epochs_of(trial) >= planned < spec.budget.epochs


def config_of(trial: FrozenTrial, spec: StudySpec) -> TrialConfig:
    """What a worker is told of a stored trial."""
    config = Configuration(spec, given=trial.params).for_trial(
        trial.number, start_of(trial), continues_of(trial)
    )
    training = replace(config.training, epochs=planned_epochs(trial, spec))
    return replace(config, training=training)


def point_of(trial: FrozenTrial) -> Sequence[float] | None:
    """The objectives of a complete trial that keeps all constraints; None of any other."""
    complete = trial.state == TrialState.COMPLETE
    return trial.values if complete and all_kept(trial.constraints) else None


def kept_of(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The attributes that keep a trial's metrics; with these its record can be written again."""
    measured = {name: value for name, value in metrics.items() if is_diagnostic(name)}
    plain = {name: value for name, value in metrics.items() if name not in measured}
    return {METRICS: plain} | ({DIAGNOSTICS: measured} if measured else {})


def metrics_of(trial: FrozenTrial) -> dict[str, float]:
    """The metrics that `kept_of` keeps; none of a trial that has none."""
    metrics: dict[str, float] = {}
    for part in (METRICS, DIAGNOSTICS):
        metrics |= trial.user_attrs.get(part, {})
    return metrics


def epochs_of(trial: FrozenTrial) -> int:
    """The epochs that a trial was trained for when it ended."""
    return int(metrics_of(trial).get("epochs", trial.user_attrs.get(TRAINED, 0)))
