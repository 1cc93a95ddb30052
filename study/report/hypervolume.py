"""The figure of the hypervolume over the course of a study."""

from typing import Final

import plotly.graph_objects as go

from study.report.style import BLUE, Section, figure_layout, whole_axis
from study.results.curves import Curve
from study.search.observations import even

_MOST: Final = 1500
_MS_A_MINUTE: Final = 60_000


def hypervolume_figure(curve: Curve) -> go.Figure:
    """The hypervolume as a step line over ended trials, or over minutes, with a button for each."""
    places = even(changes(curve.values), _MOST)
    minutes = [(curve.times[place] - curve.times[0]) / _MS_A_MINUTE for place in places]
    steps = [curve.steps[place] for place in places]
    figure = go.Figure(layout=figure_layout())
    figure.add_scatter(
        x=steps,
        y=[curve.values[place] for place in places],
        mode="lines",
        line={"color": BLUE, "width": 3, "shape": "hv"},
        customdata=[[step, f"{minute:.1f}"] for step, minute in zip(steps, minutes, strict=True)],
        hovertemplate=(
            "hypervolume %{y:.4f}<br>after %{customdata[0]:,} trials,<br>"
            "%{customdata[1]} minutes after the first one<extra></extra>"
        ),
        showlegend=False,
    )
    trials = whole_axis("ended trials", steps[-1])
    figure.update_xaxes(trials)
    figure.update_yaxes(title={"text": "hypervolume"})
    choices = (
        ("by trials", steps, trials),
        ("by minutes", minutes, {"title": {"text": "minutes"}, "dtick": None, "tickformat": ""}),
    )
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "x": 0,
                "xanchor": "left",
                "y": 1.03,
                "yanchor": "bottom",
                "pad": {"t": 0, "b": 0},
                "buttons": [
                    {
                        "label": name,
                        "method": "update",
                        "args": [
                            {"x": [values]},
                            {f"xaxis.{key}": value for key, value in axis.items()}
                            | {"xaxis.autorange": True},
                        ],
                    }
                    for name, values, axis in choices
                ],
            }
        ]
    )
    return figure


def hypervolume_section(curve: Curve | None) -> Section:
    """The section on the hypervolume; `curve` is that of the parent run, if any."""
    key, title = "hypervolume", "Hypervolume over time"
    if curve is None or not any(curve.values):
        text = "No trial is complete yet, so the front has no hypervolume."
        return Section(key=key, title=title, text=text)
    text = (
        "The share of the box of the objectives that the front dominates, after each ended trial. The "
        "box is fixed, with counts on a logarithmic scale, so hypervolumes of studies with the same "
        "objectives are comparable. While the line is flat, the search found nothing better."
    )
    last, final_value = curve.steps[-1], curve.values[-1]
    reached = next(
        step
        for step, value in zip(curve.steps, curve.values, strict=True)
        if value >= 0.99 * final_value
    )
    text += f" It reached 99 % of its last value after {reached:,} of {last:,} trials."
    alt = f"Step line: the hypervolume rises to {final_value:.4f} after {last:,} trials."
    figure = hypervolume_figure(curve)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure)


def changes(values: list[float]) -> list[int]:
    """The places where the value changes, and both ends."""
    last = len(values) - 1
    return [at for at in range(len(values)) if at in (0, last) or values[at] != values[at - 1]]
