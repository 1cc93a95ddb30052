"""Judges whether a family reaches another's best with fewer parameters.

The paper walks configurations in the order of its grid, chooses on test, and where none reaches the
reference shows the family's best as if it did (Fig. 3). Here configurations are sorted by parameters,
validation chooses, test judges, and a family that does not reach the reference is said not to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from paper import judgement
from paper.claim_result import Finding, Verdict
from paper.claims import FewerParameters
from paper.intervals import of_difference
from paper.measurements import Evidence, Wanted
from paper.two_families import Pair
from study.results.query import MOST_ACCURATE, SMALLEST, Order
from study.results.record import TrialRecord, arranged

_LOWEST_LOSS: Final = (
    Order("val_loss", descending=False),
    Order("trainable_parameters", descending=False),
)

_FEWER: Final = math.nextafter(1, 2)  # as many are not fewer


@final
@dataclass(frozen=True, slots=True)
class _Quality:
    """What is to be reached: its metrics, the order of the better first, and which way that is."""

    metric: str
    unit: str
    order: tuple[Order, ...]
    sign: int

    def reaches(self, record: TrialRecord, reference: TrialRecord) -> bool:
        """Whether a trial is as good as the reference on validation."""
        value, best = (getattr(one, self.order[0].metric) for one in (record, reference))
        return bool(self.sign * (value - best) >= 0)


_QUALITIES: Final = {
    "accuracy": _Quality("test_accuracy", "accuracy difference", MOST_ACCURATE, 1),
    "loss": _Quality("test_loss", "loss difference", _LOWEST_LOSS, -1),
}


def judge_fewer_parameters(claim: FewerParameters, evidence: Evidence, blank: Finding) -> Finding:
    """Holds if the smallest configuration that is small enough and as good on validation is so on test.

    The reference is its best configuration on validation. If no configuration that is small enough
    reaches it, the best of them decides: the claim does not hold where that one is surely worse on test.
    """
    quality = _QUALITIES[claim.metric]
    wanted = Wanted(families=(claim.reference,), where=claim.where_reference)
    reference = evidence.trials(wanted, by=quality.order)[0]
    blank = replace(
        blank,
        reference_study=evidence.study_of(reference),
        reference_trial=reference.trial,
        reference_parameters=reference.trainable_parameters,
    )
    ours = evidence.trials(Wanted(families=(claim.family,), where=claim.where), by=quality.order)
    small = [one for one in ours if _times(reference, one) >= max(claim.at_least, _FEWER)]
    reaching = arranged([one for one in small if quality.reaches(one, reference)], SMALLEST)
    if not small:
        return replace(blank, reason=f"no trial of {claim.family} is small enough")
    record = reaching[0] if reaching else small[0]
    pair = Pair.of((record, reference), quality.metric, evidence)
    interval = of_difference(pair.sample, pair.reference_sample)
    if quality.sign > 0:
        judged = judgement.at_least(interval, 0.0 - claim.tolerance, quality.unit)
    else:
        judged = judgement.at_most(interval, claim.tolerance, quality.unit)
    if not reaching:
        judged = _not_reached(
            judged, claim, [one for one in ours if quality.reaches(one, reference)], evidence
        )
    size = f"{_times(reference, record):.2f} times fewer parameters"
    judged = judgement.Judgement(judged.verdict, f"{size}; {judged.reason}")
    return pair.finding(blank, interval, judged)


def _times(reference: TrialRecord, record: TrialRecord) -> float:
    """How many times fewer parameters a trial has than the reference."""
    sizes = reference.trainable_parameters, record.trainable_parameters
    return 0.0 if None in sizes or not sizes[1] else (sizes[0] or 0) / sizes[1]


def _not_reached(
    judged: judgement.Judgement,
    claim: FewerParameters,
    larger: Sequence[TrialRecord],
    evidence: Evidence,
) -> judgement.Judgement:
    """What is said where no configuration that is small enough is as good on validation."""
    goal = f"reaches the best validation {claim.metric} of {claim.reference}"
    if larger:
        smallest = arranged(larger, SMALLEST)[0]
        said = (
            f"no configuration of {claim.family} that is small enough {goal}; the smallest that does "
            f"is {evidence.named(smallest)} with {smallest.trainable_parameters:,} parameters"
        )
    else:
        said = f"no configuration of {claim.family} {goal}"
    verdict: Verdict = "does not" if judged.verdict == "does not" else "undecided"
    return judgement.Judgement(verdict, f"{said}; of the best that is small enough {judged.reason}")
