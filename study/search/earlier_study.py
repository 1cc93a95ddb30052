"""Trials of an earlier study, from which the sampler `ehvi` learns as of a related task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from study.search.observations import Report, final_report, reports_of


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTrial:
    """A trial that was trained in an earlier study.

    `reports` are by epoch, None for the full length. `features` are those of `Known`, None for those
    that this study's `known` gives.
    """

    params: Mapping[str, Any]
    reports: Mapping[int | None, Report]
    features: Sequence[float] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierStudy:
    """The trials of an earlier study; its objectives are those of the study that learns from it.

    `distributions` are those of its parameters. `epochs` is the full length of its trials, None for that
    of this study. `fixed` are the values that this study has for parameters which only the earlier one
    searched.
    """

    trials: Sequence[EarlierTrial]
    distributions: Mapping[str, BaseDistribution]
    epochs: int | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study) -> "EarlierStudy":
        """The complete and pruned trials of a study of Optuna, which has the same objectives."""
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        distributions: dict[str, BaseDistribution] = {}
        for trial in ended:
            distributions |= trial.distributions
        return cls(trials=[_taken(trial) for trial in ended], distributions=distributions)


def _taken(trial: FrozenTrial) -> EarlierTrial:
    reports: dict[int | None, Report] = dict(reports_of(trial).items())
    if trial.state == TrialState.COMPLETE:
        reports[None] = final_report(trial)
    return EarlierTrial(params=trial.params, reports=reports)
