"""The metrics that can steer a study, each with the scale on which its values are compared.

A metric has one name in specs, in MLflow, in records and in tables. Test metrics are reported and
never steer. Every trial has those of `METRICS` after each epoch; a diagnostic is measured once, on the
kept weights of a trial that was trained to its end (`study.training.diagnostics`). Diagnostics of
validation images, of the weights and of the training may be objectives and be constrained; their
counterparts on test images have the prefix `test_`. docs/diagnostics.md defines each.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

Direction: TypeAlias = Literal["maximize", "minimize"]
_LEAST_ERROR: Final = 1e-3

SIGMAS: Final = (0.25, 0.5, 0.75, 1.0)
"""Standard deviations of the noise that test-time images get, of pixels in 0..1 (Fig. 7b)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric and the fixed box that hypervolumes are measured in.

    `best` and `worst` bound the box, so that hypervolumes of different studies compare;
    `log` says that its scale is logarithmic.
    """

    best: float
    worst: float
    log: bool

    @property
    def direction(self) -> Direction:
        """The direction in which the metric gets better."""
        return "maximize" if self.best > self.worst else "minimize"

    def cost(self, value: float) -> float:
        """The value on the box's scale: 0 at its best end, 1 at its worst, clipped to both."""
        position = (self._scale(value) - self._scale(self.best)) / (
            self._scale(self.worst) - self._scale(self.best)
        )
        return min(1.0, max(0.0, position))

    def to_error(self, value: float) -> float:
        """The value as a surrogate learns it: a power of ten, less is better.

        Of a share such as an accuracy that of what is missing, so that from 98 to 99 % is as far as
        from 80 to 90 %.
        """
        if self.log:
            return math.log10(max(value, 1e-12))
        return math.log10(max(self._sign * (self.best - value), 0.0) + _LEAST_ERROR)

    def from_error(self, error: float) -> float:
        """The value of `to_error`."""
        power = math.pow(10.0, error)
        return power if self.log else self.best - self._sign * (power - _LEAST_ERROR)

    @property
    def _sign(self) -> int:
        return 1 if self.best > self.worst else -1

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


METRICS: Final[dict[str, Metric]] = {
    # The share of validation images classified right, and their mean cross-entropy in nats.
    "val_accuracy": Metric(best=1.0, worst=0.0, log=False),
    "val_loss": Metric(best=1e-3, worst=10.0, log=True),
    # Of one replicate: trainable parameters, and multiply-accumulates for one image.
    "trainable_parameters": Metric(best=100, worst=1e8, log=True),
    "macs": Metric(best=100, worst=1e8, log=True),
    # The training time of the trial, all replicates.
    "seconds": Metric(best=0.1, worst=1e6, log=True),
}
"""What every trial has, after each of its epochs."""


def noise_name(sigma: float) -> str:
    """The validation accuracy under noise; in hundredths, so that a constraint can name it."""
    return f"val_accuracy_at_noise_{round(100 * sigma):03}"


_SHARE: Final = Metric(best=1.0, worst=0.0, log=False)
_LITTLE: Final = Metric(best=0.0, worst=1.0, log=False)
_PLAIN: Final[dict[str, dict[str, Metric]]] = {
    "generalisation": {
        "generalisation_gap": Metric(best=-10.0, worst=10.0, log=False),
        "lowest_loss_epoch": Metric(best=1.0, worst=1e4, log=True),
    },
    "efficiency": {
        "accuracy_efficiency": _SHARE,
        "loss_efficiency": Metric(best=1e-3, worst=100.0, log=True),
        "accuracy_per_decade": _SHARE,
    },
    "noise": {noise_name(sigma): _SHARE for sigma in SIGMAS},
}
_ACTIVITY: Final[dict[str, Metric]] = {
    "entropy": Metric(best=0.0, worst=7.0, log=False),  # bits; of 100 classes at most 6.7
    "selectivity": Metric(best=1.0, worst=100.0, log=True),  # classes
    "silent": _LITTLE,
    "firing": _LITTLE,
}
_WEIGHTS: Final[dict[str, Metric]] = {
    "weight_kurtosis": Metric(best=-2.0, worst=100.0, log=False),
    "weight_skewness": Metric(best=-10.0, worst=10.0, log=False),
    "weight_range": Metric(best=1e-3, worst=100.0, log=True),
}
_SEPARABILITY: Final[dict[str, Metric]] = {
    "silhouette": Metric(best=1.0, worst=-1.0, log=False),
    "neighbourhood_hit": _SHARE,
    "trustworthiness": _SHARE,
}

