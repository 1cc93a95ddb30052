"""Judges claims about a family beside another; each is at its most accurate on validation."""

from dataclasses import dataclass, replace
from typing import final

from paper import judgement
from paper.claim_result import Finding
from paper.claims import Controls, Difference, LossRatio
from paper.intervals import Interval, Sample, of_difference, of_ratio
from paper.measurements import Evidence, UndecidableError, Wanted
from paper.sample_words import seeds_of
from paper.statement import unit_of
from study.results.record import TrialRecord


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A trial and the one that it is held against, with the metric of both."""

    record: TrialRecord
    sample: Sample
    reference: TrialRecord
    reference_sample: Sample
    evidence: Evidence

    @classmethod
    def of(
        cls, records: tuple[TrialRecord, TrialRecord], metric: str, evidence: Evidence
    ) -> "Pair":
        """Both trials with a metric. Raises UndecidableError if one has it not."""
        record, reference = records
        return cls(
            record=record,
            sample=evidence.sample(record, metric),
            reference=reference,
            reference_sample=evidence.sample(reference, metric),
            evidence=evidence,
        )

    def finding(self, blank: Finding, interval: Interval, judged: judgement.Judgement) -> Finding:
        """What was found of both."""
        who = (
            f"{seeds_of(self.record, self.sample, self.evidence)}, against "
            f"{seeds_of(self.reference, self.reference_sample, self.evidence)}"
        )
        return replace(
            blank,
            family=self.record.family,
            reference=self.reference.family,
            ours=interval.value,
            low=interval.low,
            high=interval.high,
            seeds=self.sample.seeds,
            study=self.evidence.study_of(self.record),
            trial=self.record.trial,
            reference_study=self.evidence.study_of(self.reference),
            reference_trial=self.reference.trial,
            trainable_parameters=self.record.trainable_parameters,
            reference_parameters=self.reference.trainable_parameters,
            verdict=judged.verdict,
            reason=f"{judged.reason}; {who}",
        )


def judge_loss_ratio(claim: LossRatio, evidence: Evidence, blank: Finding) -> Finding:
    """Whether the ratio of the mean test losses is at most so large."""
    pair = Pair.of(_most_accurate(claim, evidence), "test_loss", evidence)
    try:
        interval = of_ratio(pair.sample, pair.reference_sample)
    except ValueError as error:
        raise UndecidableError(str(error)) from error
    return pair.finding(blank, interval, judgement.at_most(interval, claim.at_most, blank.unit))


def judge_difference(claim: Difference, evidence: Evidence, blank: Finding) -> Finding:
    """Whether the difference of the means has its bound."""
    pair = Pair.of(_most_accurate(claim, evidence), claim.metric, evidence)
    interval = of_difference(pair.sample, pair.reference_sample)
    unit = unit_of(claim.metric)
    if claim.at_least is not None:
        judged = judgement.at_least(interval, claim.at_least, unit)
    else:
        judged = judgement.at_most(interval, claim.at_most or 0.0, unit)
    return pair.finding(blank, interval, judged)


def judge_control(claim: Controls, control: str, evidence: Evidence, blank: Finding) -> Finding:
    """Whether the families are more accurate than a control that has no more parameters."""
    ours = Wanted(families=claim.families, where=claim.where, max_parameters=claim.max_parameters)
    record = evidence.best(ours)
    size = claim.max_parameters or record.trainable_parameters
    reference = evidence.best(
        Wanted(families=(control,), where=claim.where_reference, max_parameters=size)
    )
    pair = Pair.of((record, reference), "test_accuracy", evidence)
    interval = of_difference(pair.sample, pair.reference_sample)
    return pair.finding(blank, interval, judgement.at_least(interval, claim.at_least, blank.unit))


def _most_accurate(
    claim: LossRatio | Difference, evidence: Evidence
) -> tuple[TrialRecord, TrialRecord]:
    return (
        evidence.best(Wanted(families=(claim.family,), where=claim.where)),
        evidence.best(Wanted(families=(claim.reference,), where=claim.where_reference)),
    )
