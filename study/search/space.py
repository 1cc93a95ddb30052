"""The search space: what a trial may be, asked define-by-run. This is its only statement."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Protocol, final

from models.architecture import FAMILIES, MOST_PARAMETERS, Architecture, ImageShape
from models.counting import counts_of, stored_bytes, wiring_bits
from models.shapes import check_fits
from study.errors import SpecError
from study.spec.constraint import Constraint, all_kept, violations
from study.spec.dimensions import Choice, Dimension, bounds
from study.spec.study_spec import StudySpec
from study.spec.teachers import NO_TEACHER
from study.training.settings import OF_TEACHER, RECIPES, TrainingSettings


class TrialLike(Protocol):
    """What answers with a value for a name: a trial of Optuna, or anything with these methods."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        """One of the choices."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number, bounds included."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number, bounds included."""


def suggest(trial: TrialLike, spec: StudySpec) -> tuple[Architecture, TrainingSettings]:
    """Asks the trial for an architecture and for how to train it.

    A setting with one value is not asked for, and neither is one without effect: a setting that the
    family does not have, the regrowth without rewiring, and those of a teacher without one.
    """
    space = spec.space
    name = _ask(trial, "family", Choice(spec.families))
    family = FAMILIES[name]
    synapses = _ask(trial, "synapses", space.synapses) if family.counts_synapses else None
    if family.synapses == "convolution":
        synapses = _square(synapses or 0)
    options: dict[str, Any] = {}
    for option in family.options:
        if option != "regrowth" or options["rewiring"]:
            options[option] = _ask(trial, option, getattr(space, option))
    architecture = Architecture(
        family=name,
        somata=_ask(trial, "somata", space.somata),
        dendrites=_ask(trial, "dendrites", space.dendrites) if family.has_dendrites else None,
        synapses=synapses,
        layers=_ask(trial, "layers", space.layers),
        leaky_slope=_ask(trial, "leaky_slope", space.leaky_slope),
        dropout=_ask(trial, "dropout", space.dropout),
        initialization=_ask(trial, "initialization", space.initialization),
        **options,
    )
    teacher = _ask(trial, "teacher", space.teacher)
    of_teacher = () if teacher == NO_TEACHER else OF_TEACHER
    training = TrainingSettings(
        epochs=spec.budget.epochs,
        learning_rate=_ask(trial, "learning_rate", space.learning_rate),
        schedule=_ask(trial, "schedule", space.schedule),
        batch_size=_ask(trial, "batch_size", space.batch_size),
        keep=spec.keep,
        patience=_ask(trial, "patience", space.patience),
        noise=_ask(trial, "noise", space.noise),
        batch_order=_ask(trial, "batch_order", space.batch_order),
        teacher=teacher,
        **{name: _ask(trial, name, getattr(space, name)) for name in (*RECIPES, *of_teacher)},
    )
    return architecture, training


def _square(synapses: int) -> int:
    """The largest square up to a number: a kernel has as many rows as columns."""
    return math.isqrt(synapses) ** 2


def architecture_of(params: Mapping[str, Any], spec: StudySpec) -> Architecture:
    """The architecture of a configuration. Raises KeyError if a setting is absent."""
    architecture, _ = suggest(_Given(params), spec)
    return architecture


@final
class _Given:
    """Answers with the settings of a configuration."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        del choices
        return self._params[name]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        del low, high, log
        return int(self._params[name])

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        del low, high, log
        return float(self._params[name])


def known_metrics(
    architecture: Architecture, image_shape: ImageShape, classes: int
) -> dict[str, float]:
    """The metrics that are known before training, of one replicate."""
    parameters, macs = counts_of(architecture, image_shape, classes)
    bits = wiring_bits(architecture, image_shape)
    return {
        "trainable_parameters": parameters,
        "macs": macs,
        "wiring_bits": bits,
        "stored_bytes": stored_bytes(parameters, bits),
    }


def _ask(trial: TrialLike, name: str, dimension: Dimension) -> Any:  # noqa: ANN401  # the dimension's own type
    if isinstance(dimension, Choice):
        if len(dimension.values) == 1:
            return dimension.values[0]
        return trial.suggest_categorical(name, dimension.values)
    if dimension.integer:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def check_space(spec: StudySpec, image_shape: ImageShape, classes: int) -> None:
    """Raises SpecError if any architecture of the space cannot read the images, or be built at all.

    The tightest cases are looked at: most synapses, fewest somata, most layers; the smallest one, if
    constraints limit its size; and the largest one, unless constraints of the network alone keep it out.
    Images must be large enough to be moved and mirrored.
    """
    _check_augmentation(spec, image_shape)
    for name in spec.families:
        _check_tightest(spec, name, image_shape)
    _check_limits(spec, image_shape, classes)
    for name in spec.families:
        _check_largest(spec, name, image_shape, classes)


