"""Judges claims by the rows of the benchmark file and the stored choices."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import numpy as np
from scipy import stats

from paper.claim import (
    Agreement,
    Claim,
    Comparison,
    Diagnostic,
    Interaction,
    Overfitting,
    SizeSlope,
    SizeTrend,
)
from paper.estimate import DIFFERENCE, INTERACTION, Estimate, estimate
from paper.evidence import Evidence, NotRunError
from paper.hypothesis_tests import (
    LEVEL,
    Published,
    from_published,
    holm,
    p_different,
    p_equivalent,
    slope,
    trend,
)
from paper.table import overfitting

Verdict = Literal["holds", "does not hold", "undecided", "not searched", "not run"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a claim. `p` and `p_against` are corrected within the claim's group.

    `is_ratio`: the value is a ratio of losses, not a difference.

    A claim `repeats` an earlier one that compares the same networks in the same way: it has its verdict,
    and no p of its own.
    """

    id: str
    group: str
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_against: float | None = None
    seeds: tuple[int, ...] = ()
    configurations: tuple[int, ...] = ()
    repeats: str | None = None
    is_ratio: bool = False


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[Result]:
    """The result of every claim, with the p of each group corrected by Holm's method.

    Claims without a p count as 1 there, so that what holds, or does not, stays so when others are run.
    """
    results: list[Result] = []
    said: dict[str, str] = {}
    for claim in claims:
        result = _measured(claim, evidence)
        about = evidence.about(claim)
        if about is not None and result.p is not None:
            first = said.setdefault(about, claim.id)
            if first != claim.id:
                result = replace(result, p=None, p_against=None, repeats=first)
        results.append(result)
    for group in {one.group for one in results}:
        own = [place for place, one in enumerate(results) if one.group == group]
        for name in ("p", "p_against"):
            found = [getattr(results[place], name) for place in own]
            corrected = holm([1.0 if p is None else p for p in found])
            for place, before, after in zip(own, found, corrected, strict=True):
                changed: dict[str, Any] = {name: None if before is None else after}
                results[place] = replace(results[place], **changed)
    decided = {one.id: _decided(one) for one in results}
    return [
        one if one.repeats is None else replace(one, verdict=decided[one.repeats].verdict)
        for one in decided.values()
    ]


def _decided(result: Result) -> Result:
    if result.p is None or result.p_against is None:
        return result
    verdict: Verdict = "undecided"
    if result.p <= LEVEL:
        verdict = "holds"
    elif result.p_against <= LEVEL:
        verdict = "does not hold"
    return replace(result, verdict=verdict)


def _measured(claim: Claim, evidence: Evidence) -> Result:
    """The result of a claim alone."""
    choices = [evidence.choice(role, claim.data) for role in claim.roles]
    searched = tuple(0 if one is None else one.configurations for one in choices)
    bare = Result(id=claim.id, group=claim.group, verdict="not run", configurations=searched)
    if not all(evidence.is_run(role, claim.data) for role in claim.roles):
        return bare
    if min(searched) < claim.configurations:
        return replace(bare, verdict="not searched")
    try:
        return _TESTS[type(claim)](claim, evidence, bare)  # type: ignore[no-any-return]  # of any kind
    except NotRunError:
        return bare


def _agreement(claim: Agreement, evidence: Evidence, bare: Result) -> Result:
    ours = evidence.outcomes(claim.network, claim.data, "accuracy").mean(axis=1)
    published = Published(mean=claim.published, sd=claim.published_sd)
    found = from_published(ours.tolist(), published)
    against = p_different(found, claim.tolerance)
    return _filled(bare, found, p_equivalent(found, claim.tolerance), against, [len(ours)])


