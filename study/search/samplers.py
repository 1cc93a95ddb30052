"""The samplers that a spec can name: Optuna's, and `ehvi` as a study uses it."""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from models.architecture import Architecture
from study.search.earlier_study import EarlierStudy
from study.search.ehvi import EHVISampler
from study.search.objective import Known
from study.search.observations import Report
from study.search.space import suggest
from study.spec.constraint import KNOWN_BEFORE_TRAINING, Constraint, violations
from study.spec.metrics import Metric, metric_of
from study.spec.study_spec import StudySpec

Counted: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""The metrics of a configuration that are known before training."""

Count: TypeAlias = Callable[[Architecture], Mapping[str, float]]
"""The same, of an architecture."""

_TIME_SHARE: Final = 1 / 5  # of the driver's time, for ranking

SAMPLERS: Final[dict[str, Callable[[int], BaseSampler]]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "nsga3": lambda seed: optuna.samplers.NSGAIIISampler(seed=seed, population_size=20),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}

_SIZES: Final = ("macs", "trainable_parameters")


def sampler_of(
    spec: StudySpec,
    seed: int,
    counted: Counted,
    clock: Callable[[], float] | None,
    earlier: Sequence[EarlierStudy] = (),
) -> BaseSampler | None:
    """The sampler of a spec; None for a grid. Only `ehvi` learns from earlier studies.

    `clock` gives the time in seconds, by which `ehvi` limits its own; None for no limit.
    """
    if spec.sampler == "ehvi":
        return ehvi_of(spec, seed, counted, clock, earlier)
    if spec.sampler not in SAMPLERS:
        return None
    with warnings.catch_warnings():
        # Experimental are TPE's grouped space, NSGA-III and the Gaussian process.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[spec.sampler](seed)


def ehvi_of(
    spec: StudySpec,
    seed: int,
    counted: Counted,
    clock: Callable[[], float] | None,
    earlier: Sequence[EarlierStudy],
) -> EHVISampler:
    """The sampler `ehvi` with what a spec says: sizes are known, accuracies are learned as errors."""
    references = spec.references
    return EHVISampler(
        seed=seed,
        known=partial(_known, spec, _constraints_known(spec), counted),
        transforms=[partial(_transformed, metric_of(name)) for name in spec.objectives],
        references=[references.get(name) for name in spec.objectives],
        epochs=spec.budget.epochs,
        space=partial(suggest, spec=spec),
        earlier=earlier,
        time_share=None if clock is None else _TIME_SHARE,
        clock=clock or time.monotonic,
    )


def report_of(spec: StudySpec, metrics: Mapping[str, float]) -> Report:
    """The objectives and constraints of a spec, of the metrics of a trial after an epoch."""
    broken = violations(spec.constraints, metrics)
    return Report(
        values=[metrics.get(name) for name in spec.objectives],
        errors=[metrics.get(f"{name}_sem", 0.0) for name in spec.objectives],
        # Infinite are those of metrics that only the end of a trial has.
        constraints={text: by for text, by in broken.items() if math.isfinite(by)},
    )


def features_of(metrics: Mapping[str, float]) -> list[float]:
    """The sizes of a network as features of the surrogate; what is stored follows from them."""
    return [math.log10(metrics[name]) / 2 for name in _SIZES]


def _constraints_known(spec: StudySpec) -> list[Constraint]:
    parsed = [Constraint.parse(text) for text in spec.constraints]
    return [constraint for constraint in parsed if constraint.known_before_training]


def _known(
    spec: StudySpec, constraints: list[Constraint], counted: Counted, params: Mapping[str, Any]
) -> Known:
    metrics = counted(params)
    return Known(
        values={
            place: metrics[name]
            for place, name in enumerate(spec.objectives)
            if name in KNOWN_BEFORE_TRAINING
        },
        constraints={one.text: one.violation(metrics) for one in constraints},
        features=features_of(metrics),
    )


def _transformed(metric: Metric, value: float) -> float:
    """A metric on the scale of `Metric.to_error`, increasing."""
    error = metric.to_error(value)
    return error if metric.direction == "minimize" else -error
