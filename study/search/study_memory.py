"""What the sampler `ehvi` remembers of a study: its space, its trials, candidates for the next one."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.search.candidates import Candidates, Key, Params, Space, key_of
from study.search.earlier_study import EarlierStudy
from study.search.encoding import Array, Encoding
from study.search.expected_improvement import Candidate, ExpectedImprovement
from study.search.inferred_space import InferredSpace
from study.search.objective import Known, Objective
from study.search.observations import even, final_report, reports_of

_DRAWS: Final = 300  # from which the first ranking chooses; also tries for a new configuration
_DRAWN: Final = 32  # candidates that each later ranking adds, drawn uniformly
_NEIGHBOURS: Final = 48  # and near a configuration of the front
_KEPT: Final = 200  # of the best candidates, for the next ranking
_TYPICAL: Final = 128  # uniform draws that show what is usual in a space
_FROM_EARLIER: Final = 20  # configurations of earlier fronts that are candidates
_FIRST: Final = 5  # of those, and as many again, may be proposed before anything can be ranked
_INFER_AGAIN: Final = 1.1  # the space is inferred again when so many more trials are complete


def objectives_of(
    study: Study,
    transforms: Sequence[Callable[[float], float] | None] | None,
    references: Sequence[float | None] | None,
) -> list[Objective]:
    """The objectives of a study; raises ValueError if transforms or references are not one for each."""
    directions = study.directions
    for name, given in (("transforms", transforms), ("references", references)):
        if given is not None and len(given) != len(directions):
            raise ValueError(
                f"`length of {name} = number of objectives` must hold, "
                f"got {len(given)} and {len(directions)}"
            )
    absent = [None] * len(directions)
    return [
        Objective(
            maximize=direction == StudyDirection.MAXIMIZE,
            transform=transform or float,
            reference=reference,
        )
        for direction, transform, reference in zip(
            directions, transforms or absent, references or absent, strict=True
        )
    ]


@final
class StudyMemory:
    """Reads the trials of a study, each as far as it has come, and ranks what may come next.

    Arguments as of `study.search.ehvi.EHVISampler`.
    """

    def __init__(  # noqa: PLR0913  # as there
        self,
        study_name: str,
        objectives: Sequence[Objective],
        *,
        known: Callable[[Params], Known],
        epochs: int | None,
        space: Space | None,
        earlier: Sequence[EarlierStudy],
        generator: np.random.Generator,
    ) -> None:
        self.study_name: Final = study_name
        self._earlier = earlier
        self.distributions: dict[str, BaseDistribution] = {}
        self._objectives = objectives
        self._known = known
        self._epochs = epochs
        self._declared = space is not None
        self._inferred_from = 0  # complete trials
        self._generator = generator
        if space is not None:
            candidates = Candidates(space, generator)
            for _ in range(_DRAWS):
                self.distributions |= candidates.drawn().distributions
            self._begin(candidates)

    def _begin(self, candidates: Candidates) -> None:
        """Forgets all trials, as their features depend on the distributions."""
        self._candidates = candidates
        distributions: dict[str, BaseDistribution] = {}
        self._fixed: dict[str, Any] = {}
        for study in self._earlier:
            distributions |= study.distributions
            self._fixed |= study.fixed
        self._encoding = Encoding(distributions | self.distributions)
        self._improvement = ExpectedImprovement(self._objectives, self._epochs)
        self._earlier_front: list[Params] = []
        self._first: list[Params] = []
        for study in self._earlier:
            self._learn_from(study)
        self._proposed: set[Key] = set()
        self._read_of: dict[int, tuple[int, int]] = {}  # of running trials: parameters, reports
        self._ended: set[int] = set()
        self._typical: list[Candidate] = []
        self._kept: list[Candidate] = []

    def _learn_from(self, study: EarlierStudy) -> None:
        rows = [
            self._row(
                trial.params,
                self._known(trial.params)
                if trial.features is None
                else Known(features=trial.features),
            )
            for trial in study.trials
        ]
        front = self._improvement.learn_from(study, rows)
        count = len(self._earlier)
        kept = [
            self._candidates.like(study.trials[number].params).params
            for number in even(front, max(1, _FROM_EARLIER // count))
        ]
        self._earlier_front += kept
        # Widely spaced ones first, then those between them.
        for most in (_FIRST, 2 * _FIRST):
            self._first += even(kept, max(1, most // count))

    @property
    def trained(self) -> int:
        """The number of trials that run, or ended after some training."""
        return self._improvement.trained

    @property
    def ready(self) -> bool:
        """Whether enough is known to rank anything."""
        return self._improvement.ready

    def read(self, trials: Sequence[FrozenTrial], but: int) -> None:
        """Reads what is new in the trials of the study, except the one of a number."""
        if not self._declared:
            self._infer([trial for trial in trials if trial.state == TrialState.COMPLETE])
        if not self.distributions:
            return
        for trial in trials:
            if trial.number not in self._ended and trial.number != but and trial.params:
                self._read(trial)

    def is_new(self, params: Params) -> bool:
        """Whether no trial of the study has these parameters."""
        return key_of(params) not in self._proposed

    def drawn(self) -> Params:
        """One of an earlier front, as long as there are some; then a uniform draw.

        It is new, unless new ones are hard to find.
        """
        while self._first:
            params = self._first.pop(0)
            if self.is_new(params):
                return params
        for _ in range(_DRAWS):
            params = self._candidates.drawn().params
            if self.is_new(params):
                break
        return params

    def ranked(self, count: int) -> list[Params]:
        """The best new configurations, the best first; none if no new one was found."""
        if not self._typical:
            self._typical = [
                self._encoded(self._candidates.drawn().params) for _ in range(_TYPICAL)
            ]
        candidates = self._new_candidates()
        if not candidates:
            return []
        order = self._improvement.rank(candidates, self._typical, count)
        self._kept = [candidates[place] for place in order[:_KEPT]]
        return [candidates[place].params for place in order[:count]]

    def _new_candidates(self) -> list[Candidate]:
        """The best of the last ranking, and newly drawn ones."""
        found = {key_of(one.params): one for one in self._kept if self.is_new(one.params)}
        drawn = [self._candidates.drawn() for _ in range(_DRAWN if self._kept else _DRAWS)]
        for params in self._earlier_front:
            key = key_of(params)
            if key not in found and key not in self._proposed:
                found[key] = self._encoded(params)
        parents = [*self._improvement.front(), *self._earlier_front]
        places = self._generator.integers(len(parents), size=_NEIGHBOURS)
        near = [self._candidates.near(parents[place]) for place in places]
        for walk in (*drawn, *near):
            key = key_of(walk.params)
            if key not in found and key not in self._proposed:
                found[key] = self._encoded(walk.params)
        return list(found.values())

    def _encoded(self, params: Params) -> Candidate:
        known = self._known(params)
        row = self._row({**self._fixed, **params}, known)
        return Candidate(params=params, row=row, known=known)

    def _row(self, params: Params, known: Known) -> Array:
        sizes = [math.log10(1 + abs(value)) / 2 for value in known.values.values()]
        return self._encoding.row(params, known.features or sizes)

    def _read(self, trial: FrozenTrial) -> None:
        number = trial.number
        extent = (len(trial.params), len(trial.user_attrs) + len(trial.intermediate_values))
        if trial.state.is_finished():
            self._ended.add(number)
        elif self._read_of.get(number) == extent:
            return
        if self._read_of.get(number, (0, 0))[0] != len(trial.params):
            self._proposed.add(key_of(trial.params))
            self._improvement.add(number, self._encoded(trial.params))
        self._read_of[number] = extent
        for epoch, report in reports_of(trial).items():
            self._improvement.report(number, epoch, report)
        match trial.state:
            case TrialState.COMPLETE:
                self._improvement.complete(number, final_report(trial))
            case TrialState.PRUNED:
                self._improvement.stop(number)
            case TrialState.FAIL:
                self._improvement.fail(number)
        if trial.state.is_finished():
            self._read_of.pop(number)

    def _infer(self, complete: Sequence[FrozenTrial]) -> None:
        if len(complete) <= _INFER_AGAIN * self._inferred_from:
            return
        self._inferred_from = len(complete)
        distributions: dict[str, BaseDistribution] = {}
        for trial in complete:
            distributions |= trial.distributions
        space = InferredSpace([trial.params for trial in complete], distributions)
        candidates = Candidates(space, self._generator)
        if distributions != self.distributions:
            self.distributions = distributions
            self._begin(candidates)
        else:
            self._candidates = candidates