def _comparison(claim: Comparison, evidence: Evidence, bare: Result) -> Result:
    networks = [evidence.outcomes(role, claim.data, claim.metric) for role in claim.roles]
    seeds = [len(one) for one in networks]
    same = evidence.same_seeds(claim.roles, claim.data)
    if claim.metric == "accuracy":
        found = estimate(networks, DIFFERENCE, same_seeds=same)
        return _filled(bare, found, found.p_above(claim.margin), found.p_below(claim.margin), seeds)
    # The logarithm of the reference's loss over the network's.
    found = estimate(networks[::-1], DIFFERENCE, same_seeds=same, logarithms=True)
    bound = math.log1p(claim.margin)
    result = _filled(bare, found, found.p_above(bound), found.p_below(bound), seeds)
    ratios: dict[str, Any] = {
        name: math.exp(getattr(result, name)) for name in ("value", "low", "high")
    }
    return replace(result, is_ratio=True, **ratios)


def _interaction(claim: Interaction, evidence: Evidence, bare: Result) -> Result:
    networks = [evidence.outcomes(role, claim.data, "accuracy") for role in claim.roles]
    same = evidence.same_seeds(claim.roles, claim.data)
    found = estimate(networks, INTERACTION, same_seeds=same)
    seeds = [len(one) for one in networks]
    return _filled(bare, found, found.p_above(0), found.p_below(claim.relevant), seeds)


def _trend(claim: SizeTrend, evidence: Evidence, bare: Result) -> Result:
    means = evidence.configurations(claim.networks, claim.data)
    found = trend(means["trainable_parameters"], means["test_loss"])
    p, against = found.p_rises, found.p_falls
    return replace(bare, verdict="undecided", value=found.correlation, p=p, p_against=against)


def _slope(claim: SizeSlope, evidence: Evidence, bare: Result) -> Result:
    own, other = (
        slope(means["trainable_parameters"], means["test_loss"])
        for role in claim.roles
        for means in [evidence.configurations(role, claim.data)]
    )
    return _less(bare, own, other)


def _overfitting(claim: Overfitting, evidence: Evidence, bare: Result) -> Result:
    gaps = [np.array(overfitting(evidence.tested(role, claim.data))) for role in claim.roles]
    seeds = tuple(map(len, gaps))
    if evidence.same_seeds(claim.roles, claim.data):
        by_seed = gaps[1] - gaps[0]
        square, freedom = float(stats.sem(by_seed)) ** 2, len(by_seed) - 1
        found = Estimate.of_parts(float(by_seed.mean()), [square], [freedom])
        return _filled(bare, found, found.p_above(0), found.p_below(0), seeds)
    own, other = (
        Estimate(value=float(np.mean(one)), error=float(stats.sem(one)), freedom=len(one) - 1)
        for one in gaps
    )
    return replace(_less(bare, own, other), seeds=seeds)


def _less(bare: Result, own: Estimate, other: Estimate) -> Result:
    """By how much the reference's value is larger, of independent estimates."""
    squares, freedoms = [own.error**2, other.error**2], [own.freedom, other.freedom]
    found = Estimate.of_parts(other.value - own.value, squares, freedoms)
    return _filled(bare, found, found.p_above(0), found.p_below(0), ())


def _diagnostic(claim: Diagnostic, evidence: Evidence, bare: Result) -> Result:
    (one, error, seeds), (other, other_error, others) = (
        evidence.diagnostics(role, claim.data, claim.metric) for role in claim.roles
    )
    found = Estimate.of_parts(one - other, [error**2, other_error**2], [seeds - 1, others - 1])
    return _filled(bare, found, found.p_above(0), found.p_below(0), [seeds, others])


def _filled(
    bare: Result, found: Estimate, p: float, against: float, seeds: Sequence[int]
) -> Result:
    low, high = found.interval()
    return replace(
        bare,
        verdict="undecided",
        value=found.value,
        low=low,
        high=high,
        p=p,
        p_against=against,
        seeds=tuple(seeds),
    )


_TESTS: Final[dict[type, Any]] = {
    Agreement: _agreement,
    Comparison: _comparison,
    Interaction: _interaction,
    SizeTrend: _trend,
    SizeSlope: _slope,
    Overfitting: _overfitting,
    Diagnostic: _diagnostic,
}
