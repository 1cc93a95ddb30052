"""The figures of a study as Plotly figures, for notebooks: `study.figures.front("mine")`.

`study.write_picture` stores one as PNG, `figure.write_html` as a page.
"""

from collections.abc import Callable
from typing import Final, Protocol

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
from study.results.record import without_continued
from study.results.stored_study import StoredStudy

__all__ = ["curves", "front", "hypervolume", "importance", "settings", "stopping"]


SECTIONS: Final[dict[str, Callable[[StoredStudy], Section]]] = {}
"""The sections of a report by the name of their figure, in order."""


def section_of(stored: StoredStudy, key: str) -> Section:
    """The section with a figure. Raises BadInputError, with the reason, if there is nothing to draw."""
    section = SECTIONS[key](stored)
    if section.figure is None:
        raise BadInputError(f"the study {stored.spec.name!r} has no figure {key!r}: {section.text}")
    return section


class _Drawing(Protocol):
    """The functions that draw a figure of a study."""

    def __call__(
        self,
        name: str,
        *,
        home: AnyHome = None,
        tracking_uri: AnyStore = None,
        fresh: bool = False,
    ) -> go.Figure: ...


def _drawn(section: Callable[[StoredStudy], Section]) -> _Drawing:
    """A decorator of a section, which enters it in `SECTIONS`, and gives a function for its figure."""
    key = section.__name__

    def draw(
        name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
    ) -> go.Figure:
        section = section_of(read_study(name, Home.find(home, tracking_uri), fresh=fresh), key)
        figure = titled(section.figure, section.caption(name))
        return figure if section.height is None else figure.update_layout(height=section.height)

    SECTIONS[key] = section
    draw.__name__ = draw.__qualname__ = key
    draw.__doc__ = f"""{section.__doc__}

    Raises NotFoundError if there is no such study, BadInputError if there is nothing to draw.
    """
    return environment.RECORDS(checked_keywords(draw))


@_drawn
def front(stored: StoredStudy) -> Section:
    """All complete trials and the front, in the first two objectives."""
    return front_section(stored.spec, stored.records)


@_drawn
def curves(stored: StoredStudy) -> Section:
    """The learning curves of the trials on the front, with a band of one standard error."""
    metric = curve_metric(stored.spec)
    members = [record.run_id for record in curve_members(stored.records)]
    means = read_curves(stored.home, members, f"epoch/{metric}")
    errors = read_curves(stored.home, members, f"epoch/{metric}_sem")
    return curve_section(stored.spec, stored.records, means, errors)


@_drawn
def hypervolume(stored: StoredStudy) -> Section:
    """The hypervolume over ended trials, or over time."""
    parent = str(stored.parent.info.run_id)
    return hypervolume_section(read_curves(stored.home, [parent], "hypervolume").get(parent))


@_drawn
def settings(stored: StoredStudy) -> Section:
    """The settings of all complete trials as parallel coordinates."""
    return settings_section(stored.spec, stored.records)


@_drawn
def importance(stored: StoredStudy) -> Section:
    """The importance of the settings for each objective."""
    return importance_section(stored.spec, stored.records)


@_drawn
def stopping(stored: StoredStudy) -> Section:
    """The learning curves of complete trials and of those that were stopped early."""
    metric, records = curve_metric(stored.spec), without_continued(stored.records)
    members = [record.run_id for record in stopping_members(records)]
    means = read_curves(stored.home, members, f"epoch/{metric}")
    return stopping_section(stored.spec, records, metric, means)
