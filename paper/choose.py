"""Chooses the trials that represent a family, a condition or a size, on validation alone.

Test values are reported and never choose.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from models import FAMILIES
from paper.files import Summary
from paper.intervals import Interval, Sample, of_difference

Trial = dict[str, Any]

BOUNDS: Final = (10_000, 30_000, 100_000, 300_000)
"""Bounds on the parameters under which the best network is reported."""

PUBLISHED_BEST: Final = 0.8929
"""Test accuracy of the paper's best vanilla network (4 dendrites, 512 somata) on Fashion-MNIST, a share.

The mean of five networks on the official test images (Table 1 and Fig. 3)."""

_CONDITIONS: Final = {"noise": 0.0, "batch_order": "shuffled"}
"""Settings that change the task, not the network, and their usual values."""


def published(summary: Summary, kind: str) -> dict[str, dict[str, Any]]:
    """The results of a kind that have a published value, by family."""
    return {
        one["family"]: one
        for one in summary["findings"]
        if one["kind"] == kind and one["published"] is not None
    }


def complete(summary: Summary) -> list[Trial]:
    """The trials that were trained to their end and have a test accuracy."""
    return [
        one
        for one in summary["trials"]
        if one["state"] == "COMPLETE" and {"val_accuracy", "test_accuracy"} <= set(one)
    ]


def best(trials: Iterable[Trial]) -> Trial | None:
    """The best validation accuracy, of equal ones the fewest parameters."""
    ordered = sorted(trials, key=lambda one: (-one["val_accuracy"], one["trainable_parameters"]))
    return next(iter(ordered), None)


def families(trials: Iterable[Trial]) -> list[str]:
    """The families of the trials, in the order of `models.architecture.FAMILIES`."""
    there = {one["family"] for one in trials}
    return [family for family in FAMILIES if family in there]


def best_of_each(summary: Summary) -> list[Trial]:
    """The best of each family; in a grid for each value of what it varies beyond sizes.

    A search does not try every setting with every family, so one trial represents the family.
    """
    settings = summary["varied"] if summary["spec"]["sampler"] == "grid" else []
    groups: dict[tuple[Any, ...], list[Trial]] = {}
    found = complete(summary)
    for family in families(found):
        for one in found:
            if one["family"] == family:
                key = (family, *(one.get(setting) for setting in settings))
                groups.setdefault(key, []).append(one)
    order = {family: place for place, family in enumerate(FAMILIES)}
    chosen = [first for group in groups.values() if (first := best(group))]
    return sorted(
        chosen,
        key=lambda one: (order[one["family"]], *(_sortable(one.get(name)) for name in settings)),
    )


def _sortable(value: object) -> tuple[float, str]:
    if isinstance(value, int | float):
        return float(value), ""
    return math.inf, str(value)


def other_names(found: Iterable[str]) -> str:
    """Names of the families in a comparison; dendritic ones are those with linear dendrites."""
    return ", ".join(
        f"linear {family}" if FAMILIES[family].cables == "own" else family for family in found
    )


def rising(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that are better on validation than all smaller ones, from small to large."""
    kept: list[Trial] = []
    for one in sorted(trials, key=lambda one: (one["trainable_parameters"], -one["val_accuracy"])):
        if not kept or one["val_accuracy"] > kept[-1]["val_accuracy"]:
            kept.append(one)
    return kept


def retrained(summary: Summary) -> dict[tuple[str | None, int], Trial]:
    """By study and trial its retraining on the same images with the most seeds."""
    found: dict[tuple[str | None, int], Trial] = {}
    for one in sorted(summary["retrained"], key=lambda one: one["replicates"]):
        if not one["full"]:
            found[one.get("study"), one["trial"]] = one
    return found


def usual(summaries: Sequence[Summary], dataset: str) -> list[Trial]:
    """The complete trials of all studies of a data set on clean, shuffled images, with `study` named.

    Where a trial was trained anew, its test values and `replicates` are those of the other seeds, which
    had no part in the choice, and `anew` is true; its validation values stay those of the search.
    """
    return [
        {
            "study": summary["name"],
            "dendrite_slope": summary["settings"].get("dendrite_slope"),
            **one,
            **_anew(again.get((one.get("study"), one["trial"]))),
        }
        for summary in summaries
        if summary["spec"]["dataset"]["name"] == dataset
        for again in [retrained(summary)]
        for one in complete(summary)
        if all(
            one.get(key, summary["settings"].get(key, default)) == default
            for key, default in _CONDITIONS.items()
        )
    ]


def _anew(trial: Trial | None) -> Trial:
    if trial is None:
        return {}
    test = {name: value for name, value in trial.items() if name.startswith("test_")}
    return {**test, "replicates": trial["replicates"], "anew": True}


def smallest_confirmed(trials: Iterable[Trial], accuracy: float) -> Trial | None:
    """The smallest retrained trial of at least this mean test accuracy over the new seeds."""
    found = [one for one in trials if one.get("anew") and one["test_accuracy"] >= accuracy]
    return min(found, key=lambda one: one["trainable_parameters"], default=None)


def smallest_reaching(trials: Iterable[Trial], accuracy: float) -> Trial | None:
    """The smallest trial of at least this mean validation accuracy."""
    return next((one for one in rising(trials) if one["val_accuracy"] >= accuracy), None)


def is_dendritic(trial: Trial) -> bool:
    """Whether each soma has dendrites of its own, and they are not linear."""
    return FAMILIES[trial["family"]].cables == "own" and trial.get("dendrite_slope") != 1


def difference(first: Trial, second: Trial, metric: str = "test_accuracy") -> Interval:
    """First minus second of a mean over replicates, with its 95 % interval."""
    samples = [
        Sample(mean=one[metric], sem=one.get(f"{metric}_sem"), seeds=one["replicates"])
        for one in (first, second)
    ]
    return of_difference(*samples)
