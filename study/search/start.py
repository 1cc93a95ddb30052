"""The configurations that a study trains before its sampler proposes any (key `start` of a spec)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from optuna.distributions import BaseDistribution

from models.architecture import ImageShape
from models.shapes import check_fits
from study.errors import SpecError
from study.search.candidates import SpaceWalk, value_at
from study.search.configuration import Configuration
from study.search.samplers import Counted
from study.search.space import architecture_of, known_metrics, suggest
from study.spec.constraint import all_kept, violations
from study.spec.study_spec import StudySpec

_DRAWS: Final = 300  # of the settings that are left out, until the constraints are kept


def start_configurations(spec: StudySpec, counted: Counted) -> list[Configuration]:
    """The configurations in order; settings that the spec leaves out are drawn with its seed.

    They are drawn again while the network breaks a constraint on its size, which `counted` gives.
    """
    return [_completed(spec, place, counted) for place in range(len(spec.start))]


def check_start(spec: StudySpec, image_shape: ImageShape, classes: int) -> None:
    """Raises SpecError if a network to start with cannot read the images, or breaks a constraint."""

    def counted(params: Mapping[str, Any]) -> Mapping[str, float]:
        return known_metrics(architecture_of(params, spec), image_shape, classes)

    for place, configuration in enumerate(start_configurations(spec, counted)):
        try:
            check_fits(configuration.architecture, image_shape)
        except ValueError as error:
            raise SpecError(f"{error} (key start.{place})") from error
        metrics = known_metrics(configuration.architecture, image_shape, classes)
        broken = violations(spec.constraints, metrics, before_training=True)
        if not all_kept(broken):
            texts = " and ".join(f"`{text}`" for text, by in broken.items() if by > 0)
            sizes = ", ".join(f"{name}={value}" for name, value in metrics.items())
            raise SpecError(f"{texts} must hold, got {sizes} (key start.{place})")


def _completed(spec: StudySpec, place: int, counted: Counted) -> Configuration:
    # The same draws whenever the study is resumed, and for each configuration its own.
    generator = np.random.default_rng([spec.seed, place])
    for _ in range(_DRAWS):
        walk = SpaceWalk(partial(_answer, spec.start[place], generator))
        suggest(walk, spec)
        drawn = Configuration(spec, given=walk.params)
        if _is_feasible(drawn, spec, counted):
            break
    return drawn


def _is_feasible(drawn: Configuration, spec: StudySpec, counted: Counted) -> bool:
    """Whether the network satisfies the constraints on its size; not if it cannot read the images."""
    if not spec.constraints:
        return True
    try:
        metrics = counted(drawn.params)
    except ValueError:
        return False
    return all_kept(violations(spec.constraints, metrics, before_training=True))


def _answer(
    given: dict[str, Any], generator: np.random.Generator, name: str, asked: BaseDistribution
) -> Any:  # noqa: ANN401  # the space's own types
    return given[name] if name in given else value_at(asked, generator.random())
