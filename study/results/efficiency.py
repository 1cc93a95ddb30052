"""Efficiency scores of trials relative to each other, and the smallest trial that reaches a target.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (efficiency scores, Fig. 3 and 4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from study.errors import BadInputError, nearest
from study.results.record import TrialRecord
from study.spec.metrics import Direction, is_metric, metric_names, metric_of
from study.training.efficiency import cost_factor


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EfficiencyScore:
    """The cost factor of a trial, its test accuracy divided by it, and its test loss times it."""

    run_id: str
    trial: int
    factor: float
    accuracy: float
    loss: float


def efficiency_scores(records: Iterable[TrialRecord]) -> tuple[list[EfficiencyScore], float]:
    """The paper's scores of these trials, and their reference cost.

    The reference is the least cost of these trials, parameters x epoch of the lowest validation loss,
    so scores of different sets of trials are not comparable. Scores are of means over replicates, those
    of the paper of single networks. Trials without test metrics or the diagnostics of the group
    generalisation are left out. Raises BadInputError if none remains, or the reference is not above 1.
    """
    costs = []
    for record in records:
        epoch, parameters = record.value("lowest_loss_epoch"), record.trainable_parameters
        tested = record.test_accuracy is not None and record.test_loss is not None
        if epoch is not None and parameters is not None and tested:
            costs.append((record, parameters, epoch))
    if not costs:
        raise BadInputError(
            "at least one trial must have test metrics and the diagnostics of the group "
            "generalisation, got none"
        )
    reference = min(parameters * epoch for _, parameters, epoch in costs)
    if reference <= 1:
        raise BadInputError(f"`parameters * epoch > 1` must hold for all trials, got {reference}")
    scores = []
    for record, parameters, epoch in costs:
        factor = cost_factor(parameters, epoch, reference)
        accuracy, loss = record.test_accuracy or 0.0, record.test_loss or 0.0
        scores.append(
            EfficiencyScore(
                run_id=record.run_id,
                trial=record.trial,
                factor=factor,
                accuracy=accuracy / factor,
                loss=loss * factor,
            )
        )
    return scores, reference


def parameters_to_reach(
    records: Iterable[TrialRecord], metric: str, target: float
) -> TrialRecord | None:
    """The trial with the fewest parameters whose metric is at least as good as the target, or None.

    Accepts any metric or diagnostic, also of test images. Among equal sizes the better one is taken,
    then the first. Raises BadInputError for an unknown metric.
    """
    sign = 1.0 if _direction(metric) == "minimize" else -1.0
    reached = [
        (record.trainable_parameters, sign * value, record.trial, record)
        for record in records
        if record.trainable_parameters is not None
        and (value := record.value(metric)) is not None
        and sign * value <= sign * target
    ]
    return min(reached, key=lambda one: one[:3])[-1] if reached else None


def _direction(metric: str) -> Direction:
    plain = metric.removeprefix("test_")
    for name in (metric,) if plain == metric else (plain, f"val_{plain}"):
        if is_metric(name):
            return metric_of(name).direction
    raise BadInputError(f"unknown metric {metric!r}; {nearest(metric, metric_names())}")
