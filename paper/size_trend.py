"""Judges whether a metric such as the loss rises with the size of a family's networks."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from scipy.stats import linregress

from paper import judgement
from paper.claim_result import Finding
from paper.claims import SizeTrend
from paper.intervals import Interval, half_width
from paper.measurements import Evidence, UndecidableError, Wanted
from study.results.query import SMALLEST
from study.results.record import TrialRecord

_SIZES: Final = ("dendrites", "somata", "synapses")
_FEWEST: Final = 4  # configurations of a trend: a line through three has one degree of freedom


def judge_size_trend(claim: SizeTrend, evidence: Evidence, blank: Finding) -> Finding:
    """By the slope over the decimal logarithm of the parameters, least squares, with Student's interval.

    Of the larger half of the configurations, from the median size on: which those are is known before
    any loss is seen, as the place of the lowest loss is not. Each counts with its mean over the search's
    own replicates.
    """
    found = evidence.trials(Wanted(families=(claim.family,), where=claim.where), by=SMALLEST)
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
    samples = [evidence.searched(one, claim.metric) for one in larger]
    line = linregress(places, [sample.mean for sample in samples])
    half = half_width(float(line.stderr), len(larger) - 2)
    slope = Interval(float(line.slope), float(line.slope) - half, float(line.slope) + half)
    judge = judgement.at_least if claim.direction == "rises" else judgement.at_most
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
