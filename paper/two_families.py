"""Judges claims that compare families, each at its most accurate on validation.

On fewer parameters the paper walks configurations in the order of its grid, chooses on test, and
where none reaches the reference shows the family's best as if it did (Fig. 3). Here configurations are
sorted by parameters, validation chooses, test judges, and a family that does not reach the reference
is reported as such.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from paper import claim_result
from paper.claim_result import ClaimResult, Verdict
from paper.claims import Controls, Difference, FewerParameters, LossRatio
from paper.intervals import Interval, Sample, of_difference, of_ratio
from paper.measurements import (
    LOWEST_LOSS,
    MOST_ACCURATE,
    SMALLEST,
    Measurements,
    Order,
    TrialFilter,
    UndecidableError,
    arranged,
    seeds_of,
)
from paper.statement import unit_of
from study import TrialRecord

_FEWER: Final = math.nextafter(1, 2)  # as many are not fewer


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A trial and its reference, with a metric of both."""

    record: TrialRecord
    sample: Sample
    reference: TrialRecord
    reference_sample: Sample
    measurements: Measurements

    @classmethod
    def of(
        cls, records: tuple[TrialRecord, TrialRecord], metric: str, measurements: Measurements
    ) -> "Pair":
        """Both trials with a metric. Raises UndecidableError if one does not have it."""
        record, reference = records
        return cls(
            record=record,
            sample=measurements.sample(record, metric),
            reference=reference,
            reference_sample=measurements.sample(reference, metric),
            measurements=measurements,
        )

    def result(
        self, blank: ClaimResult, interval: Interval, judged: claim_result.Judgement
    ) -> ClaimResult:
        """The result of a claim about both."""
        seeds = (
            f"{seeds_of(self.record, self.sample, self.measurements)}, against "
            f"{seeds_of(self.reference, self.reference_sample, self.measurements)}"
        )
        return replace(
            blank,
            family=self.record.family,
            reference=self.reference.family,
            ours=interval.value,
            low=interval.low,
            high=interval.high,
            seeds=self.sample.seeds,
            study=self.measurements.study_of(self.record),
            trial=self.record.trial,
            reference_study=self.measurements.study_of(self.reference),
            reference_trial=self.reference.trial,
            trainable_parameters=self.record.trainable_parameters,
            reference_parameters=self.reference.trainable_parameters,
            verdict=judged.verdict,
            reason=f"{judged.reason}; {seeds}",
        )


def judge_loss_ratio(
    claim: LossRatio, measurements: Measurements, blank: ClaimResult
) -> ClaimResult:
    """Whether the ratio of the mean test losses is at most the bound."""
    pair = Pair.of(_most_accurate(claim, measurements), "test_loss", measurements)
    try:
        interval = of_ratio(pair.sample, pair.reference_sample)
    except ValueError as error:
        raise UndecidableError(str(error)) from error
    return pair.result(blank, interval, claim_result.at_most(interval, claim.at_most, blank.unit))


def judge_difference(
    claim: Difference, measurements: Measurements, blank: ClaimResult
) -> ClaimResult:
    """Whether the difference of the means has its bound."""
    pair = Pair.of(_most_accurate(claim, measurements), claim.metric, measurements)
    interval = of_difference(pair.sample, pair.reference_sample)
    unit = unit_of(claim.metric)
    if claim.at_least is not None:
        judged = claim_result.at_least(interval, claim.at_least, unit)
    else:
        judged = claim_result.at_most(interval, claim.at_most or 0.0, unit)
    return pair.result(blank, interval, judged)


def judge_control(
    claim: Controls, control: str, measurements: Measurements, blank: ClaimResult
) -> ClaimResult:
    """Whether the families are more accurate than a control that has no more parameters."""
    ours = TrialFilter(
        families=claim.families, where=claim.where, max_parameters=claim.max_parameters
    )
    record = measurements.best(ours)
    size = claim.max_parameters or record.trainable_parameters
    reference = measurements.best(
        TrialFilter(families=(control,), where=claim.where_reference, max_parameters=size)
    )
    pair = Pair.of((record, reference), "test_accuracy", measurements)
    interval = of_difference(pair.sample, pair.reference_sample)
    return pair.result(blank, interval, claim_result.at_least(interval, claim.at_least, blank.unit))


