"""The figure of early stopping: the epochs and values of all trials, and the stopped ones by rung."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import plotly.graph_objects as go

from study.report.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    MetricFormat,
    Section,
    figure_layout,
    in_words,
    see_through,
    whole_axis,
)
from study.report.trial_text import hover
from study.results.curves import Curve
from study.results.record import TrialRecord
from study.search.observations import even
from study.search.rungs import rung_epochs
from study.spec.study_spec import StudySpec

_MOST: Final = 200

# By state: its name in the legend, colour, symbol.
_STYLES: Final = {
    "COMPLETE": ("complete", BLUE, "circle"),
    "PRUNED": ("stopped early", VERMILLION, "x"),
    "FAIL": ("failed", BLACK, "star"),
    "RUNNING": ("running or interrupted", GREY, "diamond-open"),
}


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """A rung: the number of trials that reached it, and of those that were stopped there."""

    epoch: int
    reached: int
    stopped: int


def cuts(spec: StudySpec, records: Sequence[TrialRecord]) -> list[Cut]:
    """The rungs of a study, with the numbers of trials."""
    rungs = []
    for epoch in rung_epochs(spec):
        reached = [one for one in records if one.epochs >= epoch]
        stopped = [one for one in reached if one.state == "PRUNED" and one.epochs == epoch]
        rungs.append(Cut(epoch, len(reached), len(stopped)))
    return rungs


def stopping_members(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials whose curves are drawn: at most 200, including the front."""
    trained = [record for record in records if record.epochs > 0]
    front = [record for record in trained if record.on_front]
    others = [record for record in trained if not record.on_front]
    kept = even(front, _MOST)
    kept += even(others, _MOST - len(kept))
    return sorted(kept, key=lambda record: record.trial)


def stopping_figure(
    spec: StudySpec, records: Sequence[TrialRecord], metric: str, curves: Mapping[str, Curve]
) -> go.Figure:
    """The learning curves, coloured by state, with marks at their ends, and the rungs."""
    shown = MetricFormat(metric)
    figure = go.Figure(layout=figure_layout())
    for state, (name, colour, symbol) in _STYLES.items():
        members = [
            record
            for record in stopping_members(records)
            if _state(record) == state and record.run_id in curves
        ]
        if members:
            # One trace for all lines: hundreds of traces make a page slow.
            x: list[float | None] = []
            y: list[float | None] = []
            for curve in (curves[record.run_id] for record in members):
                x += [*curve.steps, None]
                y += [*(shown.curve_value(value) for value in curve.values), None]
            figure.add_scatter(
                x=x,
                y=y,
                mode="lines",
                line={"color": see_through(colour, 0.3), "width": 1.2},
                legendgroup=state,
                hoverinfo="skip",
                showlegend=False,
            )
            ends = [curves[record.run_id] for record in members]
            figure.add_scatter(
                x=[curve.steps[-1] for curve in ends],
                y=[shown.curve_value(curve.values[-1]) for curve in ends],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 9, "opacity": 0.8},
                name=name,
                legendgroup=state,
                text=[hover(record) for record in members],
                hovertemplate="%{text}<extra></extra>",
            )
    for cut in cuts(spec, records):
        figure.add_vline(
            x=cut.epoch,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            layer="below",
            annotation={"text": f"{cut.stopped} cut", "yanchor": "bottom", "font": {"size": 13}},
            annotation_position="top",
        )
    figure.update_xaxes(
        whole_axis("epoch", spec.budget.epochs), range=[0, spec.budget.epochs * 1.03]
    )
    heights = [value for trace in figure.data for value in trace.y if value is not None]
    figure.update_yaxes(shown.curve_axis(heights))
    # Above the labels of the rungs, which take the place of the legend in other figures.
    figure.update_layout(legend={"y": 1.07})
    return figure


def stopping_section(
    spec: StudySpec, records: Sequence[TrialRecord], metric: str, curves: Mapping[str, Curve]
) -> Section:
    """The section on early stopping."""
    key, title = "stopping", "Early stopping"
    if not rung_epochs(spec):
        text = (
            f"No trial was stopped early: the scheduler of the spec is {spec.stopping.scheduler!r}, "
            f"with {spec.budget.epochs} epochs per trial."
        )
        return Section(key=key, title=title, text=text)
    if not any(record.run_id in curves for record in records):
        return Section(key=key, title=title, text="No trial has reported an epoch yet.")
    rungs = ", ".join(
        f"{cut.stopped:,} of {cut.reached:,} after epoch {cut.epoch}" for cut in cuts(spec, records)
    )
    text = (
        "Each line is a trial, with a mark at its end. At the dashed lines trials are compared by "
        f"{_ranks(spec)}, and the worst are stopped: {rungs}."
    )
    trained = sum(record.epochs > 0 for record in records)
    if trained > _MOST:
        text += f" The figure shows {_MOST} of {trained:,} trials; the numbers are for all."
    if spec.stopping.scheduler == "pareto" and len(spec.objectives) > 1:
        text += " A small network continues with a lower accuracy than a large one."
    alt = f"{MetricFormat(metric).title} by epoch for all trials, marked by their state: {rungs}."
    figure = stopping_figure(spec, records, metric, curves)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure)


def _ranks(spec: StudySpec) -> str:
    if spec.stopping.scheduler == "asha" or len(spec.objectives) == 1:
        return f"their {in_words(next(iter(spec.objectives)))}"
    names = ", ".join(in_words(name) for name in spec.objectives)
    return f"their Pareto rank ({names})"


def _state(record: TrialRecord) -> str:
    return "RUNNING" if record.state == "INTERRUPTED" else record.state
