"""A study in memory, as a sampler sees it: rebuilt from the stored one.

There a proposal that was made before can be thrown away without a trace in the record.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import Any, Final, TypeAlias, final

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState, create_trial

from study.search.configuration import Configuration, Trained
from study.search.ehvi import EHVISampler
from study.search.observations import EPOCH, ERRORS, Report
from study.search.space import suggest
from study.spec.study_spec import StudySpec

_SLOW_S: Final = 0.1  # the next ask after one that took longer does not hold its caller up
_TRIES: Final = 10  # how often a sampler may repeat itself before it is given up

Answer: TypeAlias = tuple[Configuration, dict[str, Any]]
"""A proposal, and what the sampler must find again when it is rebuilt."""

_Asked: TypeAlias = tuple[int, Answer]
"""The number of a proposal in the view, and the proposal."""


class Pending(Enum):
    """What an ask returns while its proposal is computed."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING


@final
class StudyView:
    """A sampler at work, and the trials that it knows of."""

    def __init__(self, spec: StudySpec, sampler: BaseSampler) -> None:
        self._spec = spec
        # It limits its own time, orders the numbers of a choice, and learns from failures.
        self._ehvi = isinstance(sampler, EHVISampler)
        self._random = isinstance(sampler, RandomSampler)
        self._study = optuna.create_study(
            directions=list(spec.objectives.values()), sampler=sampler
        )
        self._thread = ThreadPoolExecutor(1)
        self._asking: Future[_Asked | None] | None = None
        self._seconds = 0.0  # of the last ask
        self._in_view: dict[int, int] = {}  # the number there by the number in the study
        self._drawn: set[Trained] = set()  # by the sampler, since it was made

    def add(
        self, number: int, configuration: Configuration, system_attrs: Mapping[str, Any]
    ) -> None:
        """Adds a trial that the sampler did not propose; it runs until `tell` is called."""
        own = self._ehvi
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=configuration.params if own else configuration.view_params,
                distributions=configuration.distributions
                if own
                else configuration.view_distributions,
                system_attrs=_kept_of(system_attrs),
            )
        )
        self._in_view[number] = len(self._study.get_trials(deepcopy=False)) - 1

    def go_on(self, number: int, continues: int) -> None:
        """Gives a running trial the number of the one that continues it."""
        self._in_view[number] = self._in_view.pop(continues)

    def ask(self, number: int, known: Collection[Trained]) -> Answer | Pending | None:
        """The proposal of the sampler for a trial; None if it proposes what is known again and again.

        After an ask that took long, PENDING until the proposal is there: a thread computes it, and
        the caller, Ray's loop, asks again. The number may be another one by then, if a trial that
        continues an ended one has taken it.
        """
        if self._asking is None and (self._ehvi or self._seconds < _SLOW_S):
            asked = self._ask(known)
        else:
            self._asking = self._asking or self._thread.submit(self._ask, known)
            if not self._asking.done():
                return PENDING
            asked, self._asking = self._asking.result(), None
        if asked is None:
            return None
        self._in_view[number], answer = asked
        return answer

    def _ask(self, known: Collection[Trained]) -> _Asked | None:
        start = time.monotonic()
        try:
            return self._new(known)
        finally:
            self._seconds = time.monotonic() - start

    def _new(self, known: Collection[Trained]) -> _Asked | None:
        tries = 1 if self._ehvi else _TRIES
        if self._random:
            tries += len(known)
        repeats = 0
        while repeats < tries:
            trial = self._study.ask()
            configuration = self._configuration_of(trial)
            # A random sampler that was made anew draws again what it drew before, repeats and all.
            repeats = repeats + 1 if configuration.key in self._drawn or not self._random else 0
            self._drawn.add(configuration.key)
            if configuration.key not in known:
                attrs = self._study.get_trials(deepcopy=False)[trial.number].system_attrs
                return trial.number, (configuration, _kept_of(attrs))
            ignored = TrialState.PRUNED if self._ehvi else TrialState.FAIL
            self._study.tell(trial, state=ignored)
        return None

    def _configuration_of(self, trial: optuna.Trial) -> Configuration:
        if not self._ehvi:
            return Configuration(self._spec, partial(_suggest, trial))
        suggest(trial, self._spec)
        return Configuration(self._spec, given=trial.params)

    def report(self, number: int, epoch: int, report: Report) -> None:
        """Adds what a trial has after an epoch."""
        trial = self._trial(number)
        trial.set_user_attr(f"{EPOCH}{epoch}", report.to_attribute())
        trial.set_user_attr(ERRORS, list(report.errors))

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """Ends a trial: its objectives if it is complete, and the violation of each constraint."""
        if constraints:
            trial = self._trial(number)
            for text, violation in constraints.items():
                trial.set_constraint(text, violation)
        self._study.tell(self._in_view.pop(number), values, state=state)

    def _trial(self, number: int) -> optuna.Trial:
        trials = self._study.get_trials(deepcopy=False)
        # There is no public way to reopen a trial.
        return optuna.Trial(self._study, trials[self._in_view[number]]._trial_id)  # noqa: SLF001  # as above


def _kept_of(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What a sampler must find again: only the generation of genetic ones cannot be found out."""
    return {key: system_attrs[key] for key in system_attrs if key.endswith(":generation")}


def _suggest(trial: optuna.Trial, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # the space's own types
    match asked:
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise AssertionError(asked)
