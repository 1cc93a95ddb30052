"""One point of a search space, in the two forms that are kept of it, and as a trial has it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, final

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from models.architecture import Architecture
from study.search.space import suggest
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.training.settings import TrainingSettings

Trained: TypeAlias = tuple[Architecture, TrainingSettings]
"""What a configuration trains, which tells it from others: kernels of 8 and 4 synapses are equal."""


@final
class Configuration:
    """Answers what the space of a spec asks, from a source or as given.

    `params` and `distributions` are the stored form. In the `view` that samplers see, numbers of a
    choice are places in their order, as 64 lies between 32 and 128. Raises KeyError or ValueError if
    what is given is no point of the space.
    """

    def __init__(
        self,
        spec: StudySpec,
        source: Callable[[str, BaseDistribution], Any] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self._spec = spec
        self._source = source
        self._given = given or {}
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.view_params: dict[str, Any] = {}
        self.view_distributions: dict[str, BaseDistribution] = {}
        self.architecture, self._training = suggest(self, spec)

    @property
    def key(self) -> Trained:
        """What tells this configuration from others."""
        return self.architecture, self._training

    def for_trial(
        self, number: int, start: int | None = None, continues: int | None = None
    ) -> TrialConfig:
        """What a worker is told of the trial that has this configuration."""
        return TrialConfig(
            number=number,
            architecture=self.architecture,
            training=self._training,
            seeds=tuple(self._spec.replicate_seeds),
            start=start,
            continues=continues,
        )

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
