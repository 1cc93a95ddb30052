"""The dimensions of the search space: fixed values, choices and ranges.

In a spec a plain value is fixed, a list is a choice, and a table with low and high is a range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

from models.architecture import CHOICES, LARGEST, MOST_REWIRING
from study.errors import echo
from study.spec.sections import MOST_EPOCHS, Section
from study.spec.teachers import NO_TEACHER, teacher_trials

Value: TypeAlias = int | float | str
_MOST_VALUES: Final = 100  # of a choice
SCHEDULES: Final = ("constant", "cosine", "one_cycle")
BATCH_ORDERS: Final = ("shuffled", "by_class")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values; a single value is fixed."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """All values from low to high, both included; whole numbers if `integer`."""

    low: float
    high: float
    log: bool
    integer: bool


Dimension: TypeAlias = Choice | Range


def bounds(dimension: Dimension) -> tuple[Value, Value]:
    """The smallest and the largest value."""
    if isinstance(dimension, Range):
        return dimension.low, dimension.high
    return min(dimension.values), max(dimension.values)


def values_of(dimension: Dimension) -> tuple[Value, ...]:
    """The values of a choice; none of a range."""
    return dimension.values if isinstance(dimension, Choice) else ()


def to_plain(dimension: Dimension) -> object:
    """The dimension as it is written in a spec."""
    if isinstance(dimension, Range):
        return {"low": dimension.low, "high": dimension.high, "log": dimension.log}
    return dimension.values[0] if len(dimension.values) == 1 else list(dimension.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Reads a dimension of numbers from a spec; the error states the rule and the value."""

    kind: type[int] | type[float]
    low: float
    high: float

    def __call__(self, raw: object) -> Dimension:
        if isinstance(raw, Choice | Range):
            return raw
        if isinstance(raw, Mapping):
            return self._range(raw)
        values = _values(raw)
        return Choice(tuple(dict.fromkeys(self._number(value) for value in values)))

    def _number(self, raw: object) -> int | float:
        kind = "a whole number" if self.kind is int else "a number"
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise ValueError(
                f"must be {kind}, a list, or a table with low and high, got {echo(raw)}"
            )
        if not self.low <= raw <= self.high:  # so that a number is finite, too
            raise ValueError(f"`{self.low} <= value <= {self.high}` must hold, got {echo(raw)}")
        number = self.kind(raw)
        if number != raw:
            raise ValueError(f"must be {kind}, got {echo(raw)}")
        return number

    def _range(self, raw: Mapping[str, object]) -> Range:
        if not {"low", "high"} <= set(raw) <= {"low", "high", "log"}:
            raise ValueError(
                f"a range has the keys low, high and optionally log, got {echo(list(raw))}"
            )
        low, high = self._number(raw["low"]), self._number(raw["high"])
        if low >= high:
            raise ValueError(f"`low < high` must hold, got low={low}, high={high}")
        log = raw.get("log", False)
        if not isinstance(log, bool):
            raise ValueError(f"log must be true or false, got {echo(log)}")
        if log and low <= 0:
            raise ValueError(f"`low > 0` must hold in a logarithmic range, got low={low}")
        return Range(low=low, high=high, log=log, integer=self.kind is int)


@dataclass(frozen=True, slots=True)
class Names:
    """Reads a dimension of known names from a spec."""

    known: tuple[str, ...]

    def __call__(self, raw: object) -> Dimension:
        if isinstance(raw, Choice):
            return raw
        values = _values(raw)
        if any(value not in self.known for value in values):
            raise ValueError(f"must be one or several of {', '.join(self.known)}, got {echo(raw)}")
        return Choice(tuple(dict.fromkeys(map(str, values))))


@dataclass(frozen=True, slots=True)
class TeacherNames:
    """Reads a dimension of teachers (`study.spec.teachers`) from a spec."""

    def __call__(self, raw: object) -> Dimension:
        if isinstance(raw, Choice):
            return raw
        values = _values(raw)
        for value in values:
            teacher_trials(value)
        return Choice(tuple(dict.fromkeys(map(str, values))))


