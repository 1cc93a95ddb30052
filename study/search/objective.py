"""How the objectives of an Optuna study compare, and what is known of them before a trial."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

from study.search.observations import Output, Report

Outputs: TypeAlias = dict[Output, tuple[float, float]]
"""Costs by the place of their objective, violations by the name of their constraint; with errors."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """How values of an objective compare.

    `transform` is an increasing function on whose scale they are learned and hypervolumes are measured,
    such as `math.log10` of sizes. `reference` is the value from which on a trial is of interest.
    """

    maximize: bool
    transform: Callable[[float], float] = float
    reference: float | None = None

    def cost(self, value: float) -> float:
        """The transformed value; less is better."""
        transformed = self.transform(value)
        return -transformed if self.maximize else transformed

    def error(self, value: float, error: float) -> float:
        """The standard error of a cost, of a value and its standard error."""
        if not error:
            return 0.0
        return abs(self.transform(value + error) - self.transform(value - error)) / 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a configuration before its trial.

    `values` are those of objectives, by their place; `constraints` are violations by name, 0 or less if
    the constraint is satisfied. `features` are further features of the surrogate, in units in which a
    difference of one matters.
    """

    values: Mapping[int, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)
    features: Sequence[float] = ()


def outputs_of(objectives: Sequence[Objective], report: Report) -> Outputs:
    """The costs and violations of a report that are finite, each with its standard error."""
    outputs: Outputs = {}
    for place, (objective, value) in enumerate(zip(objectives, report.values, strict=True)):
        if value is not None and math.isfinite(value):
            error = report.errors[place] if report.errors else 0.0
            outputs[place] = (objective.cost(value), objective.error(value, error))
    for name, violation in report.constraints.items():
        if math.isfinite(violation):
            outputs[name] = (violation, 0.0)
    return outputs
