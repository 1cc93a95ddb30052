"""Tables and the picture of the race of the best networks."""

from typing import Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks import markdown
from benchmarks.beyond.contender import (
    CONVOLUTIONS,
    DENDRITIC,
    GROUPS,
    LINEAR,
    ONE_BRANCH,
    OTHERS,
    SHARED,
)
from benchmarks.beyond.race import BOUNDS, Race
from models import Architecture
from models.counting import stored_bytes, wiring_bits
from paper.hypothesis_tests import LEVEL
from study import figure_layout
from study.report.style import BLACK, BLUE, GREEN, GREY, VERMILLION
from study.results.format import percent
from study.search.pareto import on_front

GOALS: Final = {8_000: 0.903, 30_000: 0.910, 100_000: 0.918, 300_000: 0.923}
"""The test accuracies that dendritic networks are to reach, by the bound on their parameters."""

_IMAGE: Final = (1, 28, 28)  # channels, height, width
_UNITS: Final = {"trainable_parameters": "parameters", "macs": "MACs"}

# Two more of Okabe and Ito's palette.
_ORANGE: Final = "#E69F00"
_SKY: Final = "#56B4E9"
_STYLES: Final = {
    DENDRITIC: (VERMILLION, "circle", "solid"),
    SHARED: (_ORANGE, "square", "solid"),
    ONE_BRANCH: (BLUE, "diamond", "dash"),
    LINEAR: (_SKY, "cross", "dash"),
    CONVOLUTIONS: (BLACK, "triangle-up", "dot"),
    OTHERS: (GREEN, "x", "dot"),
}


def table_of_searches(race: Race) -> str:
    """The most accurate network of each group under each bound in the searches, as a Markdown table.

    Validation accuracies in percent with standard errors; as the best of many, they are optimistic.
    """
    best = {place: heat[0].search for place, heat in race.heats().items()}
    rows = []
    for group in GROUPS:
        cells = [group, str(race.searches.trials.get(group, 0))]
        for metric, bound in BOUNDS:
            found = best.get((metric, bound, group))
            cells.append(percent(*found[:2]) if found else "")
        rows.append(cells)
    bounds = [f"{bound:,} {_UNITS[metric]}" for metric, bound in BOUNDS]
    return "\n".join(markdown.table(markdown.row(["group", "trials", *bounds]), rows))


def table(rows: list[dict[str, Any]]) -> str:
    """The judged rows as a Markdown table.

    Accuracies are in percent, with standard errors. `dendritic ahead` is how many points the dendritic
    network under the same bound is ahead, with its 95 % interval.
    """
    cells = []
    for row in rows:
        goal = _goal(row)
        bits = wiring_bits(Architecture(**row["architecture"]), _IMAGE)
        cells.append(
            [
                f"{row['bound']:,} {_UNITS[row['metric']]}",
                row["group"],
                f"{row['trials']}",
                row["network"],
                f"{row['trainable_parameters']:,}",
                f"{row['macs']:,}",
                f"{bits:,}",
                f"{stored_bytes(row['trainable_parameters'], bits):,}",
                percent(row["val_accuracy"], row["val_accuracy_sem"]),
                percent(row["test_accuracy"], row["test_accuracy_sem"]),
                _ahead(row),
                "" if goal is None else f"{100 * goal:.1f}",
            ]
        )
    counts = "parameters,MACs,wiring bits,bytes"
    heads = f"at most,group,trials,network,{counts},validation %,test %,dendritic ahead,goal %"
    return "\n".join(markdown.table(markdown.row(heads.split(",")), cells))


def verdicts(p: dict[tuple[str, int], float]) -> str:
    """By bound, whether dendritic networks are ahead of both controls, as a Markdown list."""
    lines = []
    for (metric, bound), value in p.items():
        ahead = "" if value <= LEVEL else "not shown to be "
        lines.append(
            f"- At most {bound:,} {_UNITS[metric]}: dendritic networks are {ahead}more accurate than "
            f"both controls (p = {value:.2g})."
        )
    return "\n".join(lines)


def figure(rows: list[dict[str, Any]]) -> go.Figure:
    """Test accuracies of the front of each group over parameters and over MACs, with the goals."""
    drawn = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.03)
    for group in GROUPS:
        colour, symbol, dash = _STYLES[group]
        own = [row for row in rows if row["group"] == group]
        for column, metric in enumerate(_UNITS, start=1):
            front = _front(own, metric)
            drawn.add_scatter(
                x=[row[metric] for row in front],
                y=[100 * row["test_accuracy"] for row in front],
                error_y={
                    "array": [100 * row["test_accuracy_sem"] for row in front],
                    "thickness": 1.5,
                    "width": 0,
                },
                text=[row["network"] for row in front],
                hovertemplate="%{text}: %{y:.2f} %",
                mode="lines+markers",
                line={"color": colour, "width": 1.5, "dash": dash, "shape": "hv"},
                marker={"symbol": symbol, "size": 10},
                name=group,
                legendgroup=group,
                showlegend=column == 1,
                row=1,
                col=column,
            )
    drawn.add_scatter(
        x=list(GOALS),
        y=[100 * goal for goal in GOALS.values()],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 22, "color": GREY, "line": {"width": 3}},
        name="goal",
        row=1,
        col=1,
    )
    drawn.update_layout(figure_layout())
    drawn.update_xaxes(type="log", **figure_layout()["xaxis"])
    for column, metric in enumerate(_UNITS, start=1):
        ticks = sorted(bound for one, bound in BOUNDS if metric in (one, "macs"))
        drawn.update_xaxes(tickvals=ticks, ticktext=[f"{tick:,}" for tick in ticks], col=column)
    drawn.update_yaxes(figure_layout()["yaxis"])
    drawn.update_xaxes(title="trainable parameters", col=1)
    drawn.update_xaxes(title="multiply-accumulates for one image", col=2)
    drawn.update_yaxes(title="test accuracy (%), mean over fresh seeds", col=1)
    return drawn


def _front(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """The rows on the front of accuracy and the metric, by the metric, each network once."""
    points = [(row[metric], row["test_accuracy"]) for row in rows]
    flags = on_front(points, {metric: "minimize", "test_accuracy": "maximize"})
    front = {row[metric]: row for row, keep in zip(rows, flags, strict=True) if keep}
    return [front[value] for value in sorted(front)]


def _goal(row: dict[str, Any]) -> float | None:
    aims = row["group"] in (DENDRITIC, SHARED) and row["metric"] == "trainable_parameters"
    return GOALS.get(row["bound"]) if aims else None


def _ahead(row: dict[str, Any]) -> str:
    if "ahead" not in row:
        return ""
    value, low, high = (100 * row["ahead"][name] for name in ("value", "low", "high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
