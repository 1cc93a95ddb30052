"""Proposes configurations: what Optuna's sampler sees of a study, and how it is told.

The samplers work on a study in memory that is rebuilt from the stored one. There numbers of a choice
are ordered, as 64 lies between 32 and 128, and a proposal that was made before can be thrown away
without a trace in the record.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, final

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.grid import grid
from study.space import suggest
from study.spec import StudySpec

_TRIES: Final = 10  # how often a sampler may repeat itself before configurations are drawn evenly
_DRAWS: Final = 300

_Key: TypeAlias = frozenset[tuple[str, Any]]

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


@final
class Sampling:
    """One sampler at work, made anew from the spec's seed and all trials that are stored.

    A proposal is never equal to an earlier one.
    """

    def __init__(self, spec: StudySpec, stored: Sequence[FrozenTrial]) -> None:
        self._spec = spec
        self._grid = grid(spec) if spec.sampler == "grid" else None
        self._grid_size = None if self._grid is None else len(self._grid)
        (seed,) = np.random.SeedSequence([spec.seed, len(stored)]).generate_state(1)
        self._even = optuna.samplers.RandomSampler(seed=int(seed))
        with warnings.catch_warnings():
            # Experimental are TPE's grouped space, NSGA-III and the Gaussian process.
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = SAMPLERS.get(spec.sampler, SAMPLERS["random"])(int(seed))
        self._view = optuna.create_study(directions=list(spec.objectives.values()), sampler=sampler)
        self._trials: dict[int, int] = {}  # the number in the view by the number in the study
        self._seen: set[_Key] = set()
        for trial in stored:
            self._trials[trial.number] = self._add(trial.params, trial.system_attrs)
            if trial.state.is_finished():
                self.tell(trial.number, trial.state, trial.values, trial.constraints)

    @property
    def grid_size(self) -> int | None:
        """The number of configurations of a grid; None for every other sampler."""
        return self._grid_size

    def propose(self, number: int) -> Proposal | None:
        """A new configuration for the trial of this number; None if every one was proposed."""
        for _ in range(_TRIES if self._grid is None else 0):
            trial = self._view.ask()
            answers = _Answers(partial(_suggest, trial))
            suggest(answers, self._spec)
            if answers.key not in self._seen:
                self._seen.add(answers.key)
                self._trials[number] = trial.number
                attrs = self._view.get_trials(deepcopy=False)[trial.number].system_attrs
                return answers.proposal(attrs)
            self._view.tell(trial, state=TrialState.FAIL)
        given = self._next_of_grid() if self._grid is not None else self._drawn()
        if given is None:
            return None
        self._trials[number] = self._add(given, {})
        answers = _Answers(given=given)
        suggest(answers, self._spec)
        return answers.proposal({})

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """How a trial ended: its objectives if it is complete, and by how much it breaks what."""
        trial = self._view.get_trials(deepcopy=False)[self._trials.pop(number)]
        if constraints:
            open_trial = optuna.Trial(self._view, trial._trial_id)  # noqa: SLF001  # no public way to reopen
            for text, violation in constraints.items():
                open_trial.set_constraint(text, violation)
        self._view.tell(trial.number, values, state=state)

    def _add(self, params: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> int:
        """Shows the sampler a trial that it did not propose, as one that runs."""
        answers = _Answers(given=params)
        suggest(answers, self._spec)
        self._seen.add(answers.key)
        self._view.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=answers.view_params,
                distributions=answers.view_distributions,
                system_attrs=dict(system_attrs),
            )
        )
        return len(self._view.get_trials(deepcopy=False)) - 1

    def _next_of_grid(self) -> Mapping[str, Any] | None:
        """The first configuration of the shuffled grid that is new."""
        assert self._grid is not None  # noqa: S101  # made by whoever calls
        while self._grid and _key(self._grid[-1]) in self._seen:
            self._grid.pop()
        return self._grid[-1] if self._grid else None

    def _drawn(self) -> Mapping[str, Any] | None:
        """A new configuration drawn evenly; the rest of a small space that has been drawn dry."""
        for _ in range(_DRAWS):
            answers = _Answers(self._draw)
            suggest(answers, self._spec)
            if answers.key not in self._seen:
                return answers.params
        self._grid = grid(self._spec)
        return self._next_of_grid()

    def _draw(self, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # the space's own types
        # The sampler looks at neither trial; any will do.
        trial = create_trial(state=TrialState.RUNNING)
        return self._even.sample_independent(self._view, trial, name, asked)


def _key(params: Mapping[str, Any]) -> _Key:
    return frozenset(params.items())


@final
class _Answers:
    """Answers what a space asks, from a source or as given, and keeps both forms of each answer."""

    def __init__(
        self,
        source: Callable[[str, BaseDistribution], Any] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._given = given or {}
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.view_params: dict[str, Any] = {}
        self.view_distributions: dict[str, BaseDistribution] = {}

    @property
    def key(self) -> _Key:
        """What tells this configuration from others."""
        return _key(self.params)

    def proposal(self, system_attrs: Mapping[str, Any]) -> Proposal:
        """The configuration as it is stored."""
        # Only the generation of genetic samplers cannot be found out again.
        kept = {key: value for key, value in system_attrs.items() if key.endswith(":generation")}
        return Proposal(params=self.params, distributions=self.distributions, system_attrs=kept)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        stored = CategoricalDistribution(tuple(choices))
        if isinstance(choices[0], str):
            return self._answer(name, stored, stored)
        ordered = sorted(choices)
        return self._answer(name, stored, IntDistribution(0, len(ordered) - 1), ordered)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        distribution = IntDistribution(low, high, log=log)
        return int(self._answer(name, distribution, distribution))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        distribution = FloatDistribution(low, high, log=log)
        return float(self._answer(name, distribution, distribution))

    def _answer(
        self,
        name: str,
        stored: BaseDistribution,
        view: BaseDistribution,
        ordered: Sequence[Any] | None = None,
    ) -> Any:  # noqa: ANN401  # the space's own types
        if name in self.params:
            return self.params[name]
        if self._source is None:
            answer = self._given[name]
            in_view = answer if ordered is None else ordered.index(answer)
        else:
            in_view = self._source(name, view)
            answer = in_view if ordered is None else ordered[in_view]
        self.params[name], self.distributions[name] = answer, stored
        self.view_params[name], self.view_distributions[name] = in_view, view
        return answer


def _suggest(trial: optuna.Trial, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # as above
    match asked:
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise AssertionError(asked)