def _values(raw: object) -> Sequence[object]:
    """The values of a choice, or the plain value alone."""
    values = raw if isinstance(raw, list | tuple) else [raw]
    if not values:
        raise ValueError("a choice must hold at least one value, got an empty list")
    if len(values) > _MOST_VALUES:
        raise ValueError(f"a choice must hold at most {_MOST_VALUES} values, got {len(values)}")
    return values


_as_plain = PlainSerializer(to_plain)


def _whole(low: int, high: int) -> BeforeValidator:
    return BeforeValidator(Numbers(kind=int, low=low, high=high))


def _real(low: float, high: float) -> BeforeValidator:
    return BeforeValidator(Numbers(kind=float, low=low, high=high))


Somata = Annotated[Dimension, _whole(1, LARGEST["somata"]), _as_plain]
Dendrites = Annotated[Dimension, _whole(1, LARGEST["dendrites"]), _as_plain]
Synapses = Annotated[Dimension, _whole(1, LARGEST["synapses"]), _as_plain]
Layers = Annotated[Dimension, _whole(1, LARGEST["layers"]), _as_plain]
Slopes = Annotated[Dimension, _real(0, 1), _as_plain]
LearningRates = Annotated[Dimension, _real(0, 10), _as_plain]
Dropouts = Annotated[Dimension, _real(0, 0.95), _as_plain]
BatchSizes = Annotated[Dimension, _whole(1, 1_000_000), _as_plain]
Patiences = Annotated[Dimension, _whole(0, MOST_EPOCHS), _as_plain]
Noises = Annotated[Dimension, _real(0, 10), _as_plain]
Smoothings = Annotated[Dimension, _real(0, 0.9), _as_plain]
WeightDecays = Annotated[Dimension, _real(0, 10), _as_plain]
Averages = Annotated[Dimension, _real(0, 0.999999), _as_plain]
Shifts = Annotated[Dimension, _whole(0, 4096), _as_plain]
Shares = Annotated[Dimension, _real(0, 1), _as_plain]
Teachers = Annotated[Dimension, BeforeValidator(TeacherNames()), _as_plain]
Temperatures = Annotated[Dimension, _real(1, 100), _as_plain]
BatchOrders = Annotated[Dimension, BeforeValidator(Names(BATCH_ORDERS)), _as_plain]
Schedules = Annotated[Dimension, BeforeValidator(Names(SCHEDULES)), _as_plain]
Initializations = Annotated[Dimension, BeforeValidator(Names(CHOICES["initialization"])), _as_plain]
Draws = Annotated[Dimension, BeforeValidator(Names(CHOICES["synapse_draw"])), _as_plain]
ReceptiveFields = Annotated[
    Dimension, BeforeValidator(Names(CHOICES["receptive_field"])), _as_plain
]
Centres = Annotated[Dimension, BeforeValidator(Names(CHOICES["centres"])), _as_plain]
Rewirings = Annotated[Dimension, _real(0, MOST_REWIRING), _as_plain]
Regrowths = Annotated[Dimension, BeforeValidator(Names(CHOICES["regrowth"])), _as_plain]
SynapseUnits = Annotated[Dimension, BeforeValidator(Names(CHOICES["synapses_per"])), _as_plain]


