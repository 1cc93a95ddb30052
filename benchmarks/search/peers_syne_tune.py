"""Peers from Syne Tune: MO-ASHA and multi-objective regularized evolution (MOREA).

Syne Tune's own scheduler and searcher decide. They minimise error and log10 of the parameters: the
epsilon-net by which MO-ASHA orders a front measures Euclidean distances, in which the plain count would
drown the error. Spaces have no conditions there, so a configuration has all settings, and those that its
family lacks are ignored.

As released (0.16.0), the default priority hands both of them the ORDER of the sorted trials where
their RANKS are meant (`nondominated_sort` returns indices, best first, and within a front takes ranks
for indices), so that whether a trial goes on hardly depends on it: of 60 random trials at a rung the
best point of all goes on as often as the middle one, in 42 % of draws. `FrontPriority` is what the
paper describes (Salinas et al. 2021, arXiv:2106.12639), given through the public
`multiobjective_priority`.
"""

import math
from datetime import datetime
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multi_objective_regularized_evolution import (
    MultiObjectiveRegularizedEvolution,
)
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import MOPriority
from syne_tune.optimizer.schedulers.multiobjective.non_dominated_priority import compute_epsilon_net

from benchmarks.search.replay import Ending
from benchmarks.search.replay_table import Configuration, Metrics, Space
from benchmarks.search.untried import Untried

ASKS = 50  # for a new configuration; they cost nothing


class FrontPriority(MOPriority):
    """Fronts in turn, each ordered by Syne Tune's epsilon-net from its lowest first objective on.

    MO-ASHA asks how many trials come before the last one. That needs an order only within the
    front of the last; in the others all get the same priority. Of equal points the net takes all but
    the first at its end, for they are at no distance. Both save most of the time.
    """

    def priority_unsafe(self, objectives: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks = moocore.pareto_rank(objectives)
        priority: NDArray[np.float64] = ranks.astype(np.float64)
        (members,) = np.nonzero(ranks == ranks[-1])
        _, firsts = np.unique(objectives[members], axis=0, return_index=True)
        firsts.sort()
        place = len(firsts) + np.arange(len(members))
        place[firsts] = compute_epsilon_net(objectives[members[firsts]], dim=0)
        priority[members] += place / (2 * len(members))
        return priority


class RankPriority(MOPriority):
    """The non-dominated rank alone."""

    def priority_unsafe(self, objectives: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks: NDArray[np.float64] = moocore.pareto_rank(objectives).astype(np.float64)
        return ranks


class _New:
    """Draws of Syne Tune as new configurations of the table."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._untried = Untried(space, seed)
        self.choices = {key: choice(list(values)) for key, values in space.values.items()}

    def __bool__(self) -> bool:
        return bool(self._untried)

    def take(self, drawn: dict[str, Any]) -> Configuration | None:
        """The configuration of a draw; None if it is not new."""
        configuration = self._active(drawn)
        return configuration if self._untried.take(configuration) else None

    def take_nearest(self, drawn: dict[str, Any]) -> Configuration:
        return self._untried.take_nearest(self._active(drawn))

    def _active(self, drawn: dict[str, Any]) -> Configuration:
        return {key: drawn[key] for key in ("family", *self._space.settings[drawn["family"]])}


def _costs(metrics: Metrics) -> list[float]:
    return [1 - metrics["val_accuracy"], math.log10(metrics["trainable_parameters"])]


class Moasha:
    """MO-ASHA: random configurations, stopped by their non-dominated rank at each rung."""

    def __init__(self, space: Space, seed: int, *, grace: int, factor: float) -> None:
        # MOASHA draws from numpy's global generator, whatever its random_seed.
        np.random.seed(seed)  # noqa: NPY002
        self._new = _New(space, seed)
        self._scheduler = MOASHA(
            config_space=self._new.choices,
            metrics=["error", "log_parameters"],
            time_attr="epoch",
            multiobjective_priority=FrontPriority(),
            max_t=space.epochs,
            grace_period=grace,
            reduction_factor=factor,
            random_seed=seed,
        )
        self._trials: list[Trial] = []

    def ask(self) -> tuple[int, Configuration] | None:
        if not self._new:
            return None
        found = None
        for _ in range(ASKS):
            drawn = self._scheduler.suggest().config
            found = self._new.take(drawn)
            if found is not None:
                break
        found = found or self._new.take_nearest(drawn)
        key = len(self._trials)
        trial = Trial(trial_id=key, config=drawn | found, creation_time=datetime.now().astimezone())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return key, found

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        error, size = _costs(metrics)
        result = {"epoch": epoch, "error": error, "log_parameters": size}
        decision = self._scheduler.on_trial_result(self._trials[key], result)
        return bool(decision == SchedulerDecision.CONTINUE)

    def end(self, key: int, ending: Ending) -> None:  # noqa: ARG002  # the same to Syne Tune
        self._scheduler.on_trial_remove(self._trials[key])


class Morea:
    """MOREA: regularized evolution by non-dominated ranks; every trial is trained to its last epoch."""

    def __init__(self, space: Space, seed: int, *, population: int) -> None:
        # Its first configurations are drawn from numpy's global generator, too.
        np.random.seed(seed)  # noqa: NPY002
        self._new = _New(space, seed)
        self._searcher = MultiObjectiveRegularizedEvolution(
            config_space=self._new.choices,
            population_size=population,
            sample_size=min(10, population),
            multiobjective_priority=RankPriority(),
            random_seed=seed,
        )
        self._drawn: list[dict[str, Any]] = []
        self._costs: dict[int, list[float]] = {}

    def ask(self) -> tuple[int, Configuration] | None:
        if not self._new:
            return None
        found = None
        for _ in range(ASKS):
            drawn = self._searcher.suggest()
            found = self._new.take(drawn)
            if found is not None:
                break
        found = found or self._new.take_nearest(drawn)
        self._drawn.append(drawn | found)
        return len(self._drawn) - 1, found

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:  # noqa: ARG002  # never stops
        self._costs[key] = _costs(metrics)
        return True

    def end(self, key: int, ending: Ending) -> None:
        if ending == "COMPLETE":
            self._searcher.on_trial_complete(key, self._drawn[key], self._costs[key])
