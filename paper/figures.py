"""The figures of docs/results.md, each drawn from the summary of one study."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paper.choose import Trial, best_of_each, complete, families, published, rising
from paper.files import Summary
from study import MetricFormat, family_style, figure_layout

SIGMAS: Final = (0.25, 0.5, 0.75, 1.0)
"""The noise that diagnostics put on clean test images (`study.training.diagnostics`)."""

_PARTS: Final = {"layer1_dendrites": "dendrites", "layer1_somata": "somata"}


def front(summary: Summary) -> go.Figure:
    """Test accuracy against parameters: all trials faint, those that validation chose with errors.

    Dashed: the accuracies of the paper's table, each in the colour of its family. Networks of linear
    dendrites have open symbols.
    """
    figure = go.Figure(layout=figure_layout())
    trials = complete(summary)
    for family, linear in product(families(trials), (False, True)):
        mine = [
            one
            for one in trials
            if one["family"] == family and (one.get("dendrite_slope") == 1) == linear
        ]
        if not mine:
            continue
        colour, symbol = family_style(family)
        if linear:
            symbol = f"{symbol}-open"
        name = f"{family}, linear" if linear else family
        rest = _trace(mine, "trainable_parameters", "test_accuracy") | {
            "mode": "markers",
            "marker": {"color": _faint(colour), "symbol": symbol, "size": 6},
        }
        rest.pop("error_y")
        figure.add_scatter(**rest, name=f"{name}, all", showlegend=False)
        chosen = _trace(rising(mine), "trainable_parameters", "test_accuracy") | {
            "mode": "lines+markers",
            "line": {"color": colour, "width": 2},
            "marker": {"color": colour, "symbol": symbol, "size": 9},
        }
        figure.add_scatter(**chosen, name=name)
    sizes = [one["trainable_parameters"] for one in trials]
    for place, (family, result) in enumerate(published(summary, "accuracy").items()):
        figure.add_scatter(
            x=[min(sizes), max(sizes)],
            y=[100 * result["published"]] * 2,
            mode="lines",
            line={"color": family_style(family)[0], "width": 1.5, "dash": "dash"},
            name="paper",
            showlegend=place == 0,
        )
    _sizes(figure, trials)
    figure.update_yaxes(title="test accuracy (%)", range=_range(figure))
    if sum(trace.showlegend is not False for trace in figure.data) > _ONE_ROW:
        beside = {"x": 1.02, "y": 1.0, "xanchor": "left", "yanchor": "top"}
        figure.update_layout(legend={"orientation": "v", **beside})
    return figure


def loss(summary: Summary) -> go.Figure:
    """Test loss against parameters, all trials; a line joins the networks of most somata."""
    figure = go.Figure(layout=figure_layout())
    trials = complete(summary)
    most = max(one["somata"] for one in trials)
    for family in families(trials):
        mine = sorted(
            (one for one in trials if one["family"] == family),
            key=lambda one: one["trainable_parameters"],
        )
        colour, symbol = family_style(family)
        points = _trace(mine, "trainable_parameters", "test_loss") | {
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": 8},
        }
        figure.add_scatter(**points, name=family)
        line = _trace([one for one in mine if one["somata"] == most], *_LOSS) | {
            "mode": "lines",
            "line": {"color": colour, "width": 2},
        }
        line.pop("error_y")
        figure.add_scatter(**line, name=f"{family}, {most} somata", showlegend=False)
    _sizes(figure, trials)
    figure.update_yaxes(title="test loss (nats)")
    return figure


_ONE_ROW: Final = 6  # of the legend, names; more stand beside the figure
_LOSS: Final = ("trainable_parameters", "test_loss")


def noise(summary: Summary) -> go.Figure:
    """Test accuracy under noise of the network that validation chose on clean images, by family.

    Solid: trained anew at each sigma. Dotted: the network trained on clean images.
    """
    figure = go.Figure(layout=figure_layout())
    trials = complete(summary)
    clean = [one for one in trials if one.get("noise", 0.0) == 0]
    for chosen in best_of_each({**summary, "trials": clean, "varied": []}):
        size = [chosen[key] for key in ("family", "dendrites", "somata")]
        same = sorted(
            (one for one in trials if [one.get(key) for key in _SIZE] == size),
            key=lambda one: one.get("noise", 0.0),
        )
        colour, symbol = family_style(chosen["family"])
        marker = {"color": colour, "symbol": symbol, "size": 10}
        trained = _trace(same, "noise", "test_accuracy")
        figure.add_scatter(
            **trained,
            mode="lines+markers",
            marker=marker,
            name=chosen["family"],
        )
        measured = chosen.get("diagnostics", {})
        names = {sigma: f"test_accuracy_at_noise_{round(100 * sigma):03}" for sigma in SIGMAS}
        known = {sigma: name for sigma, name in names.items() if name in measured}
        if known:
            figure.add_scatter(
                x=[0, *known],
                y=[100 * chosen["test_accuracy"], *(100 * measured[one] for one in known.values())],
                mode="lines+markers",
                line={"dash": "dot"},
                marker=marker | {"symbol": f"{symbol}-open"},
                name=f"{chosen['family']}, trained on clean images",
                showlegend=False,
            )
    figure.update_xaxes(title="standard deviation of the noise (pixels in 0..1)")
    figure.update_yaxes(title="test accuracy (%)")
    return figure


_SIZE: Final = ("family", "dendrites", "somata")


def _trace(trials: Sequence[Trial], x: str, y: str) -> dict[str, Any]:
    """x, y and the errors of y, as they are drawn."""
    across, up = MetricFormat(x), MetricFormat(y)
    errors = [up.value(one.get(f"{y}_sem")) or 0.0 for one in trials]
    return {
        "x": [across.value(one.get(x, 0.0)) for one in trials],
        "y": [up.value(one[y]) for one in trials],
        "error_y": {"array": errors, "thickness": 1.5, "width": 3},
    }


def _sizes(figure: go.Figure, trials: Sequence[Trial]) -> None:
    axis = MetricFormat("trainable_parameters")
    figure.update_xaxes(axis.axis([one["trainable_parameters"] for one in trials]))


def _range(figure: go.Figure) -> list[float]:
    """The range of the chosen networks and the published values; faint points may lie below."""
    heights = [y for trace in figure.data if trace.mode != "markers" for y in trace.y]
    low, high = min(heights), max(heights)
    margin = 0.06 * (high - low) or 1.0
    return [low - margin, high + margin]


def units(summary: Summary) -> go.Figure:
    """Entropy and selectivity of dendrites and somata, of the best of each family."""
    measures = {"entropy": "entropy (bits)", "selectivity": "selectivity (classes)"}
    figure = make_subplots(1, len(measures), horizontal_spacing=0.12)
    _style(figure)
    for column, (measure, title) in enumerate(measures.items(), start=1):
        for chosen in best_of_each({**summary, "varied": []}):
            found = chosen.get("diagnostics", {})
            names = {f"test_{part}_{measure}": words for part, words in _PARTS.items()}
            figure.add_bar(
                x=list(names.values()),
                y=[found.get(name) for name in names],
                error_y={"array": [found.get(f"{name}_sem", 0.0) for name in names]},
                marker={"color": family_style(chosen["family"])[0]},
                name=chosen["family"],
                showlegend=column == 1,
                row=1,
                col=column,
            )
        figure.update_yaxes(title=title, row=1, col=column)
    return figure


def in_order(summary: Summary) -> go.Figure:
    """Accuracy and loss after classes in order, best of each family, the paper's as dashes."""
    measures = {"test_accuracy": "test accuracy (%)", "test_loss": "test loss (nats)"}
    figure = make_subplots(1, len(measures), horizontal_spacing=0.14)
    _style(figure)
    given = published(summary, "accuracy")
    chosen = best_of_each({**summary, "varied": []})
    names = [one["family"] for one in chosen]
    for column, (metric, title) in enumerate(measures.items(), start=1):
        shown = MetricFormat(metric)
        figure.add_bar(
            x=names,
            y=[shown.value(one[metric]) for one in chosen],
            error_y={"array": [shown.value(one.get(f"{metric}_sem", 0.0)) for one in chosen]},
            marker={"color": [family_style(family)[0] for family in names]},
            name="ours",
            showlegend=False,
            row=1,
            col=column,
        )
        figure.update_yaxes(title=title, row=1, col=column)
    figure.add_scatter(
        x=[family for family in names if family in given],
        y=[100 * given[family]["published"] for family in names if family in given],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 44, "color": "#000000", "line": {"width": 2}},
        name="paper",
        row=1,
        col=1,
    )
    # A bar on such an axis has no natural foot: that of the decade below the lowest.
    losses = [one["test_loss"] for one in chosen]
    decades = [math.floor(math.log10(min(losses))), math.log10(max(losses)) + 0.3]
    figure.update_yaxes(type="log", dtick="D2", range=decades, row=1, col=2)
    return figure


