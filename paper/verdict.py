"""Tests claims against what studies measured, more strictly than they were published.

Configurations are chosen on validation, never on test; every value has an interval; and where nothing
can be said that is said. docs/verdict.md says how.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

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


def verdict(
    *names: str, spec: Path | str | None = None, home: Home | None = None
) -> list[ClaimResult]:
    """What studies say to each claim beside a spec file, by default that of the first study's name.

    The trials of several studies are judged as if they were of one. A claim about several controls has
    a finding for each. Nothing is stored. Raises BadInputError if there is no such study, if there are
    no claims, or if not all of it is about the same data.
    """
    home = home or Home.find()
    names = tuple(dict.fromkeys(names))
    own, *others = [study_spec(name, home) for name in names]
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
    """What studies of a home say to claims."""
    measurements = Measurements.pooled([_measurements(name, home) for name in names])
    return [finding for claim in claims for finding in judge(claim, measurements)]


def judge(claim: Claim, measurements: Measurements) -> list[ClaimResult]:
    """The findings of one claim."""
    if isinstance(claim, Controls):
        return [_judge(claim, measurements, control) for control in claim.controls]
    return [_judge(claim, measurements)]


def _judge(claim: Claim, measurements: Measurements, control: str | None = None) -> ClaimResult:
    blank = _blank(claim, control)
    try:
        match claim:
            case Accuracy():
                found = judge_accuracy(claim, measurements, blank)
            case LossRatio():
                found = judge_loss_ratio(claim, measurements, blank)
            case Difference():
                found = judge_difference(claim, measurements, blank)
            case FewerParameters():
                found = judge_fewer_parameters(claim, measurements, blank)
            case SizeTrend():
                found = judge_size_trend(claim, measurements, blank)
            case Parameters():
                found = judge_parameters(claim, measurements, blank)
            case AccuracyUnder():
                found = judge_accuracy_under(claim, measurements, blank)
            case Controls():
                found = judge_control(claim, control or claim.controls[0], measurements, blank)
    except UndecidableError as error:
        return replace(blank, reason=str(error))
    return found


def _blank(claim: Claim, control: str | None) -> ClaimResult:
    """The finding of a claim of which nothing is known."""
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
        unit=_unit(claim),
    )


def _unit(claim: Claim) -> str:
    match claim:
        case Accuracy() | Parameters() | AccuracyUnder():
            return "accuracy"
        case LossRatio():
            return "ratio"
        case Difference():
            return unit_of(claim.metric)
        case FewerParameters():
            return unit_of(f"test_{claim.metric}")
        case SizeTrend():
            return f"{unit_of(claim.metric).removesuffix(' difference')} per decade"
        case Controls():
            return "accuracy difference"


def _same_data(own: StudySpec, other: StudySpec, keys: Sequence[str]) -> None:
    for key in keys:
        mine, theirs = getattr(own.dataset, key), getattr(other.dataset, key)
        if mine != theirs:
            raise BadInputError(
                f"claims must be about the data of the study {own.name!r}, {key} {mine}, "
                f"got {other.name!r} with {theirs} (key dataset.{key})"
            )


def _measurements(name: str, home: Home) -> Measurements:
    """What the store has of a study.

    A retraining is believed that tells as much as the trial itself: on the same images, for as many
    epochs, and with more than one seed. Of several the one with the most counts.
    """
    found = best_configs(name, home=home)
    run_ids = {record.trial: record.run_id for record in found}
    again = {
        run_ids[one.wanted.trial]: one.record
        for one in retrainings(name, home)
        if one.wanted.trial in run_ids
        and not one.wanted.full
        and one.wanted.epochs == one.search.training["epochs"]
        and one.wanted.replicates > 1
    }
    return Measurements(
        records=found, retrained=again, studies=dict.fromkeys(run_ids.values(), name)
    )
