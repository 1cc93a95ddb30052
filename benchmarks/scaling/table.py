"""The tables of docs/scaling.md, made of benchmarks/results/scaling.json; a test compares them."""

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.markdown import row

_RESULTS: Final = Path(__file__).parents[1] / "results"
_GPUS: Final = 1000
_STORES: Final = {"SQLite": "sqlite", "server with PostgreSQL": "server with PostgreSQL"}
_TRIALS: Final = 10_000  # for which sizes are given

Result = dict[str, Any]


def tables(result: Result) -> dict[str, list[str]]:
    """The rows of each table, by its name."""
    return {
        "rates": _rates(result),
        "samplers": _samplers(result),
        "limits": limits(result),
        "storage": _storage(result),
        "memory": _memory(result),
        "first": [first_limit(result)],
    }


def _rates(result: Result) -> list[str]:
    found = {
        (one["gpus"], one["minutes"]): one for one in cases(result) if one["sampler"] == "ehvi"
    }
    rows = []
    for gpus in sorted({gpus for gpus, _ in found}):
        cells = [f"{gpus:,}"]
        for minutes in sorted({minutes for _, minutes in found}):
            one = found[gpus, minutes]
            cells += [f"{one['trials_an_hour']:,.0f}", f"{one['driver_share']:.0%}"]
            cells += [f"{min(1.0, one['worker_share']):.0%}"]
        rows.append(row(cells))
    return rows


def _samplers(result: Result) -> list[str]:
    """Where the driver has most to do."""
    return [
        row(
            [
                one["sampler"],
                f"{one['driver_ms_a_trial']:.0f}",
                f"{one['trials_an_hour']:,.0f}",
                f"{one['driver_share']:.0%}",
                f"{min(1.0, one['worker_share']):.0%}",
            ]
        )
        for one in cases(result)
        if (one["gpus"], one["minutes"]) == (_GPUS, 1)
    ]


def ceilings(result: Result) -> dict[str, float]:
    """The highest throughput of each component, in trials an hour.

    The driver's is that at its busiest, where one ranking serves many proposals.
    """
    found = {
        f"the driver, sampler {one['sampler']}": 3.6e6 / one["driver_ms_a_trial"]
        for one in cases(result)
        if (one["gpus"], one["minutes"]) == (_GPUS, 1)
    }
    points = result["storage"]["a_trial"]["rows_metrics"]
    recording = json.loads((_RESULTS / "tracking.json").read_text("utf-8"))
    for said, key in _STORES.items():
        a_second = recording[key]["ours"]["points_a_second"]
        found[f"the store, {said}"] = 3600 * a_second / points
    return found


def first_limit(result: Result) -> str:
    """The first bottleneck with the default sampler, and the number of GPUs that reaches it."""
    samplers = ("the driver, sampler tpe", "the driver, sampler random")
    ours = {name: one for name, one in ceilings(result).items() if name not in samplers}
    name, ceiling = min(ours.items(), key=lambda one: one[1])
    gpus = [f"{_round(ceiling / rate(result, minutes)):,}" for minutes in (1, 10, 60)]
    return (
        f"With the default sampler, the first bottleneck is {name}, at {ceiling:,.0f} trials an hour: "
        f"{gpus[0]} GPUs with trials of one minute, {gpus[1]} with trials of ten minutes, {gpus[2]} "
        "with trials of one hour."
    )


def limits(result: Result) -> list[str]:
    """Each ceiling, and the numbers of GPUs that reach it with trials of one, ten and sixty minutes."""
    rows = []
    for name, ceiling in sorted(ceilings(result).items(), key=lambda one: one[1]):
        needed = [ceiling / rate(result, minutes) for minutes in (1, 10, 60)]
        rows.append(row([name, f"{ceiling:,.0f}", *(f"{_round(gpus):,}" for gpus in needed)]))
    return rows


def rate(result: Result, minutes: float) -> float:
    """Trials an hour of one GPU that never waits, those that are stopped early included."""
    (one,) = [
        one
        for one in cases(result)
        if (one["gpus"], one["minutes"], one["sampler"]) == (256, minutes, "ehvi")
    ]
    return float(one["trials_an_hour"] / one["gpus"] / min(1.0, one["worker_share"]))


def cases(result: Result) -> list[Result]:
    return [one | {"gpus": one["workers"]} for one in result["simulation"]]


def _storage(result: Result) -> list[str]:
    storage = result["storage"]
    one = storage["a_trial"]
    model = one["model_bytes"] / one["models"] if one["models"] else 0.0
    sizes = {
        "search.journal": one["journal_bytes"],
        "spool, until it is sent": one["spool_bytes"],
        "MLflow on SQLite": one["database_bytes"],
    }
    rows = [row([name, _kb(size), _mb(_TRIALS * size)]) for name, size in sizes.items()]
    rows.append(row(["model of a trial that was on the front", _kb(model), ""]))
    return rows


def _memory(result: Result) -> list[str]:
    memory = result["memory"]
    return [
        row([said, f"{memory[f'copies_{kind}']:.2f}"])
        for said, kind in (
            ("resident (RSS): shared pages count for each worker", "rss"),
            ("proportional (PSS): shared pages are divided among all processes", "pss"),
            ("private pages", "private"),
        )
    ]


def _round(value: float) -> int:
    """To two digits."""
    return int(float(f"{value:.2g}"))


def _kb(size: float) -> str:
    return f"{size / 1e3:,.1f} kB"


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
