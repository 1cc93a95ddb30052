"""Judges claims about one family, or the best of several: accuracy, size, and the trend with size."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from scipy.stats import linregress

from paper import claim_result
from paper.claim_result import ClaimResult, shown
from paper.claims import Accuracy, AccuracyUnder, Parameters, SizeTrend
from paper.intervals import Interval, half_width, of_mean
from paper.measurements import SMALLEST, Measurements, TrialFilter, UndecidableError, seeds_of
from study import TrialRecord

_SIZES: Final = ("dendrites", "somata", "synapses")
_FEWEST: Final = 4  # configurations of a trend: a line through three has one degree of freedom


def judge_accuracy(claim: Accuracy, measurements: Measurements, result: ClaimResult) -> ClaimResult:
    """Whether the test accuracy agrees with the published one, both ways.

    It does where its interval lies within the tolerance, widened by the published value's own interval
    if its standard deviation is known.
    """
    record = measurements.best(TrialFilter(families=(claim.family,), where=claim.where))
    found = _with_accuracy(result, record, measurements)
    margin = claim.tolerance + _published_half_width(claim)
    ours = of_mean(measurements.sample(record, "test_accuracy"))
    low, high = claim.published - margin, claim.published + margin
    judged = claim_result.within(ours, low, high, found.unit)
    side = shown(ours.value - claim.published, "accuracy difference")
    return _judged(found, judged, f"{side} from the published value")


def judge_parameters(
    claim: Parameters, measurements: Measurements, result: ClaimResult
) -> ClaimResult:
    """Whether the most accurate configuration within the bound on size reaches the accuracy."""
    return _judge_under(
        TrialFilter(families=claim.families, where=claim.where, max_parameters=claim.at_most),
        claim.target_accuracy,
        measurements,
        result,
    )


def judge_accuracy_under(
    claim: AccuracyUnder, measurements: Measurements, result: ClaimResult
) -> ClaimResult:
    """Whether the best network under a bound on the parameters has at least the accuracy."""
    return _judge_under(
        TrialFilter(
            families=claim.families, where=claim.where, max_parameters=claim.max_parameters
        ),
        claim.at_least,
        measurements,
        result,
    )


def _judge_under(
    wanted: TrialFilter, least: float, measurements: Measurements, result: ClaimResult
) -> ClaimResult:
    record = measurements.best(wanted)
    found = _with_accuracy(result, record, measurements)
    ours = of_mean(measurements.sample(record, "test_accuracy"))
    return _judged(found, claim_result.at_least(ours, least, found.unit))


def _with_accuracy(
    result: ClaimResult, record: TrialRecord, measurements: Measurements
) -> ClaimResult:
    sample = measurements.sample(record, "test_accuracy")
    ours = of_mean(sample)
    return replace(
        result,
        family=record.family,
        ours=ours.value,
        low=ours.low,
        high=ours.high,
        seeds=sample.seeds,
        study=measurements.study_of(record),
        trial=record.trial,
        trainable_parameters=record.trainable_parameters,
        reason=f"selected on validation data: {seeds_of(record, sample, measurements)}",
    )


def _judged(
    found: ClaimResult, judged: claim_result.Judgement, more: str | None = None
) -> ClaimResult:
    reasons = [judged.reason, *([] if more is None else [more]), found.reason]
    return replace(found, verdict=judged.verdict, reason="; ".join(reasons))


def _published_half_width(claim: Accuracy) -> float:
    if claim.published_sd is None:
        return 0.0
    # Of a standard deviation that divides by n the mean's error divides by the root of n - 1.
    error = claim.published_sd / math.sqrt(claim.published_seeds - 1)
    return half_width(error, claim.published_seeds - 1)


def judge_size_trend(
    claim: SizeTrend, measurements: Measurements, blank: ClaimResult
) -> ClaimResult:
    """By the slope over the decimal logarithm of the parameters, least squares, with Student's interval.

    Of the larger half of the configurations, from the median size on: which those are is known before
    any loss is seen, as the place of the lowest loss is not. Each counts with its mean over the search's
    own replicates.
    """
    found = measurements.trials(
        TrialFilter(families=(claim.family,), where=claim.where), by=SMALLEST
    )
    if others := _varied(found):
        raise UndecidableError(
            f"the trials of {claim.family} differ in {', '.join(others)}, of which `where` must name one"
        )
    sizes = [record.trainable_parameters or 0 for record in found]
    middle = statistics.median(sizes)
    larger = [one for one, size in zip(found, sizes, strict=True) if size >= middle]
    places = [math.log10(one.trainable_parameters or 1) for one in larger]
    if len(larger) < _FEWEST or len(set(places)) < 2:  # noqa: PLR2004  # a line needs two places
        raise UndecidableError(
            f"a trend needs {_FEWEST} configurations of different sizes or more, got {len(larger)} of "
            f"{claim.family} from the median size on"
        )
    samples = [measurements.searched(one, claim.metric) for one in larger]
    line = linregress(places, [sample.mean for sample in samples])
    half = half_width(float(line.stderr), len(larger) - 2)
    slope = Interval(float(line.slope), float(line.slope) - half, float(line.slope) + half)
    judge = claim_result.at_least if claim.direction == "rises" else claim_result.at_most
    judged = judge(slope, claim.tolerance, blank.unit)
    return replace(
        blank,
        ours=slope.value,
        low=slope.low,
        high=slope.high,
        seeds=min(sample.seeds for sample in samples),
        verdict=judged.verdict,
        reason=(
            f"{judged.reason}, per tenfold size; {len(larger)} configurations of "
            f"{sizes[-len(larger)]:,} to {sizes[-1]:,} parameters"
        ),
    )


def _varied(found: Sequence[TrialRecord]) -> list[str]:
    """The settings other than sizes that are not the same in all trials."""
    settings = [record.architecture | record.training for record in found]
    return [
        name
        for name in settings[0]
        if name not in _SIZES and any(one.get(name) != settings[0][name] for one in settings)
    ]
