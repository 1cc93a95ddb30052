"""The result of a claim: from an interval and a bound to a verdict, with its reason."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, final

from paper.intervals import Interval

Verdict: TypeAlias = Literal["holds", "does not", "undecided"]
ONE_SEED: Final = "a single seed has no interval"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A claim and its result in a study; None for what does not apply.

    `ours` is what was measured, in `unit`, and `low` and `high` bound its 95 % interval; `published` is
    in the same unit. Units: `accuracy` (a share), `ratio`, `loss per decade`, and differences such as
    `accuracy difference`, `loss difference` or, of another metric, its name and `difference`. `seeds`
    counts the networks behind it (of a trend the fewest of any configuration). Trials are chosen on
    validation, each in its study; parameters are of one replicate. `reason` explains the verdict.
    """

    statement: str
    source: str | None = None
    kind: str
    family: str | None = None
    reference: str | None = None
    published: float | None = None
    published_sd: float | None = None
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str
    seeds: int | None = None
    study: str | None = None
    trial: int | None = None
    reference_study: str | None = None
    reference_trial: int | None = None
    trainable_parameters: int | None = None
    reference_parameters: int | None = None
    verdict: Verdict = "undecided"
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON types."""
        return asdict(self)


def shown(value: float, unit: str) -> str:
    """A value with its unit: accuracies in percent, their differences in points."""
    if unit == "accuracy":
        return f"{100 * value:.2f} %"
    if unit == "accuracy difference":
        return f"{100 * value:+.2f} points"
    if unit == "ratio":
        return f"{value:.3f}"
    return f"{value:.4f}" if unit == "loss" else f"{value:+.4f}"


@final
@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    reason: str


def at_least(interval: Interval, bound: float, unit: str) -> Judgement:
    """Holds if no value of the interval is below the bound, does not if all are."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    limit = shown(bound, unit)
    if interval.low >= bound:
        return Judgement("holds", f"{_interval(interval, unit)} is not below {limit}")
    if interval.high < bound:
        return Judgement("does not", f"{_interval(interval, unit)} is entirely below {limit}")
    return Judgement("undecided", f"{_interval(interval, unit)} contains {limit}")


def at_most(interval: Interval, bound: float, unit: str) -> Judgement:
    """Holds if no value of the interval is above the bound, does not if all are."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    limit = shown(bound, unit)
    if interval.high <= bound:
        return Judgement("holds", f"{_interval(interval, unit)} is not above {limit}")
    if interval.low > bound:
        return Judgement("does not", f"{_interval(interval, unit)} is entirely above {limit}")
    return Judgement("undecided", f"{_interval(interval, unit)} contains {limit}")


def within(interval: Interval, low: float, high: float, unit: str) -> Judgement:
    """Holds if the interval lies between the bounds, does not if no value of it does."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    agreed = f"{shown(low, unit)} to {shown(high, unit)}"
    if low <= interval.low and interval.high <= high:
        return Judgement("holds", f"{_interval(interval, unit)} lies within {agreed}")
    if interval.low > high:
        return Judgement("does not", f"{_interval(interval, unit)} lies above {agreed}")
    if interval.high < low:
        return Judgement("does not", f"{_interval(interval, unit)} lies below {agreed}")
    return Judgement("undecided", f"{_interval(interval, unit)} overlaps {agreed} only partly")


def _interval(interval: Interval, unit: str) -> str:
    if interval.low is None or interval.high is None:
        return shown(interval.value, unit)
    return f"[{shown(interval.low, unit)}, {shown(interval.high, unit)}]"
