"""MOASHA of Syne Tune: random configurations, stopped by their non-dominated rank at each rung.

Syne Tune's own scheduler decides. It minimises error and log10 of the parameters: the epsilon-net by
which it orders a front measures Euclidean distances, in which the plain count would drown the error.

As released (0.16.0), its default priority hands the scheduler the ORDER of the sorted trials where
their RANKS are meant (`nondominated_sort` returns indices, best first, and within a front takes ranks
for indices), so that whether a trial goes on hardly depends on it: of 60 random trials at a rung the
best point of all goes on as often as the middle one, in 42 % of draws. `FrontPriority` is what the
paper describes (Salinas et al. 2021, arXiv:2106.12639), given through the scheduler's public
`multiobjective_priority`; the peer is run with it, and as released on request.
"""

import math
from datetime import datetime

import moocore
import numpy as np
from numpy.typing import NDArray
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import (
    MOPriority,
    NonDominatedPriority,
)
from syne_tune.optimizer.schedulers.multiobjective.non_dominated_priority import compute_epsilon_net

from benchmarks.search.replay_table import Configuration, Metrics, Space


class FrontPriority(MOPriority):
    """Fronts in turn, each ordered by Syne Tune's epsilon-net from its lowest first objective on.

    The scheduler asks how many trials come before the last one. That needs an order only within the
    front of the last; in the others all get the same priority. Of equal points the net takes all but
    the first at its end, for they are at no distance. Both save most of the time.
    """

    def priority_unsafe(self, objectives: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks = moocore.pareto_rank(objectives)
        priority = ranks.astype(np.float64)
        (members,) = np.nonzero(ranks == ranks[-1])
        _, firsts = np.unique(objectives[members], axis=0, return_index=True)
        firsts.sort()
        place = len(firsts) + np.arange(len(members))
        place[firsts] = compute_epsilon_net(objectives[members[firsts]], dim=0)
        priority[members] += place / (2 * len(members))
        return priority


class MoashaSearch:
    """Syne Tune's MOASHA behind ask, report and end: grace of one epoch, a third goes on."""

    def __init__(
        self, space: Space, seed: int, priority: MOPriority, *, repeats: bool = True
    ) -> None:
        # MOASHA draws from numpy's global generator, whatever its random_seed.
        np.random.seed(seed)  # noqa: NPY002
        self._scheduler = MOASHA(
            config_space={key: choice(list(values)) for key, values in space.grid.items()},
            metrics=["error", "log_parameters"],
            time_attr="epoch",
            multiobjective_priority=priority,
            max_t=space.epochs,
            grace_period=1,
            reduction_factor=3,
            random_seed=seed,
        )
        self._trials: list[Trial] = []
        self._untried = None if repeats else list(space.configurations)

    def ask(self) -> tuple[int, Configuration] | None:
        if self._untried is not None and not self._untried:
            return None
        configuration = self._scheduler.suggest().config
        if self._untried is not None:
            while configuration not in self._untried:
                configuration = self._scheduler.suggest().config
            self._untried.remove(configuration)
        key = len(self._trials)
        trial = Trial(trial_id=key, config=configuration, creation_time=datetime.now().astimezone())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return key, configuration

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        result = {
            "epoch": epoch,
            "error": 1 - metrics["val_accuracy"],
            "log_parameters": math.log10(metrics["trainable_parameters"]),
        }
        decision = self._scheduler.on_trial_result(self._trials[key], result)
        return bool(decision == SchedulerDecision.CONTINUE)

    def end(self, key: int, *, finished: bool) -> None:  # noqa: ARG002  # the same to Syne Tune
        self._scheduler.on_trial_remove(self._trials[key])


def moasha(space: Space, seed: int) -> MoashaSearch:
    """MOASHA with the priority of its paper."""
    return MoashaSearch(space, seed, FrontPriority())


def moasha_without_repeats(space: Space, seed: int) -> MoashaSearch:
    """MOASHA with the priority of its paper, without repeats."""
    return MoashaSearch(space, seed, FrontPriority(), repeats=False)


def moasha_as_released(space: Space, seed: int) -> MoashaSearch:
    """MOASHA with all that it comes with."""
    return MoashaSearch(space, seed, NonDominatedPriority())
