"""The figure of benchmarks/search: hypervolume over epochs spent, one line a method.

Of a method with several variants the best is drawn: the one that needs the fewest epochs in the
median, and among equals the one with the larger hypervolume over the drawn, logarithmic, axis.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from benchmarks.search.summary import GOAL, needed_epochs

# Okabe and Ito's palette, ours first; dashes tell apart what is printed in grey.
COLOURS: Final = (
    "#D55E00",
    "#000000",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#999999",
)
DASHES: Final = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot", "solid", "dot")


def draw(result: dict[str, Any], to: Path) -> None:
    figure = go.Figure()
    # A method keeps its colour whichever methods are run with it.
    for name, style in zip(best_variants(result), _styles(result), strict=True):
        colour, dash = style
        traces = [run["hypervolume"] for run in result["runs"][name]]
        low, median, high = np.quantile(traces, [0.25, 0.5, 0.75], axis=0)
        figure.add_scatter(
            x=[*result["epochs"], *reversed(result["epochs"])],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=_see_through(colour),
            line={"width": 0, "shape": "hv"},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=result["epochs"],
            y=median,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 4 if name == "ours" else 2.5},
            name=name,
        )
    figure.add_hline(y=GOAL, line={"color": "#999999", "width": 1})
    table = result["table"]
    figure.update_layout(
        title=f"{table['name']}: median and quartiles of {result['seeds']} searches",
        xaxis={
            "title": f"epochs spent, of {table['all_epochs']:,} of the whole table",
            "type": "log",
            "dtick": "D2",
        },
        yaxis={"title": "share of the table's hypervolume, completed trials", "range": [0, 1.02]},
        template="plotly_white",
        legend={"x": 0.02, "y": 0.98},
        font={"size": 15},
    )
    figure.write_image(to, width=1100, height=650, scale=2)


def best_variants(result: dict[str, Any]) -> list[str]:
    """One name for each method, in the order of the result."""
    best: dict[str, tuple[tuple[float, float], str]] = {}
    for name, runs in result["runs"].items():
        epochs = float(np.median(needed_epochs(runs, "epochs_to_goal")))
        volume = float(np.mean([run["hypervolume"] for run in runs]))
        best[_method(name)] = min(
            ((epochs, -volume), name), best.get(_method(name), ((np.inf, np.inf), ""))
        )
    return [name for _, name in best.values()]


def _method(name: str) -> str:
    return name.partition(" (")[0]


def _styles(result: dict[str, Any]) -> list[tuple[str, str]]:
    known = ["ours", "random", "tpe", "tpe+asha", "nsga2", "moasha", "random+halving"]
    methods = dict.fromkeys(_method(name) for name in result["runs"])
    return [(COLOURS[known.index(name)], DASHES[known.index(name)]) for name in methods]


def _see_through(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.13)"
