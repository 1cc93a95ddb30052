"""The search space of an Optuna study, which only its objective function knows, from its trials."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from study.search.candidates import Params, SpaceWalk

_FEW: Final = 10  # values of a whole number on which another parameter may depend
_MISSING: Final = object()  # None may be a choice


@final
class InferredSpace:
    """All parameters that trials have, and on which choice each depends.

    A parameter that only some trials have depends on the choice, or the whole number of few values, each
    value of which occurs either always or never with it; of several such, the one with the fewest
    values. If there is none, every configuration has the parameter: what an objective function does not
    ask for, Optuna ignores.

    `trials` are the parameters of each trial; `distributions` those of each parameter, in the order in
    which an objective function asks.
    """

    def __init__(
        self, trials: Sequence[Params], distributions: Mapping[str, BaseDistribution]
    ) -> None:
        self._distributions: Final = dict(distributions)
        self._absent: dict[str, tuple[str, set[Any]]] = {}
        for name in distributions:
            if any(name not in params for params in trials):
                condition = self._condition(name, trials)
                if condition is not None:
                    self._absent[name] = condition

    def __call__(self, walk: SpaceWalk) -> None:
        """Asks for the parameters of a configuration."""
        for name in self._distributions:
            self._ask(walk, name)

    def _ask(self, walk: SpaceWalk, name: str) -> None:
        if name in self._absent:
            choice, values = self._absent[name]
            self._ask(walk, choice)
            if choice not in walk.params or walk.params[choice] in values:
                return
        walk.suggest(name, self._distributions[name])

    def _condition(self, name: str, trials: Sequence[Params]) -> tuple[str, set[Any]] | None:
        """The choice on which a parameter depends, and its values without the parameter."""
        found = []
        for choice in self._before(name):
            having = _values(choice, (params for params in trials if name in params))
            lacking = _values(choice, (params for params in trials if name not in params))
            if _MISSING not in having and not having & lacking:
                found.append((len(having | lacking), choice, lacking))
        if not found:
            return None
        _, choice, lacking = min(found, key=lambda one: one[0])
        return choice, lacking

    def _before(self, name: str) -> Iterable[str]:
        """The parameters before one in order, of few values each."""
        for other, distribution in self._distributions.items():
            if other == name:
                return
            if isinstance(distribution, CategoricalDistribution) or (
                isinstance(distribution, IntDistribution)
                and distribution.high - distribution.low < _FEW * distribution.step
            ):
                yield other


def _values(choice: str, trials: Iterable[Params]) -> set[Any]:
    """The values of a parameter in trials; _MISSING among them where one lacks it."""
    return {params.get(choice, _MISSING) for params in trials}
