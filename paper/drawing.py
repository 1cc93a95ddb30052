"""What the figures of docs/results.md have in common: colours, symbols, points, axes.

Points are networks that were trained; no line connects them. Families have the colours of Tol's `muted`
scheme for colour-blind readers (P. Tol, Colour schemes, SRON/EPS/TN/09-002), with a grey and black. Each
family has a colour and a symbol of its own, so that points that cover each other can be told apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from study import MetricFormat, figure_layout

COLOURS: Final = {
    "dann-r": "#332288",
    "dann-lrf": "#88CCEE",
    "dann-grf": "#44AA99",
    "vann": "#CC6677",
    "pdann": "#DDCC77",
    "sann-grf": "#117733",
    "mlp": "#999933",
    "sparse-mlp": "#882255",
    "locally-connected": "#777777",
    "cnn": "#000000",
}
SYMBOLS: Final = {
    "dann-r": "circle",
    "dann-lrf": "triangle-left",
    "dann-grf": "pentagon",
    "vann": "square",
    "pdann": "diamond",
    "sann-grf": "cross",
    "mlp": "triangle-up",
    "sparse-mlp": "triangle-down",
    "locally-connected": "star",
    "cnn": "x",
}


def points(figure: go.Figure, family: str, x: Any, y: Any, **settings: Any) -> None:  # noqa: ANN401  # columns
    """Adds the points of a family; `col` is the panel, and only the first panel fills the legend."""
    place = {"row": 1, "col": settings.pop("col")} if "col" in settings else {}
    if place:
        settings = {"showlegend": place["col"] == 1} | settings
    marker = {"color": COLOURS[family], "symbol": SYMBOLS[family], "size": 10, "opacity": 1}
    marker |= settings.pop("marker", {})
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker=marker,
        **{"name": family, "legendgroup": family} | settings,
        **place,
    )


def with_intervals(  # noqa: PLR0913, PLR0917  # the parts of a trace
    figure: go.Figure,
    found: Sequence[Mapping[str, Any]],
    y: Sequence[Any],
    colour: str,
    scale: float,
    name: str,
) -> None:
    """Adds results with their intervals, at these heights."""
    figure.add_scatter(
        x=[scale * one["value"] for one in found],
        y=y,
        error_x={
            "array": [scale * (one["high"] - one["value"]) for one in found],
            "arrayminus": [scale * (one["value"] - one["low"]) for one in found],
            "color": colour,
        },
        mode="markers",
        marker={"color": colour, "size": 9},
        name=name,
    )


def error_bars(errors: Iterable[float]) -> dict[str, Any]:
    """Plotly's settings of error bars of this length on both sides."""
    return {"array": list(errors), "thickness": 1.5, "width": 3}


def legend_below(figure: go.Figure) -> go.Figure:
    """The figure with its legend below the horizontal axes, for one of several rows."""
    return figure.update_layout(legend={"y": -0.2, "yanchor": "top"})


def axis(count: str, figure: go.Figure) -> dict[str, Any]:
    """The logarithmic axis of a count for the points of a figure."""
    return MetricFormat(count).axis([value for trace in figure.data for value in trace.x])


def panels(titles: Sequence[str], **settings: Any) -> go.Figure:  # noqa: ANN401  # plotly's
    """A figure of panels side by side without points, with these titles of their vertical axes."""
    figure = make_subplots(cols=len(titles), **{"horizontal_spacing": 0.1} | settings)
    look = figure_layout()
    figure.update_layout(look).update_xaxes(look["xaxis"]).update_yaxes(look["yaxis"])
    for column, title in enumerate(titles, start=1):
        figure.update_yaxes(title=title, row=1, col=column)
    return figure


def blank(y: str) -> go.Figure:
    """A figure without points, with this title of its vertical axis."""
    figure = go.Figure(layout=figure_layout())
    return figure.update_yaxes(title=y)
