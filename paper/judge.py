"""Judges claims by the rows of the benchmark file and the stored choices."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import numpy as np
import pandas as pd

from paper.bootstrap import Estimate, Outcomes, difference, estimate, interaction, log_ratio
from paper.choices import Choice, Role
from paper.claims import Agreement, Claim, Comparison, Diagnostic, Interaction, SizeTrend
from paper.hypothesis_tests import (
    LEVEL,
    Published,
    from_published,
    holm,
    p_different,
    p_equivalent,
    trend,
)
from paper.plan import RACE_SEED
from paper.table import unpacked

Verdict = Literal["holds", "does not hold", "undecided", "not searched", "not run"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a claim. `p` and `p_against` are corrected within the claim's group."""

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


class NotRunError(Exception):
    """Networks of a claim have not been tested."""


@final
class Evidence:
    """The rows of the benchmark file, and the choices of roles."""

    def __init__(self, rows: pd.DataFrame, choices: Sequence[Choice]) -> None:
        self._rows = rows
        self._choices = choices

    def choice(self, role: Role, data: str) -> Choice | None:
        """The choice of a role on a data set, None if nothing fitted it."""
        study = f"{role.study}-{data}"
        return next((one for one in self._choices if (one.role, one.study) == (role, study)), None)

    def tested(self, role: Role, data: str) -> pd.DataFrame:
        """The networks of a role on test images, after a race those of its seeds; or NotRunError."""
        choice = self.choice(role, data)
        if choice is None:
            raise NotRunError
        rows = self._of(role, data, "test")
        rows = rows[(rows["trial"] == choice.trial) & rows["losses"].notna()]
        if choice.raced is not None:
            rows = rows[rows["seed"] >= RACE_SEED]
        if rows.empty:
            raise NotRunError
        return rows

    def outcomes(self, role: Role, data: str, metric: str) -> Outcomes:
        """The outcome of each seed on each test image, shape (seeds, images)."""
        rows = self.tested(role, data)
        losses = np.stack([np.frombuffer(one, np.float16) for one in rows["losses"].dropna()])
        if metric == "loss":
            return losses.astype(np.float64)
        correct = [unpacked(one, losses.shape[1]) for one in rows["correct"]]
        return np.stack(correct).astype(np.float64)

    def configurations(self, role: Role, data: str) -> pd.DataFrame:
        """The mean test values of each configuration of a role, by trial, raced or not."""
        rows = self._of(role, data, "test")
        rows = rows[rows["seed"] < RACE_SEED]
        if rows.empty:
            raise NotRunError
        values = ["trainable_parameters", "test_accuracy", "test_loss"]
        return rows.groupby("trial")[values].mean()

    def diagnostics(self, role: Role, data: str, metric: str) -> tuple[float, float, int]:
        """A diagnostic of validation images: its mean, its standard error, the seeds."""
        rows = self._of(role, data, "search")
        if rows.empty:
            raise NotRunError
        stored = json.loads(rows["diagnostics"].iloc[0])
        if metric not in stored or f"{metric}_sem" not in stored:
            raise NotRunError
        return stored[metric], stored[f"{metric}_sem"], rows["seed"].nunique()

    def _of(self, role: Role, data: str, stage: str) -> pd.DataFrame:
        rows = self._rows
        fits = (rows["data"] == data) & (rows["study"] == role.study) & (rows["stage"] == stage)
        rows = rows[fits & (rows["family"] == role.family)]
        settings = rows["settings"].map(json.loads)
        for name, value in role.where.items():
            rows = rows[np.array([one.get(name) == value for one in settings], dtype=np.bool_)]
            settings = settings[rows.index]
        return rows


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[Result]:
    """The result of every claim, with the p of each group corrected by Holm's method.

    Claims without a p count as 1 there, so that no verdict changes for a claim that is run later.
    """
    results = [_measured(claim, evidence) for claim in claims]
    for group in {one.group for one in results}:
        own = [place for place, one in enumerate(results) if one.group == group]
        for name in ("p", "p_against"):
            found = [getattr(results[place], name) for place in own]
            corrected = holm([1.0 if p is None else p for p in found])
            for place, before, after in zip(own, found, corrected, strict=True):
                changed: dict[str, Any] = {name: None if before is None else after}
                results[place] = replace(results[place], **changed)
    return [_decided(one) for one in results]


def _decided(result: Result) -> Result:
    if result.p is None or result.p_against is None or result.verdict == "not searched":
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
    if choices and any(one is not None for one in choices) and min(searched) < claim.configurations:
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
    if claim.metric == "accuracy":
        found = estimate(networks, difference)
        return _filled(bare, found, found.p_above(claim.margin), found.p_below(claim.margin), seeds)
    found = estimate(networks[::-1], log_ratio)  # the reference's loss over the network's
    bound = math.log1p(claim.margin)
    result = _filled(bare, found, found.p_above(bound), found.p_below(bound), seeds)
    ratios: dict[str, Any] = {
        name: math.exp(getattr(result, name)) for name in ("value", "low", "high")
    }
    return replace(result, **ratios)


def _interaction(claim: Interaction, evidence: Evidence, bare: Result) -> Result:
    networks = [evidence.outcomes(role, claim.data, "accuracy") for role in claim.roles]
    found = estimate(networks, interaction)
    seeds = [len(one) for one in networks]
    return _filled(bare, found, found.p_above(claim.margin), found.p_below(claim.margin), seeds)


def _trend(claim: SizeTrend, evidence: Evidence, bare: Result) -> Result:
    means = evidence.configurations(claim.networks, claim.data)
    found = trend(means["trainable_parameters"], means[f"test_{claim.metric}"])
    p = {"rises": found.p_rises, "falls": found.p_falls}
    against = p["falls" if claim.direction == "rises" else "rises"]
    return replace(
        bare, verdict="undecided", value=found.correlation, p=p[claim.direction], p_against=against
    )


def _diagnostic(claim: Diagnostic, evidence: Evidence, bare: Result) -> Result:
    (one, error, seeds), (other, other_error, others) = (
        evidence.diagnostics(role, claim.data, claim.metric) for role in claim.roles
    )
    found = Estimate.of_parts(one - other, [error**2, other_error**2], [seeds - 1, others - 1])
    p, against = found.p_above(claim.margin), found.p_below(claim.margin)
    return _filled(bare, found, p, against, [seeds, others])


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
    Diagnostic: _diagnostic,
}
