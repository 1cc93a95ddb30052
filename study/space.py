"""The only statement of the search space: what a trial may be, asked from Optuna define-by-run."""

from typing import Any, TypeVar

import optuna

from models.architecture import FAMILIES, Architecture, ImageShape, check_fits
from study.dimension import Choice, Dimension, bounds
from study.errors import SpecError
from study.spec import StudySpec
from study.train import TrainingSettings

Setting = TypeVar("Setting", int, float, str)


def suggest(
    trial: optuna.trial.BaseTrial, spec: StudySpec
) -> tuple[Architecture, TrainingSettings]:
    """Asks the trial for an architecture and for how to train it.

    A setting with one value is not asked for, and neither is one that the family does not have.
    """
    space = spec.space
    family = _ask(trial, "family", Choice(spec.families))
    reads_all_inputs = FAMILIES[family].synapses == "all"
    architecture = Architecture(
        family=family,
        somata=_ask(trial, "somata", space.somata),
        dendrites=_ask(trial, "dendrites", space.dendrites),
        synapses=None if reads_all_inputs else _ask(trial, "synapses", space.synapses),
        layers=_ask(trial, "layers", space.layers),
        leaky_slope=_ask(trial, "leaky_slope", space.leaky_slope),
        initialization=_ask(trial, "initialization", space.initialization),
    )
    training = TrainingSettings(
        epochs=spec.budget.epochs,
        learning_rate=_ask(trial, "learning_rate", space.learning_rate),
        schedule=_ask(trial, "schedule", space.schedule),
        batch_size=_ask(trial, "batch_size", space.batch_size),
        keep=spec.keep,
    )
    return architecture, training


def _ask(trial: optuna.trial.BaseTrial, name: str, dimension: Dimension) -> Any:  # noqa: ANN401  # the dimension's own type
    if isinstance(dimension, Choice):
        if len(dimension.values) == 1:
            return dimension.values[0]
        return trial.suggest_categorical(name, dimension.values)
    if dimension.integer:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def check_space(spec: StudySpec, image_shape: ImageShape) -> None:
    """Raises SpecError if any architecture of the space cannot read the images.

    The tightest case is looked at: most synapses, fewest somata, most layers.
    """
    _, synapses = bounds(spec.space.synapses)
    somata, _ = bounds(spec.space.somata)
    _, layers = bounds(spec.space.layers)
    for family in spec.families:
        if FAMILIES[family].synapses == "all":
            continue
        tightest = Architecture(
            family=family,
            dendrites=1,
            somata=int(somata),
            synapses=int(synapses),
            layers=int(layers),
        )
        try:
            check_fits(tightest, image_shape)
        except ValueError as error:
            raise SpecError(f"{error} (key space.synapses)") from error
