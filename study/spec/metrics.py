"""The metrics that a study can optimize or constrain, and their scales.

A metric has the same name in specs, MLflow, records and tables. Every trial has those of `METRICS`
after each epoch. A diagnostic is measured once, on the kept weights of a complete trial
(`study.training.diagnostics`). Diagnostics of validation images, of the weights and of the training
may be objectives and be constrained; test metrics, with the prefix `test_`, are only reported.
docs/diagnostics.md defines each.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, final

from study.errors import echo, echo_key, nearest

Direction: TypeAlias = Literal["maximize", "minimize"]
_LEAST_ERROR: Final = 1e-3
_LARGEST_VALUE: Final = 1e15  # of an objective

SIGMAS: Final = (0.25, 0.5, 0.75, 1.0)
"""Standard deviations of the noise on test-time images, for pixels in 0..1 (Fig. 7b)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric, with its bounds in the hypervolume.

    `best` and `worst` are fixed, so that hypervolumes of different studies are comparable; `log`
    makes the scale logarithmic, of values of at least `least`. All values of a `share` are in 0..1.
    """

    best: float
    worst: float
    log: bool
    least: float = 1e-12
    share: bool = False

    @property
    def direction(self) -> Direction:
        """The direction in which the metric improves."""
        return "maximize" if self.best > self.worst else "minimize"

    def cost(self, value: float) -> float:
        """The value scaled to 0 (best) to 1 (worst), clipped to both."""
        position = (self._scale(value) - self._scale(self.best)) / (
            self._scale(self.worst) - self._scale(self.best)
        )
        return min(1.0, max(0.0, position))

    def to_error(self, value: float) -> float:
        """The logarithm that a surrogate predicts; less is better.

        For a share such as an accuracy, that of the error, so that 98 to 99 % is as large a step as 80
        to 90 %.
        """
        if self.log:
            return math.log10(max(value, self.least))
        return math.log10(max(self._sign * (self.best - value), 0.0) + _LEAST_ERROR)

    @property
    def _sign(self) -> int:
        return 1 if self.best > self.worst else -1

    def _scale(self, value: float) -> float:
        return math.log10(max(value, self.least)) if self.log else value


METRICS: Final[dict[str, Metric]] = {
    # The share of validation images classified correctly, and their mean cross-entropy in nats.
    "val_accuracy": Metric(best=1.0, worst=0.0, log=False, share=True),
    "val_loss": Metric(best=1e-3, worst=10.0, log=True),
    # Of one replicate: trainable parameters, and multiply-accumulates for one image.
    "trainable_parameters": Metric(best=100, worst=1e8, log=True),
    "macs": Metric(best=100, worst=1e8, log=True),
    # Of one replicate: bits of its wiring (`models.counting`), and bytes of weights and wiring.
    "wiring_bits": Metric(best=1, worst=1e9, log=True, least=1),
    "stored_bytes": Metric(best=400, worst=4e8, log=True),
    # The training time of the trial, for all replicates together.
    "seconds": Metric(best=0.1, worst=1e6, log=True),
}
"""The metrics of every trial, known after each epoch."""


def noise_name(sigma: float) -> str:
    """The name of the validation accuracy under noise; in hundredths, as constraints need a word."""
    return f"val_accuracy_at_noise_{round(100 * sigma):03}"


_SHARE: Final = Metric(best=1.0, worst=0.0, log=False, share=True)
_LITTLE: Final = Metric(best=0.0, worst=1.0, log=False, share=True)
_SCORE: Final = Metric(best=1.0, worst=0.0, log=False)  # larger than 1 for very small networks
_PLAIN: Final[dict[str, dict[str, Metric]]] = {
    "generalisation": {
        "generalisation_gap": Metric(best=-10.0, worst=10.0, log=False),
        "lowest_loss_epoch": Metric(best=1.0, worst=1e4, log=True),
    },
    "efficiency": {
        "accuracy_efficiency": _SCORE,
        "loss_efficiency": Metric(best=1e-3, worst=100.0, log=True),
        "accuracy_per_decade": _SCORE,
    },
    "noise": {noise_name(sigma): _SHARE for sigma in SIGMAS},
    "latency": {
        "latency_ms": Metric(best=1e-3, worst=1e4, log=True),
        "memory_mb": Metric(best=1e-3, worst=1e5, log=True),
    },
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

# Diagnostics of layers: the parts of a layer, and the metrics of each part.
_LAYERED: Final[dict[str, tuple[tuple[str, ...], dict[str, Metric]]]] = {
    "activity": (("dendrites", "somata"), _ACTIVITY),
    "weights": (("synapses", "cables"), _WEIGHTS),
    "separability": (("dendrites", "somata"), _SEPARABILITY),
}
_OUTPUT: Final = "output"

GROUPS: Final = (*_PLAIN, *_LAYERED)
"""The groups of diagnostics that a spec can request (key diagnostics)."""

_ON_IMAGES: Final = ("efficiency", "noise", "activity", "separability")
_LAYER_NAME: Final = re.compile(r"layer([1-9][0-9]{0,3})_([a-z]+)_([a-z_]+)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A diagnostic that a study can optimize; `layer` (from 1) and `part` are None if not of a layer."""

    name: str
    group: str
    metric: Metric
    layer: int | None = None
    part: str | None = None

    @property
    def test_name(self) -> str | None:
        """The name of its counterpart on test images; None if it is not measured on images."""
        return on_test(self.name) if self.group in _ON_IMAGES else None