class Space(Section):
    """The search space: a plain value is fixed, a list is a choice, a table is a range.

    A range has the keys `low`, `high` and optionally `log = true`. Settings that do not apply to a
    family are ignored for it. docs/training.md shows the effect of options on Fashion-MNIST.
    """

    somata: Somata = Choice((32, 64, 128, 256))
    """Somata of each layer; of a `cnn` and a `dann-conv`, of each position in the image."""
    dendrites: Dendrites = Range(low=1, high=32, log=True, integer=True)
    """Dendrites of each soma."""
    synapses: Synapses = Choice((16,))
    """Synapses of each dendrite, at most its inputs. A `cnn` and a `dann-conv` use the largest square
    kernel of at most this area.
    """
    layers: Layers = Choice((1,))
    """Layers of dendrites and somata."""
    leaky_slope: Slopes = Choice((0.1,))
    """Slope of the leaky ReLU of somata for negative inputs."""
    dendrite_slope: Slopes = Choice((0.0,))
    """The same for dendrites; 1 makes them linear."""
    dropout: Dropouts = Choice((0.0,))
    """Share of activations dropped in training."""
    initialization: Initializations = Choice(("fan_in",))
    """Scale of the initial weights: by the actual number of synapses, or by the size of the dense
    layer, as in the paper.
    """
    synapse_draw: Draws = Choice(("constant",))
    """Number of synapses of a dendrite: the same for all, or drawn at random over the layer, as in
    the paper's code.
    """
    cable_draw: Draws = Choice(("constant",))
    """The same for the dendrites of a soma, in families with shuffled cables."""
    receptive_field: ReceptiveFields = Choice(("ring",))
    """Shape of local receptive fields; `ring` is the paper's."""
    centres: Centres = Choice(("even",))
    """Centres of the local receptive fields of the first layer: drawn evenly over the image, or in
    proportion to the variance of each pixel over the training images.
    """
    synapses_per: SynapseUnits = Choice(("dendrite",))
    """Whether `synapses` counts the inputs of a dendrite, or pixels, each read in every channel."""
    rewiring: Rewirings = Choice((0.0,))
    """Share of the weakest synapses that each dendrite replaces after an epoch, falling to none after
    70 % of the epochs; 0 keeps the drawn wiring.
    """
    regrowth: Regrowths = Choice(("local",))
    """Place of the new synapses, with rewiring: at most 3 pixels from one that stays (the nearest free
    places where those are taken), anywhere, or where the gradient is largest.
    """
    learning_rate: LearningRates = Range(low=2e-3, high=2e-2, log=True, integer=False)
    """Learning rate of AdamW; the maximum of the schedule. With 0 and without rewiring, a network
    stays as it was drawn.
    """
    schedule: Schedules = Choice(("cosine",))
    """Learning rate over the epochs: constant, decaying to zero, or rising and falling."""
    batch_size: BatchSizes = Choice((128,))
    """Images in a batch."""
    patience: Patiences = Choice((0,))
    """Epochs without a lower validation loss after which a replicate stops; 0 never stops one."""
    noise: Noises = Choice((0.0,))
    """Standard deviation of the Gaussian noise added to all images, drawn once."""
    batch_order: BatchOrders = Choice(("shuffled",))
    """Order of the training images: shuffled in each epoch, or in batches of a single class."""
    label_smoothing: Smoothings = Choice((0.0,))
    """Share of the target that is spread evenly over all classes in training (Szegedy et al. 2016)."""
    weight_decay: WeightDecays = Choice((0.05,))
    """Decoupled weight decay of AdamW: each step scales all parameters by 1 - learning rate x this
    (Loshchilov & Hutter 2019); 0, as in the paper, is plain Adam.
    """
    average: Averages = Choice((0.0,))
    """Decay per step of the exponential average of the weights, which is evaluated and kept in their
    place; 0 keeps the weights themselves (Polyak & Juditsky 1992).
    """
    shift: Shifts = Choice((0,))
    """Pixels by which each training image moves at most in an epoch, at random in rows and in columns;
    zeros move in (Simard et al. 2003).
    """
    flip: Shares = Choice((0.0,))
    """Share of the training images that are mirrored left to right in an epoch, at random; 0.5 is
    usual.
    """
    teacher: Teachers = Choice((NO_TEACHER,))
    """Stored trial whose logits are distilled, as `STUDY/TRIAL`; several joined by ` + ` are averaged;
    `none` has no teacher (Hinton et al. 2015).
    """
    teacher_weight: Shares = Choice((0.5,))
    """Share of the loss that compares with the teacher; the rest compares with the labels."""
    temperature: Temperatures = Choice((4.0,))
    """Temperature of the softmax of the teacher and of the network in that share."""
