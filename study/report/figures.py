"""The figures of a study as Plotly figures, for notebooks: `study.figures.front("mine")`.

`study.write_picture` stores one as PNG, `figure.write_html` as a page.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import plotly.graph_objects as go

from study import environment
from study.errors import BadInputError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.report.early_stopping import stopping_members, stopping_section
from study.report.front import front_section
from study.report.hypervolume import hypervolume_section
from study.report.importance import importance_section
from study.report.learning_curves import curve_members, curve_metric, curve_section
from study.report.parallel_coordinates import settings_section
from study.report.style import Section, titled
from study.results.curves import read_curves
from study.results.reader import read_study
from study.results.record import TrialRecord, without_continued, without_replaced
from study.results.stored_study import StoredStudy
from study.spec.study_spec import StudySpec

__all__ = ["curves", "front", "hypervolume", "importance", "settings", "stopping"]


def _of_trials(
    section: Callable[[StudySpec, Sequence[TrialRecord]], Section],
) -> Callable[[StoredStudy], Section]:
    return lambda stored: section(stored.spec, without_replaced(stored.records))


def _curves(stored: StoredStudy) -> Section:
    metric = curve_metric(stored.spec)
    members = [record.run_id for record in curve_members(stored.records)]
    means = read_curves(stored.home, members, f"epoch/{metric}")
    errors = read_curves(stored.home, members, f"epoch/{metric}_sem")
    return curve_section(stored.spec, stored.records, means, errors)


def _hypervolume(stored: StoredStudy) -> Section:
    parent = str(stored.parent.info.run_id)
    return hypervolume_section(read_curves(stored.home, [parent], "hypervolume").get(parent))


def _stopping(stored: StoredStudy) -> Section:
    metric, records = curve_metric(stored.spec), without_continued(stored.records)
    members = [record.run_id for record in stopping_members(records)]
    means = read_curves(stored.home, members, f"epoch/{metric}")
    return stopping_section(stored.spec, records, metric, means)


SECTIONS: Final[Mapping[str, Callable[[StoredStudy], Section]]] = {
    "front": _of_trials(front_section),
    "curves": _curves,
    "hypervolume": _hypervolume,
    "settings": _of_trials(settings_section),
    "importance": _of_trials(importance_section),
    "stopping": _stopping,
}
"""The sections of a report by the name of their figure, in order."""


def section_of(stored: StoredStudy, key: str) -> Section:
    """The section with a figure. Raises BadInputError, with the reason, if there is nothing to draw."""
    section = SECTIONS[key](stored)
    if section.figure is None:
        raise BadInputError(f"the study {stored.spec.name!r} has no figure {key!r}: {section.text}")
    return section


def _figure(
    key: str, name: str, home: AnyHome, tracking_uri: AnyStore, *, fresh: bool
) -> go.Figure:
    section = section_of(read_study(name, Home.find(home, tracking_uri), fresh=fresh), key)
    figure = titled(section.figure, section.caption(name))
    return figure if section.height is None else figure.update_layout(height=section.height)


@environment.RECORDS
@checked_keywords
def front(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """All complete trials and the front, in the first two objectives.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("front", name, home, tracking_uri, fresh=fresh)


@environment.RECORDS
@checked_keywords
def curves(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """The learning curves of the trials on the front, with a band of one standard error.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("curves", name, home, tracking_uri, fresh=fresh)


@environment.RECORDS
@checked_keywords
def hypervolume(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """The hypervolume over ended trials, or over time.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("hypervolume", name, home, tracking_uri, fresh=fresh)


@environment.RECORDS
@checked_keywords
def settings(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """The settings of all complete trials as parallel coordinates.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("settings", name, home, tracking_uri, fresh=fresh)


@environment.RECORDS
@checked_keywords
def importance(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """The importance of the settings for reaching the front.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("importance", name, home, tracking_uri, fresh=fresh)


@environment.RECORDS
@checked_keywords
def stopping(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> go.Figure:
    """The learning curves of complete trials and of those that were stopped early.

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return _figure("stopping", name, home, tracking_uri, fresh=fresh)
