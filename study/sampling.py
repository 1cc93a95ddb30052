"""Proposes configurations, none of them twice: what a sampler sees of a study, and how it is told.

Optuna's samplers work on a study in memory that is rebuilt from the stored one. There a proposal that
was made before can be thrown away without a trace in the record.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, final

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState, create_trial

from study.answers import Answers, Key, key_of
from study.candidates import Candidates
from study.ehvi import Counted, ExpectedImprovement
from study.grid import grid
from study.space import suggest
from study.spec import StudySpec

_TRIES: Final = 10  # how often a sampler may repeat itself before configurations are drawn evenly
_DRAWS: Final = 300
_RANDOM_FIRST: Final = 10  # trials that are drawn evenly before the improvement is expected of any
_NEIGHBOURS: Final = 100  # candidates that differ in a setting or two from one on the front
_SHARE: Final = 5  # ranking takes at most one part in so many of the time between two asks
_MOST_AT_ONCE: Final = 200

SAMPLERS: Final[dict[str, Callable[[int], optuna.samplers.BaseSampler]]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "nsga3": lambda seed: optuna.samplers.NSGAIIISampler(seed=seed, population_size=20),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration as it is stored: answers and their distributions, both by name.

    `system_attrs` are what the sampler must find again when the study goes on.
    """

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    system_attrs: dict[str, Any]

    @classmethod
    def of(cls, answers: Answers, system_attrs: Mapping[str, Any]) -> "Proposal":
        """What is stored of a sampler's attributes: only the generation of genetic ones."""
        kept = {key: value for key, value in system_attrs.items() if key.endswith(":generation")}
        return cls(params=answers.params, distributions=answers.distributions, system_attrs=kept)


