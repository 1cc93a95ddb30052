"""The only statement of the search space: what a trial may be, asked from Optuna define-by-run."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from models.architecture import FAMILIES, Architecture, ImageShape, check_fits
from study.errors import SpecError
from study.spec.dimensions import Choice, Dimension, bounds
from study.spec.study_spec import StudySpec
from study.training.settings import TrainingSettings


class Asked(Protocol):
    """What answers with a value for a name: a trial of Optuna, or anything with these methods."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        """One of the choices."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number, bounds included."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number, bounds included."""


def suggest(trial: Asked, spec: StudySpec) -> tuple[Architecture, TrainingSettings]:
    """Asks the trial for an architecture and for how to train it.

    A setting with one value is not asked for, and neither is one that the family does not have.
    """
    space = spec.space
    name = _ask(trial, "family", Choice(spec.families))
    family = FAMILIES[name]
    synapses = _ask(trial, "synapses", space.synapses) if family.counts_synapses else None
    if family.synapses == "convolution":
        synapses = math.isqrt(synapses or 0) ** 2
    architecture = Architecture(
        family=name,
        somata=_ask(trial, "somata", space.somata),
        dendrites=_ask(trial, "dendrites", space.dendrites) if family.has_dendrites else None,
        synapses=synapses,
        layers=_ask(trial, "layers", space.layers),
        leaky_slope=_ask(trial, "leaky_slope", space.leaky_slope),
        dropout=_ask(trial, "dropout", space.dropout),
        initialization=_ask(trial, "initialization", space.initialization),
        **{option: _ask(trial, option, getattr(space, option)) for option in family.options},
    )
    training = TrainingSettings(
        epochs=spec.budget.epochs,
        learning_rate=_ask(trial, "learning_rate", space.learning_rate),
        schedule=_ask(trial, "schedule", space.schedule),
        batch_size=_ask(trial, "batch_size", space.batch_size),
        keep=spec.keep,
        patience=_ask(trial, "patience", space.patience),
        noise=_ask(trial, "noise", space.noise),
        batch_order=_ask(trial, "batch_order", space.batch_order),
    )
    return architecture, training


def known_metrics(
    architecture: Architecture, image_shape: ImageShape, classes: int
) -> dict[str, float]:
    """The metrics that are known before training, of one replicate, counted on the network."""
    # Whoever does not count need not wait for torch.
    from models.building import outline  # noqa: PLC0415  # see above
    from models.counting import count_macs, count_parameters  # noqa: PLC0415  # see above

    network = outline(architecture, image_shape, classes)
    return {"trainable_parameters": count_parameters(network), "macs": count_macs(network)}


def _ask(trial: Asked, name: str, dimension: Dimension) -> Any:  # noqa: ANN401  # the dimension's own type
    if isinstance(dimension, Choice):
        if len(dimension.values) == 1:
            return dimension.values[0]
        return trial.suggest_categorical(name, dimension.values)
    if dimension.integer:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def check_space(spec: StudySpec, image_shape: ImageShape) -> None:
    """Raises SpecError if any architecture of the space cannot read the images.

    The tightest cases are looked at: most synapses, fewest somata, most layers.
    """
    space = spec.space
    _, synapses = bounds(space.synapses)
    somata, _ = bounds(space.somata)
    _, layers = bounds(space.layers)
    for name in spec.families:
        family = FAMILIES[name]
        if family.synapses in ("all", "convolution"):
            continue
        tightest = Architecture(
            family=name,
            dendrites=1 if family.has_dendrites else None,
            somata=int(somata),
            synapses=int(synapses),
            layers=int(layers),
            # Pixels are fewer than inputs, and "channel" sorts before "dendrite".
            synapses_per=str(bounds(space.synapses_per)[0]),
        )
        try:
            check_fits(tightest, image_shape)
        except ValueError as error:
            keys = "(key space.synapses)"
            if "in layer 1 " not in str(error):
                keys = "(keys space.synapses and space.somata: a later layer reads the somata)"
            raise SpecError(f"{error} {keys}") from error