def _check_augmentation(spec: StudySpec, image_shape: ImageShape) -> None:
    _, height, width = image_shape
    shift, flip = (bounds(one)[1] for one in (spec.space.shift, spec.space.flip))
    if int(shift) >= min(height, width):
        raise SpecError(
            "`shift < rows and columns of the images` must hold, "
            f"got shift={shift}, images of {height} x {width} (key space.shift)"
        )
    if flip and 1 in (height, width):
        raise SpecError(
            "`flip` must be 0 for images of a single row or column, "
            f"got flip={flip}, images of {height} x {width} (key space.flip)"
        )


def _check_tightest(spec: StudySpec, name: str, image_shape: ImageShape) -> None:
    family, space = FAMILIES[name], spec.space
    if family.synapses in ("all", "convolution"):
        return
    tightest = Architecture(
        family=name,
        dendrites=1 if family.has_dendrites else None,
        somata=int(bounds(space.somata)[0]),
        synapses=int(bounds(space.synapses)[1]),
        layers=int(bounds(space.layers)[1]),
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


def _check_limits(spec: StudySpec, image_shape: ImageShape, classes: int) -> None:
    """Raises SpecError, with the smallest network, if that of every family is above a limit of size.

    Counts grow with somata and dendrites, and with synapses except as `_synapses` says.
    """
    limits = tuple(text for text in spec.constraints if Constraint.parse(text).limits_size)
    families, longest = spec.families if limits else (), max(image_shape[1:])
    smallest = [one for name in families for one in _smallest(spec, name, longest)]
    counted = [(known_metrics(network, image_shape, classes), network) for network in smallest]
    if not counted or any(all_kept(violations(limits, counts)) for counts, _ in counted):
        return
    counts, network = min(counted, key=lambda one: one[0]["trainable_parameters"])
    told = {"trainable_parameters", "macs"}.union(*(Constraint.parse(one).names for one in limits))
    have = ", ".join(f"{name}={count:,}" for name, count in counts.items() if name in told)
    raise SpecError(
        f"a network of the space must satisfy {' and '.join(f'`{limit}`' for limit in limits)}, "
        f"got {have} for the smallest, {network.label()} (keys constraints and space)"
    )


def _smallest(spec: StudySpec, name: str, longest: int) -> Iterator[Architecture]:
    """The networks of a family with the least of each size, of each depth; `longest` as in `_synapses`.

    Depths are looked at one by one, since pooling can leave less to the readout of a deeper network.
    """
    family, space = FAMILIES[name], spec.space
    counted = _synapses(spec, name, longest)
    shallowest, deepest = map(int, bounds(space.layers))
    every = range(shallowest, deepest + 1)
    for layers in map(int, space.layers.values) if isinstance(space.layers, Choice) else every:
        for synapses, synapses_per in product(counted, sorted(set(bounds(space.synapses_per)))):
            yield Architecture(
                family=name,
                dendrites=int(bounds(space.dendrites)[0]) if family.has_dendrites else None,
                somata=int(bounds(space.somata)[0]),
                synapses=synapses,
                layers=layers,
                synapses_per=str(synapses_per),
                rewiring=float(bounds(space.rewiring)[0]) if family.draws_synapses else 0.0,
                # "even", which takes fewer bits, sorts before "variance".
                centres=str(bounds(space.centres)[0]) if "centres" in family.options else "even",
            )


def _synapses(spec: StudySpec, name: str, longest: int) -> Sequence[int | None]:
    """Numbers of synapses of a family, among them that of its smallest and that of its largest network.

    The more synapses, the larger the network; but a larger kernel can have fewer positions, until it
    covers the image, whose longer side is `longest`.
    """
    family, dimension = FAMILIES[name], spec.space.synapses
    if not family.counts_synapses:
        return [None]
    low, high = map(int, bounds(dimension))
    if family.synapses != "convolution":
        return [low, high]
    if isinstance(dimension, Choice):
        return sorted({_square(int(area)) for area in dimension.values})
    sides = range(math.isqrt(low), min(math.isqrt(high), longest) + 1)
    return sorted({_square(low), *(side**2 for side in sides), _square(high)})


def _check_largest(spec: StudySpec, name: str, image_shape: ImageShape, classes: int) -> None:
    family, space = FAMILIES[name], spec.space
    counted = []
    for synapses in _synapses(spec, name, max(image_shape[1:])):
        largest = Architecture(
            family=name,
            dendrites=int(bounds(space.dendrites)[1]) if family.has_dendrites else None,
            somata=int(bounds(space.somata)[1]),
            synapses=synapses,
            layers=int(bounds(space.layers)[1]),
        )
        counted.append((counts_of(largest, image_shape, classes)[0], largest))
    parameters, largest = max(counted, key=lambda one: one[0])
    known = tuple(text for text in spec.constraints if Constraint.parse(text).known_before_training)
    if spec.replicates * parameters > MOST_PARAMETERS and all_kept(
        violations(known, known_metrics(largest, image_shape, classes))
    ):
        raise SpecError(
            f"`replicates x parameters <= {MOST_PARAMETERS}` must hold for every network, got "
            f"replicates={spec.replicates}, parameters={parameters} of {largest.label()} "
            "(keys replicates and space; a constraint can keep large networks out)"
        )
