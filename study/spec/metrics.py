"""The names of the diagnostics (`study.training.diagnostics`), and the boxes of those that may steer a study.

A diagnostic is measured once, on the kept weights of a trial that was trained to its end. Those of
validation images, of the weights and of the training itself may be objectives and be constrained;
their counterparts on test images have the prefix `test_` and are reported only. docs/diagnostics.md
defines each.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, final

from study.spec.metric import Metric

SIGMAS: Final = (0.25, 0.5, 0.75, 1.0)
"""Standard deviations of the noise that test-time images get, of pixels in 0..1 (Fig. 7b)."""


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
