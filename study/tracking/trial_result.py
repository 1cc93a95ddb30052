"""The result of an ended trial for MLflow's list of runs: metrics of four digits, and a description.

The list shows metrics with all their digits, and sorts by one column, with runs that lack the value at
the end: so only complete trials that satisfy the constraints have the metrics `result/...`.
"""

from collections.abc import Mapping
from typing import Final

from study.spec.constraint import all_kept, violations
from study.spec.study_spec import StudySpec
from study.tracking.events import TrialEnded

RESULT: Final = "result/"
"""The beginning of the names of these metrics."""

_ACCURACIES: Final = {"val_accuracy": "validation accuracy", "test_accuracy": "test accuracy"}


def result_names(spec: StudySpec) -> list[str]:
    """The metrics of a study that have a result: the first objective, and those of no whole numbers."""
    first, *others = spec.objectives
    whole = ("trainable_parameters", "macs")
    return list(dict.fromkeys([first, *(one for one in others if one not in whole), *_ACCURACIES]))


def result_metrics(
    spec: StudySpec, event: TrialEnded, metrics: Mapping[str, float]
) -> dict[str, float]:
    """The metrics of a trial's result; `metrics` are those of its last epoch."""
    is_result = event.state == "COMPLETE" and all_kept(violations(spec.constraints, dict(metrics)))
    if not is_result:
        return {}
    return {
        f"{RESULT}{name}": float(f"{metrics[name]:.4g}")
        for name in result_names(spec)
        if name in metrics
    }


def description(name: str, event: TrialEnded, metrics: Mapping[str, float]) -> str:
    """The description of a trial of the study `name` in Markdown."""
    number, epochs = event.number, int(metrics.get("epochs", 0))
    ends = {
        "COMPLETE": f"Complete after {epochs} epochs",
        "PRUNED": f"Stopped early after epoch {epochs}",
        "INTERRUPTED": f"Interrupted after epoch {epochs}, continues when the study resumes",
        "FAIL": f"Failed: {(event.reason or 'no reason is recorded').partition(chr(10))[0]}",
    }
    parts = [
        f"{title} {_percent(metrics, metric)}"
        for metric, title in _ACCURACIES.items()
        if metric in metrics
    ]
    if "trainable_parameters" in metrics:
        parts.append(f"{metrics['trainable_parameters']:,.0f} parameters")
    results = f": {', '.join(parts)}" if parts and event.state != "FAIL" else ""
    commands = f"`study show {name} {number}`"
    if event.keep_network:
        commands += f", `study export {name} {number}`"
    return f"{ends[event.state]}{results}. {commands}"


def _percent(metrics: Mapping[str, float], name: str) -> str:
    error = metrics.get(f"{name}_sem")
    return f"{100 * metrics[name]:.2f}" + ("" if error is None else f" ± {100 * error:.2f}") + " %"
