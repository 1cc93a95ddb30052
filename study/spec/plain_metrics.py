"""The metrics that a study can be steered by, with the scale on which each is compared.

Every metric is known by the same name in specs, in MLflow, in records and in tables. Test metrics
are not here: they are reported, and never steer.
"""

from typing import Final

from study.spec.metric import Direction, Metric
from study.spec.metrics import diagnostic, names_of

__all__ = ["METRICS", "Direction", "Metric", "is_metric", "metric_names", "metric_of"]

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
