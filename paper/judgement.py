"""From an interval and what is claimed to a verdict: all of it on one side, or nothing is decided."""

from dataclasses import dataclass
from typing import Final, final

from paper.claim_result import Verdict, shown
from paper.intervals import Interval

ONE_SEED: Final = "a single seed has no interval"


@final
@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why."""

    verdict: Verdict
    reason: str


def at_least(interval: Interval, bound: float, unit: str) -> Judgement:
    """Holds if no value of the interval is below the bound, does not if all are."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    limit = shown(bound, unit)
    if interval.low >= bound:
        return Judgement("holds", f"{_said(interval, unit)} is nowhere below {limit}")
    if interval.high < bound:
        return Judgement("does not", f"{_said(interval, unit)} is wholly below {limit}")
    return Judgement("undecided", f"{_said(interval, unit)} has {limit} within")


def at_most(interval: Interval, bound: float, unit: str) -> Judgement:
    """Holds if no value of the interval is above the bound, does not if all are."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    limit = shown(bound, unit)
    if interval.high <= bound:
        return Judgement("holds", f"{_said(interval, unit)} is nowhere above {limit}")
    if interval.low > bound:
        return Judgement("does not", f"{_said(interval, unit)} is wholly above {limit}")
    return Judgement("undecided", f"{_said(interval, unit)} has {limit} within")


def within(interval: Interval, low: float, high: float, unit: str) -> Judgement:
    """Holds if the interval lies between the bounds, does not if no value of it does."""
    if interval.low is None or interval.high is None:
        return Judgement("undecided", ONE_SEED)
    agreed = f"{shown(low, unit)} to {shown(high, unit)}"
    if low <= interval.low and interval.high <= high:
        return Judgement("holds", f"{_said(interval, unit)} lies within {agreed}")
    if interval.low > high:
        return Judgement("does not", f"{_said(interval, unit)} lies above {agreed}")
    if interval.high < low:
        return Judgement("does not", f"{_said(interval, unit)} lies below {agreed}")
    return Judgement("undecided", f"{_said(interval, unit)} overlaps {agreed}, and is not within")


def _said(interval: Interval, unit: str) -> str:
    if interval.low is None or interval.high is None:
        return shown(interval.value, unit)
    return f"[{shown(interval.low, unit)}, {shown(interval.high, unit)}]"
