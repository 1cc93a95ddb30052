"""The figure of the front: all trials by the first two objectives, the front with its errors."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import plotly.graph_objects as go

from study.report.style import GREY, MetricFormat, Section, family_style, figure_layout
from study.report.trial_text import hover
from study.results.record import TrialRecord
from study.search.observations import even
from study.spec.study_spec import StudySpec

_MOST: Final = 1500  # points behind the front, for the speed of a phone
_MOST_BEHIND: Final = 1000  # complete ones among these


@final
@dataclass(frozen=True, slots=True)
class Axes:
    """The objectives on the axes of a front."""

    x: MetricFormat
    y: MetricFormat

    @classmethod
    def of(cls, spec: StudySpec) -> "Axes":
        """The second objective on the x axis, the first on y; swapped if only the first is a cost."""
        first, *others = spec.objectives
        if not others:
            others = ["val_accuracy" if first == "trainable_parameters" else "trainable_parameters"]
        second = others[0]
        if MetricFormat(first).log and not MetricFormat(second).log:
            first, second = second, first
        return cls(MetricFormat(second), MetricFormat(first))

    def point(self, record: TrialRecord) -> tuple[float, float] | None:
        """The place of a trial, by pooled values if it was confirmed; None if a value is missing."""
        x = self.x.place(record.pooled(self.x.metric)[0])
        y = self.y.place(record.pooled(self.y.metric)[0])
        return None if x is None or y is None else (x, y)

    def points(self, records: Iterable[TrialRecord]) -> list[tuple[float, float]]:
        """The places of those trials that have one."""
        return [point for record in records if (point := self.point(record)) is not None]


def front_figure(spec: StudySpec, records: Sequence[TrialRecord]) -> go.Figure:
    """The first two objectives of the trials; those on the front are filled, with standard errors.

    Open points are complete and behind the front, dots were stopped early, crosses violate a
    constraint. All trials on the front are drawn, and at most 1,500 others.
    """
    axes = Axes.of(spec)
    figure = go.Figure(layout=figure_layout())
    placed = [record for record in records if axes.point(record) is not None]
    front = [record for record in placed if record.on_front]
    behind = [record for record in placed if record.state == "COMPLETE" and not record.on_front]
    stopped = [record for record in placed if record.state == "PRUNED"]
    behind, stopped = _drawn(behind, stopped)
    if len(spec.objectives) == 2 and front:  # noqa: PLR2004  # only then is the front a line
        _add_line(figure, axes, spec, front)
    if stopped:
        figure.add_scatter(**_dots(axes, stopped))
    broken = [record for record in behind if record.feasible is False]
    if broken:
        figure.add_scatter(**_crosses(axes, broken))
    complete = front + [record for record in behind if record.feasible is not False]
    for family in sorted({record.family for record in complete}):
        _add_family(figure, axes, [record for record in complete if record.family == family])
    drawn = axes.points([*front, *behind, *stopped])
    set_axes(figure, axes, spec, drawn, axes.points(complete))
    return figure


def front_section(spec: StudySpec, records: Sequence[TrialRecord]) -> Section:
    """The section on the front."""
    key, title = "front", "The front"
    complete = [record for record in records if record.state == "COMPLETE"]
    if not complete:
        text = "No trial is complete yet, so there is no front."
        return Section(key=key, title=title, text=text)
    front = [record for record in records if record.on_front]
    stopped = [record for record in records if record.state == "PRUNED"]
    kept = _drawn([record for record in complete if not record.on_front], stopped)
    drawn = len(front) + sum(map(len, kept))
    text = (
        "Each point is a network; its colour and symbol indicate the family. Filled points are on the "
        "front: no other complete trial is better in one objective and at least as good in the others. "
        "Bars are standard errors over replicates."
    )
    if any(record.confirmed_replicates for record in complete):
        text += " Confirmed trials are at the pooled values of search and confirmation."
    if stopped:
        text += " Dots are trials that were stopped early, with their last values."
    if drawn < len(complete) + len(stopped):
        total = len(complete) + len(stopped)
        text += f" The figure shows {drawn:,} of {total:,} trials, with the whole front."
    text += " A double click shows all points, also those far below."
    alt = (
        f"Scatter plot of {len(complete)} complete trials of {spec.name}, {len(front)} of them on "
        "the Pareto front, which the table below lists."
    )
    figure = front_figure(spec, records)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure)


def _drawn(
    behind: list[TrialRecord], stopped: list[TrialRecord]
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    kept = even(behind, max(_MOST - len(stopped), _MOST_BEHIND))
    return kept, even(stopped, _MOST - len(kept))


def _add_line(figure: go.Figure, axes: Axes, spec: StudySpec, front: Sequence[TrialRecord]) -> None:
    points = sorted(axes.points(front))
    # A value of the front is also reached at all higher costs.
    rises_right = spec.objectives[axes.x.metric] == "minimize"
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines",
        line={"color": GREY, "dash": "dot", "shape": "hv" if rises_right else "vh"},
        name="Pareto front (filled, ± standard error)",
        hoverinfo="skip",
    )


def _add_family(figure: go.Figure, axes: Axes, members: Sequence[TrialRecord]) -> None:
    """Adds two traces with one legend entry: trials behind the front, and on it."""
    ahead = [record for record in members if record.on_front]
    behind = [record for record in members if not record.on_front]
    for group, is_shown in ((behind, not ahead), (ahead, True)):
        if group:
            figure.add_scatter(**_points(axes, group), showlegend=is_shown)


def _points(axes: Axes, records: Sequence[TrialRecord]) -> dict[str, Any]:
    family, is_on_front = records[0].family, records[0].on_front
    colour, symbol = family_style(family)
    trace = _scatter(axes, records) | {
        "marker": {
            "color": colour,
            "symbol": symbol if is_on_front else f"{symbol}-open",
            "size": 13 if is_on_front else 9,
            "opacity": 1.0 if is_on_front else 0.8,
            "line": {"width": 0 if is_on_front else 1.8},
        },
        "name": family,
        "legendgroup": family,
    }
    if is_on_front:
        for side, shown in (("error_x", axes.x), ("error_y", axes.y)):
            errors = [shown.value(one.pooled(shown.metric)[1]) for one in records]
            if any(errors):
                bars = [error or 0.0 for error in errors]
                trace[side] = {"array": bars, "color": colour, "thickness": 2, "width": 5}
    return trace


def _dots(axes: Axes, records: Sequence[TrialRecord]) -> dict[str, Any]:
    colours = [family_style(record.family)[0] for record in records]
    return _scatter(axes, records) | {
        "marker": {"color": colours, "symbol": "circle", "size": 5, "opacity": 0.6},
        "name": "stopped early",
    }


def _crosses(axes: Axes, records: Sequence[TrialRecord]) -> dict[str, Any]:
    line = {"color": GREY, "width": 1.5}
    return _scatter(axes, records) | {
        "marker": {"color": GREY, "symbol": "x-thin", "size": 8, "line": line},
        "name": "violates a constraint",
    }


def _scatter(axes: Axes, records: Sequence[TrialRecord]) -> dict[str, Any]:
    points = axes.points(records)
    return {
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "mode": "markers",
        "text": [hover(record) for record in records],
        "hovertemplate": "%{text}<extra></extra>",
    }


def set_axes(
    figure: go.Figure,
    axes: Axes,
    spec: StudySpec,
    drawn: Sequence[tuple[float, float]],
    complete: Sequence[tuple[float, float]],
) -> None:
    """Fits the axes to the points that are drawn, those of `complete` trials in the first place."""
    if not drawn:
        return
    figure.update_xaxes(axes.x.axis([x for x, _ in drawn]))
    figure.update_yaxes(axes.y.axis([y for _, y in drawn]))
    heights = sorted(y for _, y in complete or drawn)
    if not axes.y.log and spec.objectives.get(axes.y.metric) == "maximize":
        # A few networks that learned nothing must not compress the rest of the axis.
        low = heights[math.floor(0.1 * (len(heights) - 1))]
        ends = [end for trace in figure.data for end in _ends(trace)]
        low, high = min([low, *ends]), max([*ends, *(y for _, y in drawn)])
        margin = 0.06 * (high - low) or 1.0
        figure.update_yaxes(range=[low - margin, high + margin])


def _ends(trace: Any) -> list[float]:  # noqa: ANN401  # plotly has no types
    """The ends of the error bars of a trace, if any."""
    if trace.error_y.array is None:
        return []
    return [
        end
        for y, error in zip(trace.y, trace.error_y.array, strict=True)
        for end in (y - error, y + error)
    ]