@final
class Sampling:
    """The sampler of a spec at work.

    `asked` is how many trials the study has: a sampler that is made anew does not draw what its
    predecessor drew. `counted` gives the sizes of a configuration's network, `clock` the time in
    seconds.
    """

    def __init__(
        self,
        spec: StudySpec,
        asked: int,
        counted: Counted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._grid = grid(spec) if spec.sampler == "grid" else None
        self._grid_size = None if self._grid is None else len(self._grid)
        (seed,) = np.random.SeedSequence([spec.seed, asked]).generate_state(1)
        self._generator = np.random.default_rng(seed)
        self._candidates = Candidates(spec, self._generator)
        with warnings.catch_warnings():
            # Experimental are TPE's grouped space, NSGA-III and the Gaussian process.
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = SAMPLERS.get(spec.sampler, SAMPLERS["random"])(int(seed))
        self._view = optuna.create_study(directions=list(spec.objectives.values()), sampler=sampler)
        self._in_view: dict[int, int] = {}  # the number there by the number in the study
        self._params: dict[int, Mapping[str, Any]] = {}
        self._proposed: set[Key] = set()
        self._improvement = ExpectedImprovement(spec, counted) if spec.sampler == "ehvi" else None
        self._clock = clock
        self._ranked: deque[Mapping[str, Any]] = deque()
        self._ranking_s = 0.1
        self._asked_at = clock()
        self._interval_s = 1.0

    @property
    def grid_size(self) -> int | None:
        """The number of configurations of a grid; None for every other sampler."""
        return self._grid_size

    def begin(
        self, number: int, params: Mapping[str, Any], system_attrs: Mapping[str, Any]
    ) -> None:
        """A stored trial that this sampling did not propose; it runs until `end` is called."""
        answers = Answers(given=params)
        suggest(answers, self._spec)
        self._view.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=answers.view_params,
                distributions=answers.view_distributions,
                system_attrs=dict(system_attrs),
            )
        )
        self._began(number, len(self._view.get_trials(deepcopy=False)) - 1, answers)

    def propose(self, number: int) -> Proposal | None:
        """A new configuration for the trial of this number; None if every one was proposed."""
        if self._improvement is not None:
            given = self._best(self._improvement) if number >= _RANDOM_FIRST else self._drawn()
        elif self._grid is not None:
            given = self._next_of_grid()
        else:
            proposal = self._asked(number)
            if proposal is not None:
                return proposal
            given = self._drawn()
        if given is None:
            return None
        self.begin(number, given, {})
        answers = Answers(given=given)
        suggest(answers, self._spec)
        return Proposal.of(answers, {})

    def see(self, number: int, metrics: Mapping[str, float]) -> None:
        """What a trial had reached when it came to a rung, or to its end."""
        if self._improvement is not None:
            self._improvement.see(number, metrics)

    def end(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """How a trial ended: its objectives if it is complete, and by how much it breaks what."""
        in_view = self._in_view.pop(number)
        if constraints:
            trial_id = self._view.get_trials(deepcopy=False)[in_view]._trial_id  # noqa: SLF001  # as below
            trial = optuna.Trial(self._view, trial_id)  # there is no public way to reopen one
            for text, violation in constraints.items():
                trial.set_constraint(text, violation)
        self._view.tell(in_view, values, state=state)
        if self._improvement is not None:
            feasible = all(violation <= 0 for violation in constraints.values())
            complete = state == TrialState.COMPLETE and feasible
            self._improvement.end(number, complete=complete)

    def _began(self, number: int, in_view: int, answers: Answers) -> None:
        self._in_view[number] = in_view
        self._proposed.add(answers.key)
        if self._improvement is not None:
            self._params[number] = answers.params
            self._improvement.begin(number, answers.params)

    def _asked(self, number: int) -> Proposal | None:
        """What Optuna's sampler proposes; None if it repeats itself again and again."""
        for _ in range(_TRIES):
            trial = self._view.ask()
            answers = Answers(partial(_suggest, trial))
            suggest(answers, self._spec)
            if answers.key not in self._proposed:
                self._began(number, trial.number, answers)
                attrs = self._view.get_trials(deepcopy=False)[trial.number].system_attrs
                return Proposal.of(answers, attrs)
            self._view.tell(trial, state=TrialState.FAIL)
        return None

    def _best(self, improvement: ExpectedImprovement) -> Mapping[str, Any] | None:
        """The candidate of which the most is expected.

        Where trials are so short that ranking for each would hold them up, one ranking serves
        several asks.
        """
        start = self._clock()
        self._interval_s = 0.5 * self._interval_s + 0.5 * (start - self._asked_at)
        if not self._ranked and improvement.ready:
            candidates, drawn = self._new_ones(improvement)
            wanted = _SHARE * self._ranking_s / max(self._interval_s, 1e-3)
            count = int(np.clip(np.ceil(wanted), 1, _MOST_AT_ONCE))
            if drawn:
                chosen = improvement.rank(candidates, count, drawn)
                self._ranked.extend(candidates[index] for index in chosen)
            self._ranking_s = self._clock() - start
        self._asked_at = self._clock()
        return self._ranked.popleft() if self._ranked else self._drawn()

    def _new_ones(self, improvement: ExpectedImprovement) -> tuple[list[Mapping[str, Any]], int]:
        """New configurations, and how many of them are drawn evenly: the others are near the front."""
        drawn = self._unproposed(self._candidates.drawn() for _ in range(_DRAWS))
        parents = [self._params[number] for number in improvement.front()]
        places = self._generator.integers(len(parents), size=_NEIGHBOURS)
        near = self._unproposed(self._candidates.near(parents[place]) for place in places)
        # In a union the keys of the first come first, in their order.
        return list((drawn | near).values()), len(drawn)

    def _unproposed(self, found: Iterable[Answers]) -> dict[Key, Mapping[str, Any]]:
        return {one.key: one.params for one in found if one.key not in self._proposed}

    def _next_of_grid(self) -> Mapping[str, Any] | None:
        """The first configuration of the shuffled grid that is new."""
        assert self._grid is not None  # noqa: S101  # made by whoever calls
        while self._grid and key_of(self._grid[-1]) in self._proposed:
            self._grid.pop()
        return self._grid[-1] if self._grid else None

    def _drawn(self) -> Mapping[str, Any] | None:
        """A new configuration drawn evenly; the rest of a small space that has been drawn dry."""
        for _ in range(_DRAWS):
            answers = self._candidates.drawn()
            if answers.key not in self._proposed:
                return answers.params
        if self._grid is None:
            self._grid = grid(self._spec)
        return self._next_of_grid()


def _suggest(trial: optuna.Trial, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # as above
    match asked:
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise AssertionError(asked)
