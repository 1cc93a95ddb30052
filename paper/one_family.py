"""Judges claims about the best configuration of a family, or of several."""

import math
from dataclasses import replace

from paper import judgement
from paper.claim_result import Finding, shown
from paper.claims import Accuracy, AccuracyUnder, Parameters
from paper.intervals import half_width, of_mean
from paper.measurements import Evidence, Wanted
from paper.sample_words import seeds_of
from study.results.record import TrialRecord


def judge_accuracy(claim: Accuracy, evidence: Evidence, finding: Finding) -> Finding:
    """Whether the test accuracy agrees with the published one, both ways.

    It does where its interval lies within the tolerance, widened by the published value's own interval
    if its standard deviation is known.
    """
    record = evidence.best(Wanted(families=(claim.family,), where=claim.where))
    found = _with_accuracy(finding, record, evidence)
    margin = claim.tolerance + _published_half_width(claim)
    ours = of_mean(evidence.sample(record, "test_accuracy"))
    low, high = claim.published - margin, claim.published + margin
    judged = judgement.within(ours, low, high, found.unit)
    side = shown(ours.value - claim.published, "accuracy difference")
    return _judged(found, judged, f"{side} from the published")


def judge_parameters(claim: Parameters, evidence: Evidence, finding: Finding) -> Finding:
    """Whether the most accurate of the configurations that are small enough reaches the accuracy."""
    return _judge_under(
        Wanted(families=claim.families, where=claim.where, max_parameters=claim.at_most),
        claim.target_accuracy,
        evidence,
        finding,
    )


def judge_accuracy_under(claim: AccuracyUnder, evidence: Evidence, finding: Finding) -> Finding:
    """As `judge_parameters`, asked the other way round."""
    return _judge_under(
        Wanted(families=claim.families, where=claim.where, max_parameters=claim.max_parameters),
        claim.at_least,
        evidence,
        finding,
    )


def _judge_under(wanted: Wanted, least: float, evidence: Evidence, finding: Finding) -> Finding:
    record = evidence.best(wanted)
    found = _with_accuracy(finding, record, evidence)
    ours = of_mean(evidence.sample(record, "test_accuracy"))
    return _judged(found, judgement.at_least(ours, least, found.unit))


def _with_accuracy(finding: Finding, record: TrialRecord, evidence: Evidence) -> Finding:
    sample = evidence.sample(record, "test_accuracy")
    ours = of_mean(sample)
    return replace(
        finding,
        family=record.family,
        ours=ours.value,
        low=ours.low,
        high=ours.high,
        seeds=sample.seeds,
        study=evidence.study_of(record),
        trial=record.trial,
        trainable_parameters=record.trainable_parameters,
        reason=f"best of validation: {seeds_of(record, sample, evidence)}",
    )


def _judged(found: Finding, judged: judgement.Judgement, more: str | None = None) -> Finding:
    reasons = [judged.reason, *([] if more is None else [more]), found.reason]
    return replace(found, verdict=judged.verdict, reason="; ".join(reasons))


def _published_half_width(claim: Accuracy) -> float:
    if claim.published_sd is None:
        return 0.0
    # Of a standard deviation that divides by n the mean's error divides by the root of n - 1.
    error = claim.published_sd / math.sqrt(claim.published_seeds - 1)
    return half_width(error, claim.published_seeds - 1)
