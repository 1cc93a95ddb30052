"""Parallel coordinates: an axis for each setting and objective, a line for each complete trial.

The axes are horizontal, one below the other, to fit narrow and wide screens.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import plotly.graph_objects as go

from study.report.style import (
    GREY,
    VERMILLION,
    MetricFormat,
    Section,
    compact,
    figure_layout,
    in_words,
    log_ticks,
)
from study.report.trial_text import hover
from study.results.record import TrialRecord
from study.search.observations import even
from study.spec.dimensions import Range
from study.spec.metrics import metric_of
from study.spec.study_spec import StudySpec

_MOST: Final = 200
_LEFT_OUT: Final = frozenset({"epochs", "keep"})  # equal for all trials
_TICKS: Final = 5
_APART: Final = 0.13  # of the length of the axis, between two numbers on a phone
_LETTERS: Final = 30  # under an axis on a phone
_ROW: Final = 74  # pixels

# Quarters of the trials by the first objective, the worst first: name, colour, width, opacity.
_QUARTERS: Final = (
    ("last quarter", "#8cc5e3", 1.2, 0.5),
    ("third quarter", "#4a9bc7", 1.2, 0.55),
    ("second quarter", "#1f6f9f", 1.4, 0.6),
    ("best quarter", "#0b4a73", 1.6, 0.7),
)


@final
@dataclass(frozen=True, slots=True)
class _Axis:
    """The axis of a setting or an objective: the place of a trial, 0..1, and labels at places."""

    name: str
    place: Callable[[TrialRecord], float | None]
    ticks: list[tuple[float, str]]


def settings_figure(spec: StudySpec, records: Sequence[TrialRecord]) -> go.Figure:
    """The complete trials as lines over the settings that differ, and over the objectives.

    A line has a gap at settings that do not apply to its family. At most 200 trials are drawn,
    including the front.
    """
    members = _members(spec, records)
    axes = _axes(spec, members)
    figure = go.Figure(layout=figure_layout())
    for row, axis in enumerate(axes):
        _draw_axis(figure, -row, axis)
    for name, group, colour, width, opacity in _groups(spec, members):
        x: list[float | None] = []
        y: list[float | None] = []
        texts: list[str | None] = []
        for record in group:
            places = [axis.place(record) for axis in axes]
            x += [*places, None]
            y += [*(None if place is None else -row for row, place in enumerate(places)), None]
            texts += [*[hover(record)] * len(axes), None]
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": colour, "width": width},
            marker={"color": colour, "size": 5},
            opacity=opacity,
            name=name,
            text=texts,
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(visible=False, range=[-0.06, 1.06], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0.65 - len(axes), 0.45], fixedrange=True)
    # The page finds the line under the pointer by this number; each line ends with a gap.
    figure.update_layout(legend={"y": 1.0}, meta={"points_a_line": len(axes) + 1})
    return figure


def settings_section(spec: StudySpec, records: Sequence[TrialRecord]) -> Section:
    """The section on settings."""
    key, title = "settings", "Settings of all trials"
    complete = [record for record in records if record.point(spec.objectives) is not None]
    if len(complete) < 2:  # noqa: PLR2004  # one line shows no comparison
        text = f"This needs two complete trials; there are {len(complete)}."
        return Section(key=key, title=title, text=text)
    first = in_words(next(iter(spec.objectives)))
    text = (
        "Parallel coordinates: each line is a complete trial, each axis a setting or an objective. "
        f"Thick lines are on the front, the others are coloured by {first}. The pointer highlights a "
        "line; a click on a name in the legend hides its lines, a double click all others. A line has "
        "a gap at settings that do not apply to its family."
    )
    members = _members(spec, records)
    if len(members) < len(complete):
        text += f" The figure shows {len(members)} of {len(complete):,} trials, the front first."
    rows = len(_axes(spec, members))
    alt = f"Parallel coordinates of {len(members)} complete trials over {rows} axes."
    figure = settings_figure(spec, records)
    return Section(
        key=key, title=title, text=text, alt=alt, figure=figure, height=110 + _ROW * rows
    )


def _members(spec: StudySpec, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    complete = [record for record in records if record.point(spec.objectives) is not None]
    front = even([record for record in complete if record.on_front], _MOST)
    others = [record for record in complete if not record.on_front]
    return front + even(others, _MOST - len(front))


def _groups(
    spec: StudySpec, members: Sequence[TrialRecord]
) -> list[tuple[str, list[TrialRecord], str, float, float]]:
    name, direction = next(iter(spec.objectives.items()))
    others = [record for record in members if not record.on_front]
    others.sort(key=lambda record: record.pooled(name)[0] or 0.0, reverse=direction == "minimize")
    groups = []
    for quarter, (title, colour, width, opacity) in enumerate(_QUARTERS):
        start, end = (len(others) * part // len(_QUARTERS) for part in (quarter, quarter + 1))
        groups.append((title, others[start:end], colour, width, opacity))
    front = [record for record in members if record.on_front]
    groups.append(("on the front", front, VERMILLION, 2.6, 0.9))
    return [group for group in groups if group[1]]


def _axes(spec: StudySpec, members: Sequence[TrialRecord]) -> list[_Axis]:
    axes = []
    names = dict.fromkeys(
        key for record in members for key in record.architecture | record.training
    )
    for name in names:
        values = {_setting(record, name) for record in members} - {None}
        if name not in _LEFT_OUT and len(values) > 1:
            axes.append(_setting_axis(spec, name, values))
    return axes + [_objective_axis(name, members) for name in spec.objectives]


def _setting(record: TrialRecord, name: str) -> Any:  # noqa: ANN401  # the setting's own type
    return (record.architecture | record.training).get(name)


def _setting_axis(spec: StudySpec, name: str, values: set[Any]) -> _Axis:
    dimension = getattr(spec.space, name, None)
    if isinstance(dimension, Range):
        scale = math.log if dimension.log else float
        low, high = scale(dimension.low), scale(dimension.high)
        return _Axis(
            name,
            lambda record: _share(_setting(record, name), scale, low, high),
            _ticks(dimension.low, dimension.high, log=dimension.log, integer=dimension.integer),
        )
    # Values of a choice are spaced evenly: numbers in order, families in the order of the spec.
    order = {family: place for place, family in enumerate(spec.families)}
    ordered = sorted(values, key=lambda value: (order.get(value, len(order)), value))
    spots = {value: at / (len(ordered) - 1) for at, value in enumerate(ordered)}
    ticks = [
        (spots[value], compact(value) if isinstance(value, float) else str(value))
        for value in ordered
    ]

    def place(record: TrialRecord) -> float | None:
        spot = spots.get(_setting(record, name))
        # Spreads lines with equal choices.
        return None if spot is None else spot + 0.05 * ((0.618034 * record.trial) % 1 - 0.5)

    return _Axis(name, place, ticks)


def _objective_axis(name: str, members: Sequence[TrialRecord]) -> _Axis:
    shown = MetricFormat(name)
    log = metric_of(name).log
    placed = [shown.place(record.pooled(name)[0]) for record in members]
    values = [value for value in placed if value is not None and (value > 0 or not log)]
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    if low == high:
        aside = abs(low) / 10 or 1.0
        low, high = low - aside, high + aside
    scale = math.log if log else float
    return _Axis(
        shown.title,
        lambda record: _share(shown.place(record.pooled(name)[0]), scale, scale(low), scale(high)),
        _ticks(low, high, log=log, integer=False),
    )


def _share(
    value: float | None, scale: Callable[[float], float], low: float, high: float
) -> float | None:
    if value is None or (scale is math.log and value <= 0):
        return None
    return (scale(value) - low) / (high - low)


def _ticks(low: float, high: float, *, log: bool, integer: bool) -> list[tuple[float, str]]:
    """Labels at both ends, and at round numbers between them where they fit."""
    if log:
        inner = log_ticks(math.log10(low), math.log10(high), (1, 2, 5))
    else:
        inner = [low + step * (high - low) / (_TICKS - 1) for step in range(1, _TICKS - 1)]
        inner = [float(round(value)) for value in inner] if integer else inner
    scale = math.log if log else float
    length = scale(high) - scale(low)
    ticks = [(0.0, low), (1.0, high)]
    for value in inner:
        place = (scale(value) - scale(low)) / length
        if all(abs(place - other) >= _APART for other, _ in ticks):
            ticks.append((place, value))
    return [(place, compact(value)) for place, value in sorted(ticks)]


def _draw_axis(figure: go.Figure, y: int, axis: _Axis) -> None:
    figure.add_shape(
        type="line", x0=-0.03, x1=1.03, y0=y, y1=y, line={"color": GREY, "width": 1}, layer="below"
    )
    figure.add_annotation(
        x=0,
        xref="paper",
        xanchor="left",
        y=y,
        yshift=9,
        yanchor="bottom",
        text=f"<b>{in_words(axis.name)}</b>",
        bgcolor="rgba(255,255,255,0.85)",
        showarrow=False,
    )
    # Long names alternate between two rows, so that neighbours do not overlap on a phone.
    rows = 2 if sum(len(text) for _, text in axis.ticks) > _LETTERS else 1
    for number, (place, text) in enumerate(axis.ticks):
        figure.add_annotation(
            x=place,
            y=y,
            yshift=-4 - 16 * (number % rows),
            yanchor="top",
            text=text,
            bgcolor="rgba(255,255,255,0.8)",
            borderpad=0,
            font={"size": 12, "color": "#333333"},
            showarrow=False,
        )