def _style(figure: go.Figure) -> None:
    """The layout of every figure, for each of several axes."""
    shared = figure_layout()
    figure.update_xaxes(shared.pop("xaxis"))
    figure.update_yaxes(shared.pop("yaxis"))
    figure.update_layout(shared)


def _faint(colour: str) -> str:
    """A colour such as #0072B2 that lets what lies behind shine through."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.3)"


Drawn: TypeAlias = tuple[str, str, Callable[[Summary], go.Figure]]
"""A figure of the page: its file, its title, and how it is drawn."""

FIGURES: Final[dict[str, tuple[Drawn, ...]]] = {
    "table1": (
        ("results_front", "Test accuracy against trainable parameters", front),
        ("results_loss", "Test loss against trainable parameters", loss),
    ),
    "table2": (("results_in_order", "Sequential training", in_order),),
    "noise": (
        (
            "results_noise",
            "Test accuracy under noise (solid: trained with noise, dotted: without)",
            noise,
        ),
    ),
    "representation": (("results_units", "Responses of units", units),),
    "beyond": (("results_beyond", "Test accuracy against trainable parameters", front),),
}
"""The figures of each study by its name."""


def figures_of(summary: Summary) -> tuple[Drawn, ...]:
    """The figures of a study; none as long as it has no complete trial."""
    return FIGURES.get(summary["name"], ()) if complete(summary) else ()
