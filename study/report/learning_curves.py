"""The figure of the learning curves of the front: means over replicates with standard errors."""

from collections.abc import Mapping, Sequence
from typing import Final

import plotly.graph_objects as go

from study.report.style import (
    MetricFormat,
    Section,
    family_style,
    figure_layout,
    see_through,
    sequence_colour,
    whole_axis,
)
from study.results.curves import Curve
from study.results.format import count
from study.results.record import TrialRecord
from study.search.observations import even
from study.spec.study_spec import StudySpec

MOST_CURVES: Final = 12
"""More curves cannot be distinguished."""


def curve_metric(spec: StudySpec) -> str:
    """The metric of the curves: the first objective that has any, else the validation accuracy."""
    learned = [name for name in spec.objectives if name in ("val_accuracy", "val_loss")]
    return learned[0] if learned else "val_accuracy"


def curve_members(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials on the front whose curves are drawn, in order of parameters."""
    front = sorted(
        (record for record in records if record.on_front),
        key=lambda record: record.trainable_parameters or 0,
    )
    return even(front, MOST_CURVES)


def curve_figure(
    metric: str,
    members: Sequence[TrialRecord],
    curves: Mapping[str, Curve],
    errors: Mapping[str, Curve],
) -> go.Figure:
    """A line for each trial, from light (fewest parameters) to dark, with a band of one standard error.

    `curves` and `errors` are by run id. The mark at the end is the symbol of the family.
    """
    shown = MetricFormat(metric)
    figure = go.Figure(layout=figure_layout())
    drawn = [record for record in members if record.run_id in curves]
    for place, record in enumerate(drawn):
        curve = curves[record.run_id]
        colour = sequence_colour(place / max(len(drawn) - 1, 1))
        values = [shown.curve_value(value) for value in curve.values]
        band = _band(curve, errors.get(record.run_id), shown)
        if band is not None:
            figure.add_scatter(
                x=[*curve.steps, *reversed(curve.steps)],
                y=band,
                fill="toself",
                fillcolor=see_through(colour, 0.16),
                line={"width": 0},
                mode="lines",
                legendgroup=str(record.trial),
                hoverinfo="skip",
                showlegend=False,
            )
        sizes = [0] * (len(values) - 1) + [10]
        figure.add_scatter(
            x=curve.steps,
            y=values,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"color": colour, "symbol": family_style(record.family)[1], "size": sizes},
            name=f"{record.trial}: {record.label()}, {count(record.trainable_parameters)}",
            legendgroup=str(record.trial),
            customdata=_hover_values(curve, errors.get(record.run_id), shown),
            hovertemplate=(
                f"<b>trial {record.trial}: {record.label()}</b><br>"
                "epoch %{x}: %{customdata}<extra></extra>"
            ),
        )
    last = max((curves[record.run_id].steps[-1] for record in drawn), default=1)
    figure.update_xaxes(whole_axis("epoch", last), rangemode="tozero")
    heights = [value for trace in figure.data for value in trace.y if value is not None]
    figure.update_yaxes(shown.curve_axis(heights))
    return figure


def curve_section(
    spec: StudySpec,
    records: Sequence[TrialRecord],
    curves: Mapping[str, Curve],
    errors: Mapping[str, Curve],
) -> Section:
    """The section on learning curves."""
    key, title = "curves", "Learning curves of the front"
    members = [record for record in curve_members(records) if record.run_id in curves]
    if not members:
        text = "No trial on the front has a learning curve yet."
        return Section(key=key, title=title, text=text)
    on_front = sum(record.on_front for record in records)
    text = (
        "Each line is a network on the front, from light (fewest parameters) to dark; the legend shows "
        "its trial, network and trainable parameters. The values are those of each epoch; bands are "
        "one standard error over replicates."
    )
    if curve_metric(spec) == "val_accuracy":
        text += " The axis is stretched towards 100 %."
    if len(members) < on_front:
        text += f" The figure shows {len(members)} of {on_front}, an even subset by size."
    alt = (
        f"{MetricFormat(curve_metric(spec)).title} by epoch for {len(members)} trials on the front."
    )
    figure = curve_figure(curve_metric(spec), members, curves, errors)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure)


def _band(curve: Curve, error: Curve | None, shown: MetricFormat) -> list[float | None] | None:
    if error is None:
        return None
    known = error.by_step()
    sems = [known.get(step, 0.0) for step in curve.steps]
    high = [value + sem for value, sem in zip(curve.values, sems, strict=True)]
    # A band on a logarithmic axis must not reach zero.
    low = [max(value - sem, value / 10) for value, sem in zip(curve.values, sems, strict=True)]
    return [shown.curve_value(value) for value in [*high, *reversed(low)]]


def _hover_values(curve: Curve, error: Curve | None, shown: MetricFormat) -> list[str]:
    """The values with their errors, for hover labels."""
    texts, known = [], {} if error is None else error.by_step()
    for step, value in zip(curve.steps, curve.values, strict=True):
        sem = shown.value(known.get(step))
        texts.append(f"{shown.value(value):.4g}" + ("" if sem is None else f" ± {sem:.2g}"))
    return texts
