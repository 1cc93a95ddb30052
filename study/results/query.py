"""A query of trials: their states, families and bounds, an order, and a limit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Final, Literal, final

from models.architecture import FAMILIES
from study.errors import SpecError, nearest
from study.results.format import number
from study.spec.metrics import Direction, is_metric, metric_names, metric_of, share_hint
from study.tracking import tags

STATES: Final = tuple(tags.RUN_STATUS)
"""All states of trials."""

STARTED: Final = "trial"
"""The order of trial numbers, which is that of their starts."""

ORDERS: Final = (*metric_names(), "epochs", STARTED)
"""The keys of an order, as shown in messages; diagnostics of deeper layers are keys too."""


_BOUNDS: Final[dict[str, tuple[str, Literal["<=", ">="]]]] = {
    "min_parameters": ("trainable_parameters", ">="),
    "max_parameters": ("trainable_parameters", "<="),
    "min_macs": ("macs", ">="),
    "max_macs": ("macs", "<="),
    "min_accuracy": ("val_accuracy", ">="),
    "min_epochs": ("epochs", ">="),
    "max_epochs": ("epochs", "<="),
}


@final
@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on a metric: at most or at least `value`."""

    metric: str
    sign: Literal["<=", ">="]
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {number(self.value)}"

    def holds(self, value: float) -> bool:
        """Whether a value satisfies the bound."""
        return value <= self.value if self.sign == "<=" else value >= self.value


@final
@dataclass(frozen=True, slots=True)
class Order:
    """An order of trials by a metric; trials without a value come last."""

    metric: str
    descending: bool

    @classmethod
    def parse(cls, text: str) -> "Order":
        """Parses METRIC, METRIC:asc or METRIC:desc; by default the better values come first.

        Raises SpecError for another form, an unknown metric or a test metric.
        """
        metric, colon, way = text.partition(":")
        if metric.startswith("test_"):
            raise SpecError(f"a test metric is only reported and never an order, got {text!r}")
        if metric not in ORDERS and not is_metric(metric):
            raise SpecError(f"unknown order {metric!r}; {nearest(metric, ORDERS)}")
        if colon and way not in ("asc", "desc"):
            raise SpecError(f"an order must have the form METRIC:asc or METRIC:desc, got {text!r}")
        better_is_more = is_metric(metric) and metric_of(metric).direction == "maximize"
        return cls(metric, way == "desc" if colon else better_is_more)


_FEWEST_PARAMETERS: Final = Order("trainable_parameters", descending=False)
MOST_ACCURATE: Final = (Order("val_accuracy", descending=True), _FEWEST_PARAMETERS)
SMALLEST: Final = (_FEWEST_PARAMETERS, Order("val_accuracy", descending=True))


def best_first(objectives: Mapping[str, Direction]) -> tuple[Order, ...]:
    """The order by the first objective, then by parameters, then by accuracy."""
    metric, direction = next(iter(objectives.items()))
    if metric == "trainable_parameters" and direction == "minimize":
        return SMALLEST
    return Order(metric, descending=direction == "maximize"), _FEWEST_PARAMETERS


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Trials in one of the states and families, within all bounds; empty tuples allow any.

    `dendritic` restricts to dendritic networks, or to all others (`Architecture.is_dendritic`).
    `feasible` restricts to complete trials that satisfy the constraints of the study. Without an order,
    and among equal values, trials are in order of their numbers. Bounds and orders are of pooled values
    (`TrialRecord.pooled`). `confirmed_first`: confirmed trials come before all others, whose values are
    optimistic.
    """

    states: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    dendritic: bool | None = None
    bounds: tuple[Bound, ...] = ()
    feasible: bool = False
    confirmed_first: bool = False
    order: tuple[Order, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise SpecError(f"`limit >= 1` must hold, got limit={self.limit}")
        metrics = [order.metric for order in self.order]
        if len(set(metrics)) < len(metrics):
            raise SpecError(f"an order must have each metric once, got {', '.join(metrics)}")
        for state in self.states:
            if state not in STATES:
                raise SpecError(f"unknown state {state!r}; {nearest(state, STATES)}")


COMPLETE: Final = Query(states=("COMPLETE",), feasible=True, confirmed_first=True)
"""Complete trials that satisfy the constraints, the confirmed ones first."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Filters of trials: one or several families, and inclusive bounds, all of which apply.

    `dendritic`: only networks whose somata have at least two branches of their own, each with a
    nonlinearity, or, if false, only the others, which are controls. None is no filter. Parameters and
    multiply-accumulates are those of one replicate, the accuracy is that of validation as a share in
    0..1, epochs are trained epochs.
    """

    family: str | Sequence[str] | None = None
    dendritic: bool | None = None
    min_parameters: int | None = None
    max_parameters: int | None = None
    min_macs: int | None = None
    max_macs: int | None = None
    min_accuracy: float | None = None
    min_epochs: int | None = None
    max_epochs: int | None = None

    def bounds(self) -> tuple[Bound, ...]:
        """The bounds. Raises SpecError unless they are numbers that some trial could satisfy."""
        bounds = [
            Bound(metric, sign, _checked(name, value))
            for name, (metric, sign) in _BOUNDS.items()
            if (value := getattr(self, name)) is not None
        ]
        for metric in {bound.metric for bound in bounds}:
            low = [bound.value for bound in bounds if bound.metric == metric and bound.sign == ">="]
            high = [
                bound.value for bound in bounds if bound.metric == metric and bound.sign == "<="
            ]
            if low and high and low[0] > high[0]:
                raise SpecError(
                    f"`minimum <= maximum` must hold for {metric}, got {number(low[0])} and "
                    f"{number(high[0])}"
                )
        return tuple(bounds)

    def __post_init__(self) -> None:
        if not (self.dendritic is None or isinstance(self.dendritic, bool)):
            raise SpecError(f"`dendritic` must be true or false, got {self.dendritic!r}")

    def families(self, searched: Sequence[str]) -> tuple[str, ...]:
        """The families, () for any. Raises SpecError for one that the study does not search."""
        families = self._given_families()
        for family in families:
            if family not in searched:
                raise SpecError(
                    f"`family` must be one that the study searches ({', '.join(searched)}), "
                    f"got {family!r}"
                )
        return families

    def check_families(self) -> None:
        """Raises SpecError for an unknown family, before a study is read."""
        for family in self._given_families():
            if family not in FAMILIES:
                raise SpecError(f"unknown family {family!r}; {nearest(family, FAMILIES)}")

    def _given_families(self) -> tuple[str, ...]:
        given = self.family or ()
        return (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))


def _checked(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, Real):
        raise SpecError(f"`{name}` must be a number, got {given!r}")
    value = given if isinstance(given, int) else float(given)
    if name == "min_accuracy":
        if not 0 <= value <= 1:
            hint = share_hint(value)
            raise SpecError(
                f"`0 <= min_accuracy <= 1` (--min-accuracy) must hold, got {value:g}{hint}"
            )
    elif not (math.isfinite(value) and value >= 0):
        raise SpecError(f"`{name} >= 0` must hold, got {name}={value}")
    return value
