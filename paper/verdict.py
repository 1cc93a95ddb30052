"""Tests the claims of a study's spec against what it measured, more strictly than they were published.

Configurations are chosen on validation, never on test; every value has an interval; and where nothing
can be said that is said. docs/verdict.md says how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paper.claim_result import Finding
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
from paper.measurements import Evidence, UndecidableError
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
from study.errors import SpecError
from study.home import Home
from study.results.query import COMPLETE
from study.results.reader import read_study
from study.results.retrained_run import most_replicated
from study.results.stored_study import StoredStudy
from study.spec.study_spec import StudySpec
from study.tracking.store import client, translated


def verdict(
    *names: str, spec: StudySpec | Path | str | None = None, home: Home | None = None
) -> list[Finding]:
    """What studies say to each claim of the first one's spec, or to those of another spec or spec file.

    The trials of several studies are judged as if they were of one. A claim about several controls has
    a finding for each. Nothing is stored. Raises NotFoundError if there is no such study, SpecError if
    there are no claims, or if not all of it is about the same data.
    """
    given = StudySpec.from_toml(spec) if isinstance(spec, Path | str) else spec
    home = home or Home.find()
    stored = [read_study(name, home) for name in dict.fromkeys(names)]
    claims = _claims([study.spec for study in stored], given)
    evidence = Evidence.pooled([_evidence(study) for study in stored])
    return [finding for claim in claims for finding in judge(claim, evidence)]


def judge(claim: Claim, evidence: Evidence) -> list[Finding]:
    """The findings of one claim."""
    if isinstance(claim, Controls):
        return [_judge(claim, evidence, control) for control in claim.controls]
    return [_judge(claim, evidence)]


def _judge(claim: Claim, evidence: Evidence, control: str | None = None) -> Finding:
    blank = _blank(claim, control)
    try:
        match claim:
            case Accuracy():
                found = judge_accuracy(claim, evidence, blank)
            case LossRatio():
                found = judge_loss_ratio(claim, evidence, blank)
            case Difference():
                found = judge_difference(claim, evidence, blank)
            case FewerParameters():
                found = judge_fewer_parameters(claim, evidence, blank)
            case SizeTrend():
                found = judge_size_trend(claim, evidence, blank)
            case Parameters():
                found = judge_parameters(claim, evidence, blank)
            case AccuracyUnder():
                found = judge_accuracy_under(claim, evidence, blank)
            case Controls():
                found = judge_control(claim, control or claim.controls[0], evidence, blank)
    except UndecidableError as error:
        return replace(blank, reason=str(error))
    return found


def _blank(claim: Claim, control: str | None) -> Finding:
    """The finding of a claim of which nothing is known."""
    families = getattr(claim, "families", None)
    family = " or ".join(families) if families else getattr(claim, "family", None)
    # Of fewer parameters a ratio was published, which is no difference of values.
    published = None if isinstance(claim, FewerParameters) else claim.published
    return Finding(
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


def _claims(studies: Sequence[StudySpec], given: StudySpec | None) -> Sequence[Claim]:
    own, *others = studies
    for other in others:
        _same_data(own, other, ("name", "path", "train_size", "validation_size"))
    if given is not None:
        _same_data(own, given, ("name", "path"))
    claims = own.claims if given is None else given.claims
    if not claims:
        whose = f"the study {own.name!r}" if given is None else "the given spec"
        raise SpecError(
            f"there must be at least one claim to judge, but {whose} has none (tables [[claims]]; "
            "--spec FILE takes those of another spec)"
        )
    return claims


def _same_data(own: StudySpec, other: StudySpec, keys: Sequence[str]) -> None:
    for key in keys:
        mine, theirs = getattr(own.dataset, key), getattr(other.dataset, key)
        if mine != theirs:
            raise SpecError(
                f"claims must be about the data of the study {own.name!r}, {key} {mine}, "
                f"got {other.name!r} with {theirs} (key dataset.{key})"
            )


def _evidence(stored: StoredStudy) -> Evidence:
    """What the store has of a study."""
    store, found = client(stored.home), stored.select(COMPLETE)

    def metrics_of(run_id: str) -> Mapping[str, float]:
        with translated(stored.home):
            return dict(store.get_run(run_id).data.metrics)

    with translated(stored.home):
        retrained = most_replicated(store, stored.parent.info.experiment_id, found)
    return Evidence(
        records=found,
        retrained={one.run_id: retrained[one.trial] for one in found if one.trial in retrained},
        metrics_of=metrics_of,
        studies={one.run_id: stored.spec.name for one in found},
    )