def on_test(name: str) -> str:
    """The name on test images of a metric of validation images."""
    return f"test_{name.removeprefix('val_')}"


def diagnostic(name: str) -> Diagnostic | None:
    """The diagnostic of a name; None if no study can optimize one of this name."""
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
    """Whether the name is that of a diagnostic, of its test counterpart or of a standard error."""
    plain = name.removesuffix("_sem")
    on_images = plain.removeprefix("test_")
    return any(diagnostic(one) is not None for one in (plain, on_images, f"val_{on_images}"))


def names_of(groups: Iterable[str] = GROUPS, *, layers: int) -> Iterator[str]:
    """The names of the diagnostics of these groups, for networks with this number of layers."""
    for group in groups:
        yield from _PLAIN.get(group, ())
        parts, metrics = _LAYERED.get(group, ((), {}))
        for layer in range(1, layers + 1):
            for part in parts:
                yield from (f"layer{layer}_{part}_{measure}" for measure in metrics)
        if group == "weights":
            yield from (f"{_OUTPUT}_{measure}" for measure in metrics)


def recorded_names(groups: Iterable[str], *, layers: int) -> Iterator[str]:
    """The names of all values recorded for these groups, with standard errors and test metrics."""
    for name in names_of(groups, layers=layers):
        measured = diagnostic(name)
        on_images = None if measured is None else measured.test_name
        for one in (name, on_images):
            if one is not None:
                yield from (one, f"{one}_sem")


def is_metric(name: str) -> bool:
    """Whether a study can optimize a metric of this name: one of `METRICS`, or a diagnostic."""
    return name in METRICS or diagnostic(name) is not None


def metric_of(name: str) -> Metric:
    """The metric of a name. Raises KeyError unless `is_metric(name)`."""
    measured = diagnostic(name)
    return METRICS[name] if measured is None else measured.metric


def metric_names() -> tuple[str, ...]:
    """The names for which `is_metric` holds; diagnostics of layers for the first layer only."""
    return (*METRICS, *names_of(layers=1))


def known_objectives(objectives: dict[str, Direction]) -> dict[str, Direction]:
    """The objectives; raises ValueError for a test metric or an unknown name."""
    for name in objectives:
        if name.startswith("test_"):
            raise ValueError(
                f"a test metric is only reported and never optimized, got {echo(name)}"
            )
        if not is_metric(name):
            raise ValueError(f"unknown metric {echo(name)}; {nearest(name, metric_names())}")
    return objectives


def objective_table(name: str, raw: object) -> dict[str, Any]:
    """The table of an objective, with `goal` and optionally `from`; raises ValueError if invalid."""
    if not isinstance(raw, dict):
        return {"goal": raw}
    key = f"objectives.{echo_key(name)}"
    for unknown in raw.keys() - {"goal", "from"}:
        raise ValueError(
            f"unknown key '{key}.{echo_key(unknown)}'; {nearest(unknown, ['goal', 'from'])}"
        )
    if "goal" not in raw:
        raise ValueError(f"the key '{key}.goal' must be given")
    value = raw.get("from", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{key}.from` must be a number, got {echo(value)}")
    if not -_LARGEST_VALUE <= value <= _LARGEST_VALUE:
        raise ValueError(
            f"`-{_LARGEST_VALUE:g} <= {key}.from <= {_LARGEST_VALUE:g}` must hold, got {echo(value)}"
        )
    if "from" in raw and is_metric(name):
        metric = metric_of(name)
        if metric.share and not 0 <= value <= 1:
            raise ValueError(f"`0 <= {key}.from <= 1` must hold, got {value:g}{share_hint(value)}")
        if metric.log and value <= 0:
            raise ValueError(f"`{key}.from > 0` must hold, got {value:g}")
    return raw


def share_hint(value: float) -> str:
    """A hint for a number that is no share, if it may be one in percent; else empty."""
    return f"; did you mean {value / 100:g}?" if 10 <= value <= 100 else ""  # noqa: PLR2004  # percent
