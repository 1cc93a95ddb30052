"""Peers from Optuna: its samplers, multi-objective, with or without early stopping.

Validation accuracy is maximised and log10 of the trainable parameters minimised: TPE, NSGA-II and the
Gaussian process compare objectives on their scale, on which the plain count would drown the accuracy.
The family is categorical; each number is the index of its value, so that samplers that know of order
can use it. A trial that was stopped is told as pruned, one that failed as failed.
"""

import math
import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState, create_trial

from benchmarks.search.replay import Ending
from benchmarks.search.replay_table import Configuration, Metrics, Space
from benchmarks.search.stopping import StoppingName, stopping_of
from benchmarks.search.untried import Untried

optuna.logging.set_verbosity(optuna.logging.WARNING)

# Asks for a new configuration, before the untried one that is nearest to the last proposal is taken.
ASKS = 5


class OptunaSearch:
    """A sampler of Optuna behind ask, report and end; a key is the number of an Optuna trial.

    `conditional`: whether a trial is asked only for the settings of its family. Otherwise it is asked
    for all, and those that its family lacks are ignored: for samplers that learn only of parameters
    that all trials have. `asks` as ASKS.
    """

    def __init__(  # noqa: PLR0913  # what the peers differ in
        self,
        space: Space,
        seed: int,
        sampler: BaseSampler,
        *,
        stopping: StoppingName = "none",
        grace: int = 1,
        factor: float = 2,
        conditional: bool = True,
        asks: int = ASKS,
    ) -> None:
        self._space = space
        self._conditional = conditional
        self._asks = asks
        self._stopping = stopping_of(stopping, space, grace, factor)
        self._study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
        self._values: dict[int, tuple[float, float]] = {}
        self._untried = Untried(space, seed)

    def ask(self) -> tuple[int, Configuration] | None:
        if not self._untried:
            return None
        for _ in range(self._asks):
            trial = self._study.ask()
            configuration = self._configuration(trial)
            if self._untried.take(configuration):
                return trial.number, configuration
            # Failed trials are what samplers disregard; told again, a good one would count double.
            self._study.tell(trial, state=TrialState.FAIL)
        configuration = self._untried.take_nearest(configuration)
        return self._added(configuration, trial.number), configuration

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        self._values[key] = (metrics["val_accuracy"], math.log10(metrics["trainable_parameters"]))
        return self._stopping.goes_on(key, epoch, metrics)

    def end(self, key: int, ending: Ending) -> None:
        values = self._values.pop(key, None) if ending == "COMPLETE" else None
        self._study.tell(key, values, state=TrialState[ending])

    def _configuration(self, trial: Trial) -> Configuration:
        """Asks the trial for a configuration."""
        answers = {"family": trial.suggest_categorical("family", self._space.values["family"])}
        settings = self._space.settings[answers["family"]]
        for key in settings if self._conditional else list(self._space.values)[1:]:
            values = self._space.values[key]
            answers[key] = values[trial.suggest_int(key, 0, len(values) - 1)]
        return {key: answers[key] for key in ("family", *settings)}

    def _added(self, configuration: Configuration, instead_of: int) -> int:
        """The number of a new trial of the study that has this configuration and runs.

        It belongs to the generation of the trial that it replaces.
        """
        distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values)
            if key == "family"
            else IntDistribution(0, len(values) - 1)
            for key, values in self._space.values.items()
            if key in configuration or not self._conditional
        }
        params = {
            key: value if key == "family" else self._space.values[key].index(value)
            for key, value in configuration.items()
        }
        trial = create_trial(
            state=TrialState.RUNNING,
            params={key: params.get(key, 0) for key in distributions},
            distributions=distributions,
            system_attrs=self._study.get_trials(deepcopy=False)[instead_of].system_attrs,
        )
        self._study.add_trial(trial)
        return len(self._study.get_trials(deepcopy=False)) - 1


def random(space: Space, seed: int) -> OptunaSearch:
    """Uniform draws."""
    return OptunaSearch(space, seed, RandomSampler(seed=seed))


def tpe(  # noqa: PLR0913  # what is tuned
    space: Space,
    seed: int,
    *,
    startup: int,
    stopping: StoppingName = "none",
    grace: int = 1,
    factor: float = 2,
) -> OptunaSearch:
    """Multi-objective TPE, which models the settings of each family together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the grouped space
        sampler = TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, group=True)
    return OptunaSearch(space, seed, sampler, stopping=stopping, grace=grace, factor=factor)


def nsga2(space: Space, seed: int, *, population: int) -> OptunaSearch:
    """NSGA-II."""
    sampler = NSGAIISampler(seed=seed, population_size=population)
    return OptunaSearch(space, seed, sampler, conditional=False)


def gp(space: Space, seed: int, *, startup: int) -> OptunaSearch:
    """Optuna's Gaussian process with logEHVI; an ask takes long, and a second one repeats the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = GPSampler(seed=seed, n_startup_trials=startup)
    return OptunaSearch(space, seed, sampler, conditional=False, asks=1)
