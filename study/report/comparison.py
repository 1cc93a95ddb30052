"""The report of several studies on one page: their fronts, their hypervolumes and the joint front."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import plotly.graph_objects as go

from study.report.document import Part, copied, document, figure_part, table
from study.report.front import Axes, set_axes
from study.report.hypervolume import changes
from study.report.style import Section, figure_layout, nth_style, whole_axis
from study.report.summary import listed, summary
from study.report.trial_text import front_cells, hover
from study.results.comparison import ComparedStudy, Comparison
from study.results.curves import Curve
from study.results.format import count, percent
from study.results.record import TrialRecord, without_replaced
from study.results.stored_study import StoredStudy
from study.search.observations import even

_MOST: Final = 1500  # points behind the fronts, for the speed of a phone


def comparison_page(
    comparison: Comparison, studies: Sequence[StoredStudy], hypervolumes: Mapping[str, Curve]
) -> str:
    """The page; `hypervolumes` are by the name of the study. All text from the store is escaped."""
    names = [stored.spec.name for stored in studies]
    sections = [
        fronts_section(studies),
        hypervolumes_section(names, hypervolumes if _is_comparable(comparison) else {}),
    ]
    fronts, course = map(figure_part, sections)
    parts = [
        fronts,
        Part(key="studies", title="The studies", html=_studies(comparison, studies)),
        Part(key="table", title="Joint front", html=_joint_front(comparison)),
        course,
    ]
    trials = sum(one.status.trials for one in comparison.studies)
    text = f"{len(names)} studies with {trials:,} ended trials."
    best = max(
        (one.status for one in comparison.studies if one.status.best is not None),
        key=lambda status: (status.best and status.best.pooled("val_accuracy")[0]) or 0.0,
        default=None,
    )
    if best is not None and best.best is not None:
        accuracy = percent(*best.best.pooled("val_accuracy"))
        text += f" The best validation accuracy is {accuracy} %, in {best.name}."
    return document(listed(names), "Comparison of studies", text, parts, sections)


def fronts_section(studies: Sequence[StoredStudy]) -> Section:
    """The section with the fronts of all studies in one figure."""
    key, title = "front", "The fronts"
    if not any(stored.front() for stored in studies):
        text = "No trial is complete yet, so there is no front."
        return Section(key=key, title=title, text=text)
    text = (
        "Each point is a complete trial; its colour and symbol indicate the study. Filled points are "
        "on the front of their study. The axes are the first two objectives of "
        f"{studies[0].spec.name}."
    )
    if any(record.confirmed_replicates for stored in studies for record in stored.records):
        text += " Confirmed trials are at the pooled values of search and confirmation."
    names = listed([stored.spec.name for stored in studies])
    alt = f"Scatter plot of the complete trials of {names}, with the front of each."
    return Section(key=key, title=title, text=text, alt=alt, figure=fronts_figure(studies))


def fronts_figure(studies: Sequence[StoredStudy]) -> go.Figure:
    """The complete trials of all studies by the first two objectives of the first study."""
    spec = studies[0].spec
    axes = Axes.of(spec)
    figure = go.Figure(layout=figure_layout())
    drawn: list[tuple[float, float]] = []
    for number, stored in enumerate(studies):
        records = without_replaced(stored.records)
        complete = [one for one in records if one.state == "COMPLETE" and axes.point(one)]
        front = [record for record in complete if record.on_front]
        behind = [record for record in complete if not record.on_front]
        behind = even(behind, _MOST // len(studies))
        front.sort(key=lambda one: axes.point(one) or (0.0, 0.0))
        groups = ((behind, not front), (front, True))
        for members, is_shown in groups:
            if members:
                trace = _points(axes, stored, number, members)
                figure.add_scatter(**trace, showlegend=is_shown)
                drawn += axes.points(members)
    set_axes(figure, axes, spec, drawn, drawn)
    return figure


def _points(
    axes: Axes, stored: StoredStudy, number: int, records: Sequence[TrialRecord]
) -> dict[str, Any]:
    name, objectives = stored.spec.name, stored.spec.objectives
    colour, symbol = nth_style(number)
    # A value of the front is also reached at all higher costs.
    shape = "vh" if objectives.get(axes.x.metric) == "maximize" else "hv"
    is_on_front = records[0].on_front
    points = axes.points(records)
    is_line = is_on_front and len(objectives) == 2  # noqa: PLR2004  # only then is the front one
    bars = [axes.y.value(record.pooled(axes.y.metric)[1]) or 0.0 for record in records]
    return {
        "error_y": {"array": bars if is_on_front else None, "color": colour, "width": 4},
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "mode": "lines+markers" if is_line else "markers",
        "line": {"color": colour, "width": 1.5, "dash": "dot", "shape": shape},
        "marker": {
            "color": colour,
            "symbol": symbol if is_on_front else f"{symbol}-open",
            "size": 12 if is_on_front else 7,
            "opacity": 1.0 if is_on_front else 0.5,
        },
        "name": name,
        "legendgroup": str(number),
        "text": [f"{name}<br>{hover(record)}" for record in records],
        "hovertemplate": "%{text}<extra></extra>",
    }


def hypervolumes_section(names: Sequence[str], hypervolumes: Mapping[str, Curve]) -> Section:
    """The section with the hypervolumes of all studies in one figure."""
    key, title = "hypervolume", "Hypervolume over trials"
    curves = {name: hypervolumes[name] for name in names if name in hypervolumes}
    if not curves:
        text = (
            "There are no comparable hypervolumes: the objectives differ, or nothing is complete."
        )
        return Section(key=key, title=title, text=text)
    figure = go.Figure(layout=figure_layout())
    for number, name in enumerate(names):
        if name in curves:
            curve = curves[name]
            places = even(changes(curve.values), _MOST)
            figure.add_scatter(
                x=[curve.steps[place] for place in places],
                y=[curve.values[place] for place in places],
                mode="lines",
                line={"color": nth_style(number)[0], "width": 3, "shape": "hv"},
                name=name,
                hovertemplate=f"{escape(name)}<br>%{{y:.4f}} after %{{x:,}} trials<extra></extra>",
            )
    longest = max(curve.steps[-1] for curve in curves.values())
    figure.update_xaxes(whole_axis("ended trials", longest))
    figure.update_yaxes(title={"text": "hypervolume"})
    lasts = listed([f"{curve.values[-1]:.4f} in {name}" for name, curve in curves.items()])
    text = (
        "The share of the box of the objectives that each front dominates, after each ended trial. "
        f"At the end it is {lasts}."
    )
    alt = f"Step lines: the hypervolume at the end is {lasts}."
    return Section(key=key, title=title, text=text, alt=alt, figure=figure)


def _is_comparable(comparison: Comparison) -> bool:
    return all(one.joint is not None for one in comparison.studies)


def _studies(comparison: Comparison, studies: Sequence[StoredStudy]) -> str:
    at = "" if comparison.accuracy is None else f" at {100 * comparison.accuracy:.2f} %"
    cells = {
        "study": [one.status.name for one in comparison.studies],
        "trials": [str(one.status.trials) for one in comparison.studies],
        "epochs": [f"{one.status.epochs:,}" for one in comparison.studies],
        "front": [str(one.status.front) for one in comparison.studies],
        "best validation %": list(map(_best, comparison.studies)),
        "confirmed %": list(map(_confirmed, comparison.studies)),
        f"parameters{at}": list(map(_smallest, comparison.studies)),
    }
    if not any(cells["confirmed %"]):
        del cells["confirmed %"]
    if _is_comparable(comparison):
        cells["hypervolume"] = [f"{one.status.hypervolume:.4f}" for one in comparison.studies]
        cells["on the joint front"] = [str(one.joint) for one in comparison.studies]
    warnings = "".join(f"<li>{escape(text)}</li>" for text in comparison.differences)
    described = "".join(
        f"<h3>{escape(stored.spec.name)}</h3><p>{escape(summary(stored))}</p>" for stored in studies
    )
    return (
        '<section id="studies"><h2>The studies</h2>'
        + (f"<ul>{warnings}</ul>" if warnings else "")
        + table(cells, rows="study", left=(), label="The studies as a table")
        + f"{described}</section>\n"
    )


def _best(one: ComparedStudy) -> str:
    best = one.status.best
    return "" if best is None else percent(best.val_accuracy, best.val_accuracy_sem)


def _confirmed(one: ComparedStudy) -> str:
    return "" if one.status.best is None else one.status.best.confirmed_percent


def _smallest(one: ComparedStudy) -> str:
    return "" if one.smallest is None else count(one.smallest.trainable_parameters)


def _joint_front(comparison: Comparison) -> str:
    head = '<section id="table"><h2>The joint front</h2>'
    if not comparison.front:
        return f"{head}<p>There is no joint front.</p></section>\n"
    names, records = zip(*comparison.front, strict=True)
    cells = {"trial": [], "study": list(names)} | front_cells(records)
    return (
        f"{head}<p>No trial of any of the studies is better in one objective and at least as good in "
        "the others. In order of parameters; ± is one standard error over replicates.</p>"
        f"{table(cells, rows='trial', left=('study', 'network'), label='The joint front')}"
        f"{copied(str(comparison.front_frame().to_csv()))}</section>\n"
    )