def _most_accurate(
    claim: LossRatio | Difference, measurements: Measurements
) -> tuple[TrialRecord, TrialRecord]:
    return (
        measurements.best(TrialFilter(families=(claim.family,), where=claim.where)),
        measurements.best(TrialFilter(families=(claim.reference,), where=claim.where_reference)),
    )


@final
@dataclass(frozen=True, slots=True)
class _Quality:
    """A metric of the reference to be reached: on test, its order on validation, and its direction."""

    metric: str
    unit: str
    order: Order
    sign: int

    def reaches(self, record: TrialRecord, reference: TrialRecord) -> bool:
        """Whether a trial is as good as the reference on validation."""
        value, best = (getattr(one, self.order[0][0]) for one in (record, reference))
        return bool(self.sign * (value - best) >= 0)


_QUALITIES: Final = {
    "accuracy": _Quality("test_accuracy", "accuracy difference", MOST_ACCURATE, 1),
    "loss": _Quality("test_loss", "loss difference", LOWEST_LOSS, -1),
}


def judge_fewer_parameters(
    claim: FewerParameters, measurements: Measurements, blank: ClaimResult
) -> ClaimResult:
    """Holds if the smallest configuration that is small enough and as good on validation is so on test.

    The reference is its best configuration on validation. If no configuration that is small enough
    reaches it, the best of them decides: the claim does not hold where that one is surely worse on test.
    """
    quality = _QUALITIES[claim.metric]
    wanted = TrialFilter(families=(claim.reference,), where=claim.where_reference)
    reference = measurements.trials(wanted, by=quality.order)[0]
    blank = replace(
        blank,
        reference_study=measurements.study_of(reference),
        reference_trial=reference.trial,
        reference_parameters=reference.trainable_parameters,
    )
    ours = measurements.trials(
        TrialFilter(families=(claim.family,), where=claim.where), by=quality.order
    )
    small = [one for one in ours if _times(reference, one) >= max(claim.at_least, _FEWER)]
    reaching = arranged([one for one in small if quality.reaches(one, reference)], SMALLEST)
    if not small:
        return replace(blank, reason=f"no trial of {claim.family} is small enough")
    record = reaching[0] if reaching else small[0]
    pair = Pair.of((record, reference), quality.metric, measurements)
    interval = of_difference(pair.sample, pair.reference_sample)
    if quality.sign > 0:
        judged = claim_result.at_least(interval, 0.0 - claim.tolerance, quality.unit)
    else:
        judged = claim_result.at_most(interval, claim.tolerance, quality.unit)
    if not reaching:
        judged = _not_reached(
            judged, claim, [one for one in ours if quality.reaches(one, reference)], measurements
        )
    size = f"{_times(reference, record):.2f} times fewer parameters"
    judged = claim_result.Judgement(judged.verdict, f"{size}; {judged.reason}")
    return pair.result(blank, interval, judged)


def _times(reference: TrialRecord, record: TrialRecord) -> float:
    """How many times fewer parameters a trial has than the reference."""
    sizes = reference.trainable_parameters, record.trainable_parameters
    return 0.0 if None in sizes or not sizes[1] else (sizes[0] or 0) / sizes[1]


def _not_reached(
    judged: claim_result.Judgement,
    claim: FewerParameters,
    larger: Sequence[TrialRecord],
    measurements: Measurements,
) -> claim_result.Judgement:
    """The verdict if no small enough configuration is as good on validation data."""
    goal = f"reaches the best validation {claim.metric} of {claim.reference}"
    if larger:
        smallest = arranged(larger, SMALLEST)[0]
        text = (
            f"no small enough configuration of {claim.family} {goal}; the smallest that does "
            f"is {measurements.named(smallest)} with {smallest.trainable_parameters:,} parameters"
        )
    else:
        text = f"no configuration of {claim.family} {goal}"
    verdict: Verdict = "does not" if judged.verdict == "does not" else "undecided"
    return claim_result.Judgement(
        verdict, f"{text}; the best small enough configuration: {judged.reason}"
    )
