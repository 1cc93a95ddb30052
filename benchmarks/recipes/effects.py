"""The effects of recipes from the rows of a result, as numbers and as a table of Markdown."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scipy.stats import t

from benchmarks.markdown import row
from benchmarks.recipes.protocol import BARE, NETWORKS, RECIPES

Rows = Sequence[Mapping[str, Any]]

LEVEL: Final = 0.01
"""Significance level of the two-sided paired t tests."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Validation accuracy with a recipe less that of the bare one with the same seed, in points.

    Of the bare recipe the accuracy itself, in percent. `sem` is nan for a single seed.
    """

    bound: int
    family: str
    recipe: str
    mean: float
    sem: float
    seeds: int


def effects(rows: Rows) -> Iterator[Effect]:
    """The effects that the rows show, in the order of the protocol."""
    found = {
        (row["bound"], row["family"], row["recipe"], row["seed"]): 100 * row["val_accuracy"]
        for row in rows
    }
    for bound, networks in NETWORKS.items():
        for family in networks:
            for recipe in RECIPES:
                values = [
                    value - (0 if recipe == BARE else found[bound, family, BARE, seed])
                    for (*case, seed), value in found.items()
                    if case == [bound, family, recipe] and (bound, family, BARE, seed) in found
                ]
                if values:
                    spread = statistics.stdev(values) if len(values) > 1 else math.nan
                    sem = spread / math.sqrt(len(values))
                    mean = statistics.fmean(values)
                    yield Effect(bound, family, recipe, mean, sem, len(values))


def table(rows: Rows) -> str:
    """A row for each network, a column for each recipe."""
    found = {(one.bound, one.family, one.recipe): one for one in effects(rows)}
    heads = ["at most", "family", "seeds", *RECIPES]
    lines = [heads, ["---"] * len(heads)]
    for bound, networks in NETWORKS.items():
        for family in networks:
            mine = [found.get((bound, family, recipe)) for recipe in RECIPES]
            counts = sorted({one.seeds for one in mine if one is not None})
            if counts:
                seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
                lines.append([f"{bound:,}", family, seeds, *map(_cell, mine)])
    return "\n".join(map(row, lines)) + "\n"


def verdicts(rows: Rows) -> str:
    """A list of Markdown: the networks that each recipe makes significantly more or less accurate."""
    found, lines = list(effects(rows)), []
    for recipe in RECIPES:
        mine = [one for one in found if one.recipe == recipe != BARE]
        raised = [one for one in mine if one.mean > _least(one)]
        lowered = [one for one in mine if -one.mean > _least(one)]
        if mine:
            lines.append(
                f"- {recipe}: {len(raised)} of {len(mine)} more accurate{_named(raised)}; "
                f"{len(lowered)} less{_named(lowered)}."
            )
    return "\n".join(lines)


def _least(effect: Effect) -> float:
    """The smallest significant mean; nan for a single seed, so that none is."""
    return float(effect.sem * t.ppf(1 - LEVEL / 2, effect.seeds - 1))


def _named(found: Sequence[Effect]) -> str:
    """The families of effects by their bound, in brackets."""
    parts = []
    for bound in NETWORKS:
        families = [one.family for one in found if one.bound == bound]
        if families:
            parts.append(f"{bound:,}: {', '.join(families)}")
    return f" ({'; '.join(parts)})" if parts else ""


def _cell(effect: Effect | None) -> str:
    if effect is None:
        return ""
    sign = "" if effect.recipe == BARE else "+"
    error = "" if math.isnan(effect.sem) else f" ± {effect.sem:.2f}"
    return f"{effect.mean:{sign}.2f}{error}"
