"""The power of each claim, simulated from what it assumes: `python -m paper power` writes powers.json.

A simulated experiment draws a value for each seed, adds the error of the test images, which the claim
assumes known, and is judged as the real one is: Welch's degrees of freedom, or those of the seeds that
networks have in common (assumed to be no more alike for that), and Student's quantiles. The
power is the share of experiments in which the claim holds, alone and, as a lower bound for Holm's
method, with the level divided by the claims of its group.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
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
from paper.claims import Claims
from paper.hypothesis_tests import LEVEL, Published
from paper.plan import Plan, PlannedStudy

FILE: Final = Path(__file__).with_name("powers.json")
EXPERIMENTS: Final = 20_000
SUFFICIENT: Final = 0.8
"""The power below which an undecided claim tells little; the page marks it."""

_NETWORKS: Final = {
    *("id", "group", "label", "source", "network", "networks", "reference"),
    *("network_before", "reference_before"),
}
_Values = NDArray[np.float64]


def powers(claims: Claims, plan: Plan) -> dict[str, dict[str, float]]:
    """The power of each claim by its id: `alone`, and `in_group`."""
    done: dict[str, _Values] = {}

    def simulate(claim: Claim, seeds: Sequence[int]) -> _Values:
        """The p of a claim, simulated once for all that differ in their networks alone."""
        key = f"{seeds} {claim.model_dump_json(exclude=_NETWORKS)}"
        if key not in done:
            done[key] = simulated(claim, seeds)
        return done[key]

    members = Counter(one.group for one in claims.claims)
    studies = {data: {one.key: one for one in plan.planned(data)} for data in claims.data}
    return {
        one.id: {
            "alone": _share(p, LEVEL),
            "in_group": _share(p, LEVEL / members[one.group]),
        }
        for one in claims.claims
        for p in [simulate(one, seeds_of(one, studies[one.data]))]
    }


def write(claims: Claims, plan: Plan, file: Path = FILE) -> int:
    """Writes the powers; returns the number of claims of less than sufficient power."""
    found = powers(claims, plan)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return sum(one["in_group"] < SUFFICIENT for one in found.values())


def seeds_of(claim: Claim, studies: Mapping[str, PlannedStudy]) -> list[int]:
    """The seeds of each role: those of its test, of a diagnostic those of its search.

    Of a slope they are the configurations, each a point.
    """
    if isinstance(claim, SizeSlope):
        return [claim.configurations] * len(claim.roles)
    if isinstance(claim, Diagnostic):
        return [studies[role.study].spec.replicates for role in claim.roles]
    plans = [(role, studies[role.study].plan) for role in claim.roles]
    return [plan.seeds if role.raced or not plan.race else plan.others for role, plan in plans]


def simulated(claim: Claim, seeds: Sequence[int], experiments: int = EXPERIMENTS) -> _Values:
    """The p of so many experiments, (experiments,), before Holm's correction."""
    generator = np.random.default_rng(0)
    if isinstance(claim, SizeTrend):
        return _of_trend(claim, generator, experiments)
    error = claim.assumed.seed_sd
    if isinstance(claim, Comparison | Interaction | Overfitting) and len(set(seeds)) == 1:
        error, seeds = error * math.sqrt(len(seeds)), seeds[:1]
    lost = 2 if isinstance(claim, SizeSlope) else 1  # degrees of freedom
    parts = [_mean(error / math.sqrt(one), one - lost, generator, experiments) for one in seeds]
    if isinstance(claim, Agreement):
        theirs = Published(mean=claim.published, sd=claim.published_sd)
        parts.append(_mean(theirs.error, theirs.seeds - 1, generator, experiments))
    effect, bound = claim.assumed.effect, getattr(claim, "margin", 0.0)
    if isinstance(claim, Comparison) and claim.metric == "loss":
        effect, bound = math.log1p(effect), math.log1p(bound)
    images = claim.assumed.image_error
    # The distribution of a sum of independent errors has no signs.
    value = (
        effect + sum(mean for mean, _, _ in parts) + images * generator.standard_normal(experiments)
    )
    variance = sum(square for _, square, _ in parts) + images**2
    freedom = variance**2 / sum(square**2 / free for _, square, free in parts)
    spread = np.sqrt(variance)
    if isinstance(claim, Agreement):
        above = stats.t.sf((value + claim.tolerance) / spread, freedom)
        below = stats.t.cdf((value - claim.tolerance) / spread, freedom)
        return np.asarray(np.maximum(above, below))
    return np.asarray(stats.t.sf((value - bound) / spread, freedom))


def _mean(
    error: float, freedom: int, generator: np.random.Generator, experiments: int
) -> tuple[_Values, _Values, int]:
    """Errors of a mean over seeds, its squared standard errors as estimated, and their freedom."""
    estimated = generator.chisquare(freedom, experiments) / freedom
    return error * generator.standard_normal(experiments), error**2 * estimated, freedom


def _of_trend(claim: SizeTrend, generator: np.random.Generator, experiments: int) -> _Values:
    """Of ranks with the assumed Spearman correlation, by Student's approximation of permutations."""
    correlation = 2 * math.sin(math.pi * abs(claim.assumed.effect) / 6)
    sizes = claim.configurations
    drawn = generator.standard_normal((2, experiments, sizes))
    values = correlation * drawn[0] + math.sqrt(1 - correlation**2) * drawn[1]
    first, second = (one.argsort(axis=1).argsort(axis=1) for one in (drawn[0], values))
    found = 1 - 6 * ((first - second) ** 2).sum(axis=1) / (sizes * (sizes**2 - 1))
    scaled = found * np.sqrt((sizes - 2) / np.maximum(1 - found**2, 1e-12))
    return np.asarray(stats.t.sf(scaled, sizes - 2))


def _share(p: _Values, level: float) -> float:
    return round(float((p <= level).mean()), 2)
