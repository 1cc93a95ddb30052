"""The sampler `ehvi`, for any study of Optuna: expected hypervolume improvement with exact costs."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from study.search.candidates import Params, Space, value_at
from study.search.earlier_study import EarlierStudy
from study.search.objective import Known
from study.search.study_memory import StudyMemory, objectives_of

_MOST_AT_ONCE: Final = 200


def _nothing(_: Params) -> Known:
    """The default of `known`: nothing is known before a trial."""
    return Known()


@final
class _Pace:
    """Limits ranking to a share of the time, if one is given: one ranking then serves several trials."""

    def __init__(self, share: float | None, clock: Callable[[], float]) -> None:
        self._share = share
        self._clock = clock
        self._ranking_s = 0.1
        self._interval_s = 1.0
        self._begun_at = self._ended_at = clock()

    def begin(self) -> int:
        """A trial is asked for; returns how many a ranking should serve."""
        self._begun_at = self._clock()
        self._interval_s = 0.5 * self._interval_s + 0.5 * (self._begun_at - self._ended_at)
        if self._share is None:
            return 1
        wanted = self._ranking_s / self._share / max(self._interval_s, 1e-3)
        return int(np.clip(np.ceil(wanted), 1, _MOST_AT_ONCE))

    def end(self, *, ranked: bool) -> None:
        """The trial has its configuration, from a ranking that was made for it or before."""
        self._ended_at = self._clock()
        if ranked:
            self._ranking_s = self._ended_at - self._begun_at


@final
class EHVISampler(BaseSampler):
    """Proposes the configuration with the largest expected improvement of the front's hypervolume.

    It learns from complete, pruned, running and failed trials, and proposes no configuration twice.
    Optional user attributes of a trial:

    - `epoch/N`: its values after epoch N, a table with `values`, one per objective, and optionally
      their standard errors `errors` and `constraints`. In a study with one objective the values of
      `trial.report` are read as well; step 0 is epoch 1.
    - `errors`: the standard errors of its final values, one per objective.

    Constraints are those of `trial.set_constraint`. All arguments are optional:

    - `seed`: of the sampler's generator.
    - `known`: returns what is known of a configuration before its trial, such as the size of a network.
    - `transforms`: for each objective an increasing function on whose scale it is learned, or None.
    - `references`: for each objective the worst value of interest, or None. By
      default the value that nine of ten uniformly drawn trials reach.
    - `epochs`: the full length of a trial. By default the most that were reported.
    - `space`: a function that calls `suggest_...` of a trial for every parameter. By default the space
      is inferred from complete trials.
    - `earlier`: studies with the same objectives, on other data, with another space or budget, whose
      trials inform the proposals. They are read once, when the sampler is made.
    - `n_startup_trials`: how many trials are drawn uniformly at first. With `earlier` the first ones are
      from earlier fronts, until four are complete.
    - `time_share`: the largest part of the time between two trials that ranking may take; where it would
      take more, one ranking serves several trials. By default each trial has a ranking of its own, and
      equal seeds give equal proposals.
    - `clock`: a function that returns the time in seconds.

    One sampler serves one study at a time.
    """

    def __init__(  # noqa: PLR0913  # each has its default
        self,
        *,
        seed: int | None = None,
        known: Callable[[Params], Known] | None = None,
        transforms: Sequence[Callable[[float], float] | None] | None = None,
        references: Sequence[float | None] | None = None,
        epochs: int | None = None,
        space: Space | None = None,
        earlier: Sequence[EarlierStudy | Study] = (),
        n_startup_trials: int = 10,
        time_share: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._generator = np.random.default_rng(seed)
        self._known = known or _nothing
        self._transforms = transforms
        self._references = references
        self._epochs = epochs
        self._space = space
        self._earlier = [
            study if isinstance(study, EarlierStudy) else EarlierStudy.of(study)
            for study in earlier
        ]
        self._n_startup_trials = n_startup_trials
        self._pace = _Pace(time_share, clock)
        self._ranked: deque[Params] = deque()
        self._memory: StudyMemory | None = None
        self._lock = threading.RLock()  # `study.optimize(n_jobs=2)` asks from two threads

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lock = threading.RLock()

    def reseed_rng(self) -> None:
        with self._lock:
            self._generator.bit_generator.state = np.random.default_rng().bit_generator.state

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        with self._lock:
            memory = self._memory_of(study)
            if self._space is None:
                memory.read(study.get_trials(deepcopy=False), but=trial.number)
            return dict(memory.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            memory = self._memory_of(study)
            memory.read(study.get_trials(deepcopy=False), but=trial.number)
            if memory.distributions:
                params = self._proposed(memory)
            else:  # no trial is complete, and yet the caller knows the space
                params = {
                    name: value_at(distribution, self._generator.random())
                    for name, distribution in search_space.items()
                }
        return {name: params[name] for name in search_space if name in params}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401  # the distribution's own type
        del study, trial, param_name
        with self._lock:
            return value_at(param_distribution, self._generator.random())

    def _memory_of(self, study: Study) -> StudyMemory:
        """The memory of a study, a new one if another study was asked for before."""
        if self._memory is None or self._memory.study_name != study.study_name:
            self._ranked.clear()
            self._memory = StudyMemory(
                study.study_name,
                objectives_of(study, self._transforms, self._references),
                known=self._known,
                epochs=self._epochs,
                space=self._space,
                earlier=self._earlier,
                generator=self._generator,
            )
        return self._memory

    def _proposed(self, memory: StudyMemory) -> Params:
        """A new configuration; any, if no new one was found."""
        startup = memory.trained < self._n_startup_trials and not self._earlier
        if startup or not memory.ready:
            return memory.drawn()
        wanted = self._pace.begin()
        while self._ranked:
            params = self._ranked.popleft()
            if memory.is_new(params):
                self._pace.end(ranked=False)
                return params
        self._ranked.extend(memory.ranked(wanted))
        self._pace.end(ranked=True)
        return self._ranked.popleft() if self._ranked else memory.drawn()
