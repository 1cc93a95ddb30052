"""The diagnostics of a trained network by group, as requested by the key `diagnostics` of a spec.

docs/diagnostics.md defines each.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor

from models.network import Network, count_parameters
from study.spec.metrics import SIGMAS, noise_name, on_test
from study.training.activity import activity_of
from study.training.dataset import Dataset
from study.training.distributions import Histogram, moments, weights_of
from study.training.efficiency import cost_factor
from study.training.evaluation import Estimate, evaluate
from study.training.generalisation import ReplicateCurves
from study.training.latency import latency_of
from study.training.noise import accuracy_under_noise
from study.training.separability import separability_of
from study.training.split import Split


@final
@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The results of diagnostics.

    `values`: each diagnostic by name, with one value for each replicate, shape (R,). `distributions`:
    histograms of units and weights by name, of all replicates together.
    """

    values: dict[str, Tensor] = field(default_factory=dict)
    distributions: dict[str, Histogram] = field(default_factory=dict)

    def estimates(self) -> dict[str, Estimate]:
        """The estimate of each diagnostic over the replicates, if defined for all of them."""
        estimates = {name: Estimate.over(values) for name, values in self.values.items()}
        return {name: one for name, one in estimates.items() if math.isfinite(one.mean)}

    def to_metrics(self) -> dict[str, float]:
        """The estimates: means by name, and standard errors under `..._sem`."""
        metrics: dict[str, float] = {}
        for name, estimate in self.estimates().items():
            metrics |= estimate.named(name)
        return metrics

    def to_dict(self) -> dict[str, Any]:
        """The distributions as JSON types."""
        return {name: asdict(histogram) for name, histogram in self.distributions.items()}

    def on_test(self) -> "Diagnosis":
        """The same results under the names for test images."""
        return Diagnosis(
            {on_test(name): values for name, values in self.values.items()},
            {on_test(name): one for name, one in self.distributions.items()},
        )


Measure: TypeAlias = Callable[[Network, Split, ReplicateCurves], Diagnosis]


def diagnose(
    network: Network,
    dataset: Dataset,
    groups: Sequence[str],
    curves: ReplicateCurves,
    *,
    clean: Dataset | None = None,
) -> Diagnosis:
    """Measures the diagnostics of these groups (`study.spec.metrics.GROUPS`) on the current weights.

    `curves` are the losses during training, for generalisation and efficiency. `clean` is the data set
    without the noise of the training, to which the group noise adds its own. Without test images there
    are the diagnostics of validation images alone. Network and data set are on one device. Raises
    KeyError for an unknown group.
    """
    parts = []
    for group in groups:
        if group in _ON_IMAGES:
            measure = _ON_IMAGES[group]
            images = clean if clean is not None and group == "noise" else dataset
            parts.append(measure(network, images.validation, curves))
            if len(images.test.labels):
                parts.append(measure(network, images.test, curves).on_test())
        else:
            parts.append(_ONCE[group](network, curves))
    whole = Diagnosis()
    for part in parts:
        whole.values.update(part.values)
        whole.distributions.update(part.distributions)
    return whole


def _generalisation(_: Network, curves: ReplicateCurves) -> Diagnosis:
    return Diagnosis(
        {"generalisation_gap": curves.gap(), "lowest_loss_epoch": curves.lowest_loss_epoch()}
    )


def _weights(network: Network, _: ReplicateCurves) -> Diagnosis:
    diagnosis = Diagnosis()
    for layer, weights in weights_of(network).items():
        diagnosis.values.update({f"{layer}_{name}": one for name, one in moments(weights).items()})
        diagnosis.distributions[f"{layer}_weight"] = Histogram.of(weights)
    return diagnosis


def _latency(network: Network, _: ReplicateCurves) -> Diagnosis:
    return Diagnosis(latency_of(network))


def _efficiency(network: Network, split: Split, curves: ReplicateCurves) -> Diagnosis:
    accuracy, loss = evaluate(network, split)
    parameters = count_parameters(network)
    epochs = curves.lowest_loss_epoch().tolist()
    factor = torch.tensor([cost_factor(parameters, epoch) for epoch in epochs]).double()
    return Diagnosis(
        {
            "accuracy_efficiency": accuracy / factor,
            "loss_efficiency": loss * factor,
            "accuracy_per_decade": accuracy / math.log10(parameters),
        }
    )


def _noise(network: Network, split: Split, _: ReplicateCurves) -> Diagnosis:
    return Diagnosis(
        {noise_name(sigma): accuracy_under_noise(network, split, sigma) for sigma in SIGMAS}
    )


def _activity(network: Network, split: Split, _: ReplicateCurves) -> Diagnosis:
    diagnosis = Diagnosis()
    histograms = diagnosis.distributions
    highest = math.log2(network.classes + 1)
    for layer, activity in activity_of(network, split).items():
        statistics = activity.statistics()
        diagnosis.values.update({f"{layer}_{name}": one.cpu() for name, one in statistics.items()})
        histograms[f"{layer}_entropy"] = Histogram.of(activity.entropy(), (0.0, highest))
        selectivity = Histogram.of_counts(activity.selectivity(), network.classes)
        histograms[f"{layer}_selectivity"] = selectivity
    return diagnosis


def _separability(network: Network, split: Split, _: ReplicateCurves) -> Diagnosis:
    return Diagnosis(separability_of(network, split))


_ONCE: Final[dict[str, Callable[[Network, ReplicateCurves], Diagnosis]]] = {
    "generalisation": _generalisation,
    "latency": _latency,
    "weights": _weights,
}
_ON_IMAGES: Final[dict[str, Measure]] = {
    "efficiency": _efficiency,
    "noise": _noise,
    "activity": _activity,
    "separability": _separability,
}
