"""Peers of the search that train every trial to its last epoch: Optuna's samplers, multi-objective.

Validation accuracy is maximised and log10 of the trainable parameters minimised: TPE and NSGA-II
break ties by hypervolume and crowding, in which the plain count would drown the accuracy. The family
is categorical; each number is the index of its value on the grid, so that samplers that know of
order can use it, on the grid's own spacing.

Optuna's samplers draw with replacement, and on a grid of some hundred configurations a sampler that
has converged proposes little new. So each is also run as `no repeats`: a proposal that was tried
before is refused, at no cost, and the sampler asked again.
"""

import math

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from benchmarks.search.replay_table import Configuration, Metrics, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)

# A sampler that proposes so many tried configurations in a row is given a random untried one.
PATIENCE = 5


class OptunaSearch:
    """A sampler of Optuna behind ask, report and end; a key is the number of an Optuna trial."""

    def __init__(
        self, space: Space, sampler: BaseSampler, *, seed: int, repeats: bool = True
    ) -> None:
        self._grid = space.grid
        self._distributions = {key: _distribution(values) for key, values in space.grid.items()}
        self._study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
        self._values: dict[int, tuple[float, float]] = {}
        self._untried: list[Configuration] | None = None
        if not repeats:
            order = np.random.default_rng(seed).permutation(len(space.configurations))
            self._untried = [space.configurations[place] for place in order]

    def ask(self) -> tuple[int, Configuration] | None:
        if self._untried is None:
            trial = self._study.ask(self._distributions)
        elif (found := self._ask_for_untried(self._untried)) is not None:
            trial = found
        else:
            return None
        return trial.number, self._configuration(trial)

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:  # noqa: ARG002  # never stops
        self._values[key] = (metrics["val_accuracy"], math.log10(metrics["trainable_parameters"]))
        return True

    def end(self, key: int, *, finished: bool) -> None:  # noqa: ARG002  # it always is
        self.tell(key, TrialState.COMPLETE)

    def tell(self, key: int, state: TrialState) -> None:
        """Tells Optuna how the trial ended; a complete one with the values last reported."""
        values = self._values.pop(key) if state == TrialState.COMPLETE else None
        self._study.tell(key, values, state=state)

    def _ask_for_untried(self, untried: list[Configuration]) -> Trial | None:
        """A trial of a new configuration, taken off the list; None where all are tried."""
        if not untried:
            return None
        for _ in range(PATIENCE):
            trial = self._study.ask(self._distributions)
            configuration = self._configuration(trial)
            if configuration in untried:
                untried.remove(configuration)
                return trial
            # Failed trials are what samplers disregard; told again, a good one would count double.
            self._study.tell(trial, state=TrialState.FAIL)
        self._study.enqueue_trial(self._parameters(untried.pop()))
        return self._study.ask(self._distributions)

    def _configuration(self, trial: Trial) -> Configuration:
        return {
            key: trial.params[key] if _is_named(values) else values[trial.params[key]]
            for key, values in self._grid.items()
        }

    def _parameters(self, configuration: Configuration) -> Configuration:
        return {
            key: configuration[key] if _is_named(values) else values.index(configuration[key])
            for key, values in self._grid.items()
        }


def _is_named(values: tuple[object, ...]) -> bool:
    return isinstance(values[0], str)


def _distribution(values: tuple[object, ...]) -> BaseDistribution:
    if _is_named(values):
        return CategoricalDistribution(values)
    return IntDistribution(0, len(values) - 1)


def random(space: Space, seed: int) -> OptunaSearch:
    """Independent uniform draws, with replacement, as Optuna's RandomSampler makes them."""
    return OptunaSearch(space, RandomSampler(seed=seed), seed=seed)


def random_without_repeats(space: Space, seed: int) -> OptunaSearch:
    """Uniform draws without replacement."""
    return OptunaSearch(space, RandomSampler(seed=seed), seed=seed, repeats=False)


def tpe(space: Space, seed: int) -> OptunaSearch:
    """Multi-objective TPE with all settings at their defaults."""
    return OptunaSearch(space, TPESampler(seed=seed), seed=seed)


def tpe_without_repeats(space: Space, seed: int) -> OptunaSearch:
    """Multi-objective TPE at its defaults, without repeats."""
    return OptunaSearch(space, TPESampler(seed=seed), seed=seed, repeats=False)


def nsga2_of_20(space: Space, seed: int) -> OptunaSearch:
    """NSGA-II with generations of 20, which suits a budget of few trials."""
    return OptunaSearch(space, NSGAIISampler(seed=seed, population_size=20), seed=seed)


def nsga2_of_50(space: Space, seed: int) -> OptunaSearch:
    """NSGA-II with generations of 50, the default."""
    return OptunaSearch(space, NSGAIISampler(seed=seed), seed=seed)


def nsga2_without_repeats(space: Space, seed: int) -> OptunaSearch:
    """NSGA-II with generations of 20, without repeats."""
    sampler = NSGAIISampler(seed=seed, population_size=20)
    return OptunaSearch(space, sampler, seed=seed, repeats=False)
