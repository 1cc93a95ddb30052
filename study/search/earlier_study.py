"""Trials of an earlier study, from which the sampler `ehvi` learns as of a related task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import moocore
import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from study.search.objective import Objective, outputs_of
from study.search.observations import Observation, Observations, Report, final_report, reports_of

Array = NDArray[np.float64]


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


@final
class EarlierTask:
    """The observations of an earlier study; `rows` are the features of its trials.

    `front` has the numbers of its complete trials that no other dominates, by their first objective.
    """

    def __init__(
        self, study: EarlierStudy, objectives: Sequence[Objective], rows: Sequence[Array]
    ) -> None:
        self.rows: Final = rows
        self.epochs: Final = study.epochs
        self._observations = Observations(study.epochs)
        places = range(len(objectives))
        costs: dict[int, list[float]] = {}
        for number, trial in enumerate(study.trials):
            for epoch, report in trial.reports.items():
                outputs = outputs_of(objectives, report)
                if outputs:
                    found = Observation(number=number, epoch=epoch, outputs=outputs)
                    self._observations.add(found)
                if epoch is None and all(place in outputs for place in places):
                    costs[number] = [outputs[place][0] for place in places]
        flags = moocore.is_nondominated(np.array(list(costs.values()))) if costs else []
        front = [number for number, keep in zip(costs, flags, strict=True) if keep]
        self.front: Final = sorted(front, key=costs.__getitem__)

    def sample(self, most: int) -> list[Observation]:
        """At most `most` observations, as `Observations.sample`."""
        return self._observations.sample(self.front, most)
