"""Tests claims against what studies measured, more strictly than they were published.

Configurations are chosen on validation, never on test; every value has an interval; a claim without
enough measurements is undecided. docs/verdict.md has the rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from paper.claim_result import ClaimResult
from paper.claims import (
    Accuracy,
    AccuracyUnder,
    Claim,
    Controls,
    Difference,
    FewerParameters,
    LossRatio,
    Parameters,
    SizeTrend,
)
from paper.files import SPECS, claims_file, read_claims
from paper.measurements import Measurements, UndecidableError
from paper.one_family import (
    judge_accuracy,
    judge_accuracy_under,
    judge_parameters,
    judge_size_trend,
)
from paper.statement import statement, unit_of
from paper.two_families import (
    judge_control,
    judge_difference,
    judge_fewer_parameters,
    judge_loss_ratio,
)
from study import BadInputError, Home, StudySpec, best_configs, retrainings, study_spec

_Rule: TypeAlias = Callable[[Measurements, ClaimResult], ClaimResult]


def verdict(
    *names: str, spec: Path | str | None = None, home: Home | None = None
) -> list[ClaimResult]:
    """The result of each claim beside a spec file, by default that of the first study's name.

    The trials of several studies are judged as if they were of one. A claim about several controls has
    a result for each. Nothing is stored. Raises BadInputError if there is no such study, if there are
    no claims, or if not all of it is about the same data.
    """
    home = home or Home.find()
    names = tuple(dict.fromkeys(names))
    own, *others = [study_spec(name, home=home) for name in names]
    file = SPECS / f"{own.name}.toml" if spec is None else Path(spec)
    if spec is None and not file.exists():
        raise BadInputError(
            f"there is no spec of the paper for the study {own.name!r}; --spec FILE names the one "
            "whose claims are to be judged"
        )
    for other in others:
        _same_data(own, other, ("name", "path", "train_size", "validation_size"))
    _same_data(own, StudySpec.from_toml(file), ("name", "path"))
    claims = read_claims(file)
    if not claims:
        raise BadInputError(
            f"there must be at least one claim to judge, but {claims_file(file)} has none "
            "(tables [[claims]])"
        )
    return judge_all(claims, names, home)


def judge_all(claims: Sequence[Claim], names: Sequence[str], home: Home) -> list[ClaimResult]:
    """The results of claims in studies of a home."""
    measurements = Measurements.pooled([_measurements(name, home) for name in names])
    return [result for claim in claims for result in judge(claim, measurements)]


def judge(claim: Claim, measurements: Measurements) -> list[ClaimResult]:
    """The results of one claim."""
    if isinstance(claim, Controls):
        return [_judge(claim, measurements, control) for control in claim.controls]
    return [_judge(claim, measurements)]


def _judge(claim: Claim, measurements: Measurements, control: str | None = None) -> ClaimResult:
    rule, unit = _rule(claim, control)
    blank = _blank(claim, control, unit)
    try:
        return rule(measurements, blank)
    except UndecidableError as error:
        return replace(blank, reason=str(error))


def _rule(claim: Claim, control: str | None) -> tuple[_Rule, str]:
    """The rule that judges a claim, and the unit of its values."""
    rule: _Rule
    match claim:
        case Accuracy():
            rule, unit = partial(judge_accuracy, claim), "accuracy"
        case Parameters():
            rule, unit = partial(judge_parameters, claim), "accuracy"
        case AccuracyUnder():
            rule, unit = partial(judge_accuracy_under, claim), "accuracy"
        case LossRatio():
            rule, unit = partial(judge_loss_ratio, claim), "ratio"
        case Difference():
            rule, unit = partial(judge_difference, claim), unit_of(claim.metric)
        case FewerParameters():
            rule, unit = partial(judge_fewer_parameters, claim), unit_of(f"test_{claim.metric}")
        case SizeTrend():
            rule = partial(judge_size_trend, claim)
            unit = f"{unit_of(claim.metric).removesuffix(' difference')} per decade"
        case Controls():
            rule = partial(judge_control, claim, control or claim.controls[0])
            unit = "accuracy difference"
    return rule, unit


def _blank(claim: Claim, control: str | None, unit: str) -> ClaimResult:
    """The result of a claim without measurements."""
    families = getattr(claim, "families", None)
    family = " or ".join(families) if families else getattr(claim, "family", None)
    # Of fewer parameters a ratio was published, which is no difference of values.
    published = None if isinstance(claim, FewerParameters) else claim.published
    return ClaimResult(
        statement=statement(claim, control),
        source=claim.source,
        kind=claim.kind,
        family=family,
        reference=control or getattr(claim, "reference", None),
        published=published,
        published_sd=getattr(claim, "published_sd", None),
        unit=unit,
    )


def _same_data(own: StudySpec, other: StudySpec, keys: Sequence[str]) -> None:
    for key in keys:
        mine, theirs = getattr(own.dataset, key), getattr(other.dataset, key)
        if mine != theirs:
            raise BadInputError(
                f"claims must be about the data of the study {own.name!r}, {key} {mine}, "
                f"got {other.name!r} with {theirs} (key dataset.{key})"
            )


def _measurements(name: str, home: Home) -> Measurements:
    """The measurements of a study in its store.

    A retraining counts if it is on the same images, for as many epochs, and with more than one seed; of
    several, the one with the most seeds.
    """
    found = best_configs(name, home=home)
    run_ids = {record.trial: record.run_id for record in found}
    again = {
        run_ids[one.retraining.trial]: one.record
        for one in retrainings(name, home=home)
        if one.retraining.trial in run_ids
        and not one.retraining.full
        and one.retraining.epochs == one.search.training["epochs"]
        and one.retraining.replicates > 1
    }
    return Measurements(
        records=found, retrained=again, studies=dict.fromkeys(run_ids.values(), name)
    )
