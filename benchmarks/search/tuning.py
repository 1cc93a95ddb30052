"""Which settings of a method are the best on the tuning tables."""

import json
import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.search.protocol import TUNING, variants


def key_of(settings: Mapping[str, Any]) -> str:
    """The settings as a key of JSON."""
    return json.dumps(settings, sort_keys=True)


def choose(name: str, areas: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """The variant with the smallest area under the logarithm of the regret.

    `areas`: by the key of a variant, by table, by seed. Variants are compared on the seeds that all of
    them have; raises ValueError where one has none.
    """
    offered = variants(name)
    seeds = {
        table: set.intersection(
            *(set(areas.get(key_of(one), {}).get(table, {})) for one in offered)
        )
        for table in TUNING["tables"]
    }
    if not all(seeds.values()):
        raise ValueError(f"every variant of {name} must have a search on every tuning table")

    def mean(one: dict[str, Any]) -> float:
        return statistics.fmean(
            statistics.fmean(areas[key_of(one)][table][seed] for seed in sorted(seeds[table]))
            for table in TUNING["tables"]
        )

    return min(offered, key=mean)
