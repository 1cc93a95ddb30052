"""Every configuration of a finite search space."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, final

import numpy as np

from models import FAMILIES
from study.errors import SpecError
from study.search.space import TrialLike, suggest
from study.spec.dimensions import Choice, values_of
from study.spec.study_spec import StudySpec

_MOST: Final = 100_000  # more are no grid that anyone waits for, and would fill the memory


def grid(spec: StudySpec) -> list[dict[str, Any]]:
    """The answers that lead to each configuration, by name, in an order drawn by the spec's seed.

    Of answers that lead to the same one, as kernels of 8 and of 4 synapses, the first are kept.

    Shuffled, so that the first part of a grid is a fair sample of it. Raises SpecError if it is too
    large to be walked.
    """
    size = size_of(spec)
    if size > _MOST:
        raise SpecError(
            f"`configurations of the grid <= {_MOST}` must hold, got {size:.6g} (key space)"
        )
    each: dict[object, dict[str, Any]] = {}
    for answers, configuration in _walk(lambda asked: suggest(asked, spec)):
        each.setdefault(configuration, answers)
    found = list(each.values())
    order = np.random.default_rng(spec.seed).permutation(len(found))
    return [found[index] for index in order]


def size_of(spec: StudySpec) -> int:
    """The number of configurations, equal ones included, without a walk.

    What is asked for depends on family, teacher and rewiring alone.
    """
    size = 0
    teachers, rewirings = values_of(spec.space.teacher), values_of(spec.space.rewiring)
    for family, teacher, rewiring in itertools.product(spec.families, teachers, rewirings):
        if rewiring != rewirings[0] and "rewiring" not in FAMILIES[family].options:
            continue
        walker = _Walker([])
        fixed = {"teacher": Choice((teacher,)), "rewiring": Choice((rewiring,))}
        space = spec.space.model_copy(update=fixed)
        suggest(walker, spec.model_copy(update={"families": (family,), "space": space}))
        size += math.prod(walker.widths)
    return size


def _walk(ask_all: Callable[[TrialLike], object]) -> Iterator[tuple[dict[str, Any], object]]:
    """Walks the tree of answers depth first, taking the next choice wherever one is left.

    Yields the answers with what was asked for.
    """
    path: list[int] = []
    while True:
        walker = _Walker(path)
        asked_for = ask_all(walker)
        yield walker.answers, asked_for
        path = walker.path
        while path and path[-1] + 1 == walker.widths[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


@final
class _Walker:
    """Answers along a path of choices, and with the first choice beyond its end."""

    def __init__(self, path: Sequence[int]) -> None:
        self.path = list(path)
        self.widths: list[int] = []
        self.answers: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        if name in self.answers:
            return self.answers[name]
        depth = len(self.widths)
        if depth == len(self.path):
            self.path.append(0)
        self.widths.append(len(choices))
        self.answers[name] = choices[self.path[depth]]
        return self.answers[name]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        del log
        return int(self.suggest_categorical(name, range(low, high + 1)))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        raise AssertionError((name, low, high, log))  # refused by the spec
