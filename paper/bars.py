"""The bars of docs/results.md: what units respond to, and what is left of classes in order."""

import math
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paper.choose import best_of_each
from paper.claim_tables import published
from paper.files import Summary
from study.report.style import Shown, family_style, layout

_PARTS: Final = {"layer1_dendrites": "dendrites", "layer1_somata": "somata"}


def units(summary: Summary) -> go.Figure:
    """Entropy and selectivity of dendrites and somata, of the best of each family."""
    measures = {"entropy": "entropy (bits)", "selectivity": "selectivity (classes)"}
    figure = make_subplots(1, len(measures), horizontal_spacing=0.12)
    _style(figure)
    for column, (measure, title) in enumerate(measures.items(), start=1):
        for chosen in best_of_each({**summary, "varied": []}):
            found = chosen.get("diagnostics", {})
            names = {f"test_{part}_{measure}": said for part, said in _PARTS.items()}
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
        shown = Shown(metric)
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
    shared = layout()
    figure.update_xaxes(shared.pop("xaxis"))
    figure.update_yaxes(shared.pop("yaxis"))
    figure.update_layout(shared)