# Of each layer: its parts, and what is measured of each.
_LAYERED: Final[dict[str, tuple[tuple[str, ...], dict[str, Metric]]]] = {
    "activity": (("dendrites", "somata"), _ACTIVITY),
    "weights": (("synapses", "cables"), _WEIGHTS),
    "separability": (("dendrites", "somata"), _SEPARABILITY),
}
_OUTPUT: Final = "output"

GROUPS: Final = (*_PLAIN, *_LAYERED)
"""What a spec can ask for (key diagnostics)."""

_ON_IMAGES: Final = ("efficiency", "noise", "activity", "separability")
_LAYER_NAME: Final = re.compile(r"layer([1-9][0-9]{0,3})_([a-z]+)_([a-z_]+)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A diagnostic that may steer; `layer` (from 1) and `part` are None if it is of no such layer."""

    name: str
    group: str
    metric: Metric
    layer: int | None = None
    part: str | None = None

    @property
    def test_name(self) -> str | None:
        """The name of the same on test images; None if no images are measured."""
        if self.group not in _ON_IMAGES:
            return None
        return on_test(self.name)


def on_test(name: str) -> str:
    """The name on test images of what has this name on validation images."""
    return f"test_{name.removeprefix('val_')}"


def diagnostic(name: str) -> Diagnostic | None:
    """The diagnostic of a name; None if there is none of this name that may steer."""
    for group, metrics in _PLAIN.items():
        if name in metrics:
            return Diagnostic(name=name, group=group, metric=metrics[name])
    output = name.removeprefix(f"{_OUTPUT}_")
    if output != name and output in _WEIGHTS:
        return Diagnostic(name=name, group="weights", metric=_WEIGHTS[output])
    match = _LAYER_NAME.fullmatch(name)
    if match is None:
        return None
    layer, part, measure = match.groups()
    for group, (parts, metrics) in _LAYERED.items():
        if part in parts and measure in metrics:
            metric = metrics[measure]
            return Diagnostic(name=name, group=group, metric=metric, layer=int(layer), part=part)
    return None


def is_diagnostic(name: str) -> bool:
    """Whether a trial has a value of this name from its diagnostics, standard errors included."""
    plain = name.removesuffix("_sem")
    on_images = plain.removeprefix("test_")
    return any(diagnostic(one) is not None for one in (plain, on_images, f"val_{on_images}"))


def names_of(groups: Iterable[str] = GROUPS, *, layers: int) -> Iterator[str]:
    """The names that may steer, of these groups, in networks of so many layers."""
    for group in groups:
        yield from _PLAIN.get(group, ())
        parts, metrics = _LAYERED.get(group, ((), {}))
        for layer in range(1, layers + 1):
            for part in parts:
                yield from (f"layer{layer}_{part}_{measure}" for measure in metrics)
        if group == "weights":
            yield from (f"{_OUTPUT}_{measure}" for measure in metrics)


def recorded_names(groups: Iterable[str], *, layers: int) -> Iterator[str]:
    """All names that a trial can have of these groups: standard errors and test metrics as well."""
    for name in names_of(groups, layers=layers):
        found = diagnostic(name)
        tested = None if found is None else found.test_name
        for one in (name, *([] if tested is None else [tested])):
            yield one
            yield f"{one}_sem"


def is_metric(name: str) -> bool:
    """Whether there is a metric of this name that may steer: one of every trial, or a diagnostic."""
    return name in METRICS or diagnostic(name) is not None


def metric_of(name: str) -> Metric:
    """The metric of a name. Raises KeyError if none of this name may steer."""
    found = diagnostic(name)
    return METRICS[name] if found is None else found.metric


def metric_names() -> tuple[str, ...]:
    """The names to choose from, of the diagnostics by layer those of the first layer."""
    return (*METRICS, *names_of(layers=1))
