"""Proposes configurations, none twice: by a sampler, or from a grid."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, final

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from study.search.candidates import Candidates
from study.search.configuration import Configuration, Trained
from study.search.earlier_study import EarlierStudy
from study.search.grid import grid
from study.search.samplers import Counted, report_of, sampler_of
from study.search.space import suggest
from study.search.start import start_configurations
from study.search.stored_trial import continues_of, is_cut_short, metrics_of, rungs_of
from study.search.study_view import PENDING, Pending, StudyView
from study.spec.study_spec import StudySpec

_DRAWS: Final = 300  # tries for a new configuration, before a space is walked for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration, and what the sampler must find again when the study resumes.

    `start` is its place among the configurations that the spec starts with, if it is one; `continues`
    the ended trial that had it, if there is one.
    """

    configuration: Configuration
    system_attrs: dict[str, Any] = field(default_factory=dict)
    start: int | None = None
    continues: int | None = None


@final
class Proposals:
    """The proposals for the trials of a spec.

    `asked` is how many trials the study has: a sampler that is made anew does not draw what its
    predecessor drew. `random` draws it again and passes over it, so that an interrupted study has the
    configurations of an uninterrupted one. `counted` gives the sizes of a configuration's network,
    `clock` and `earlier` are those of `sampler_of`.
    """

    def __init__(
        self,
        spec: StudySpec,
        asked: int,
        counted: Counted,
        clock: Callable[[], float] | None = time.monotonic,
        earlier: Sequence[EarlierStudy] = (),
    ) -> None:
        self._spec = spec
        self._grid = grid(spec) if spec.sampler == "grid" else None
        before = 0 if spec.sampler == "random" else asked
        (seed,) = np.random.SeedSequence([spec.seed, before]).generate_state(1)
        sampler = sampler_of(spec, int(seed), counted, clock, earlier)
        self._view = None if sampler is None else StudyView(spec, sampler)
        self._candidates = Candidates(partial(suggest, spec=spec), np.random.default_rng(seed))
        self._start = deque(enumerate(start_configurations(spec, counted)))
        self._proposed: set[Trained] = set()

    def add(self, number: int, params: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> None:
        """Adds a stored trial that was proposed before; it runs until `tell` is called."""
        self._add(number, Configuration(self._spec, given=params), system_attrs)

    def restore(self, trial: FrozenTrial, *, goes_on: bool) -> None:
        """Adds a stored trial; for the sampler it runs if it has not ended, or another continues it."""
        number, continues = trial.number, continues_of(trial)
        if continues is None:
            self.add(number, trial.params, trial.system_attrs)
        else:
            self.go_on(number, continues)
        for epoch, metrics in rungs_of(trial).items():
            self.report(number, metrics | {"epochs": epoch})
        if trial.state == TrialState.COMPLETE:
            self.report(number, metrics_of(trial))
        if trial.state.is_finished() and not goes_on:
            self.end(trial)

    def end(self, trial: FrozenTrial) -> None:
        """Tells the sampler how a stored trial ended.

        One that fails when it is continued was good enough before, and one that was planned for fewer
        epochs than the study has by now is not complete: for the sampler both were stopped.
        """
        failed = continues_of(trial) is not None and trial.state == TrialState.FAIL
        if failed or is_cut_short(trial, self._spec):
            self.tell(trial.number, TrialState.PRUNED, None, {})
        else:
            self.tell(trial.number, trial.state, trial.values, trial.constraints)

    def go_on(self, number: int, continues: int) -> None:
        """Adds a trial that continues another one; for the sampler it is the same, which runs again."""
        if self._view is not None:
            self._view.go_on(number, continues)

    def propose(self, number: int) -> Proposal | Pending | None:
        """A new configuration for the trial of this number; None if every one was proposed.

        The first ones are those that the spec starts with.
        PENDING while a sampler that takes long is computing: ask again.
        """
        while self._start:
            place, first = self._start.popleft()
            if first.key not in self._proposed:
                self._add(number, first, {})
                return Proposal(configuration=first, start=place)
        asked = None if self._view is None else self._view.ask(number, self._proposed)
        if asked is PENDING:
            return PENDING
        if asked is not None:
            configuration, system_attrs = asked
            self._proposed.add(configuration.key)
            return Proposal(configuration=configuration, system_attrs=system_attrs)
        given = self._drawn() if self._grid is None else self._next_of_grid()
        if given is None:
            return None
        self._add(number, given, {})
        return Proposal(configuration=given)

    def report(self, number: int, metrics: Mapping[str, float]) -> None:
        """Adds what a trial had reached at a rung, or at its end."""
        if self._view is not None:
            self._view.report(number, int(metrics["epochs"]), report_of(self._spec, metrics))

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """Ends a trial: its objectives if it is complete, and the violation of each constraint."""
        if self._view is not None:
            self._view.tell(number, state, values, constraints)

    def _add(
        self, number: int, configuration: Configuration, system_attrs: Mapping[str, Any]
    ) -> None:
        self._proposed.add(configuration.key)
        if self._view is not None:
            self._view.add(number, configuration, system_attrs)

    def _next_of_grid(self) -> Configuration | None:
        """The first configuration of the shuffled grid that is new."""
        assert self._grid is not None  # noqa: S101  # made by whoever calls
        while self._grid:
            configuration = Configuration(self._spec, given=self._grid[-1])
            if configuration.key not in self._proposed:
                return configuration
            self._grid.pop()
        return None

    def _drawn(self) -> Configuration | None:
        """A new configuration drawn uniformly; the rest of a small space that has been drawn dry."""
        for _ in range(_DRAWS):
            configuration = Configuration(self._spec, given=self._candidates.drawn().params)
            if configuration.key not in self._proposed:
                return configuration
        if self._grid is None:
            self._grid = grid(self._spec)
        return self._next_of_grid()
