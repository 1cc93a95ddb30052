"""The report of a study: one HTML page that works offline, or one of its figures as a PNG.

All data are read from MLflow, so any machine with the tracking URI can create a report, also of a
running study.
"""

from pathlib import Path
from typing import Final

import plotly.graph_objects as go

from study import environment
from study.errors import BadInputError, StudyError, nearest
from study.home import AnyHome, Home
from study.keywords import checked_keywords
from study.report.figures import SECTIONS, section_of
from study.report.page import page
from study.report.style import titled
from study.results.reader import read_study

FIGURES: Final = tuple(SECTIONS)
"""The figures of a report by name, in their order."""

_WIDTH: Final = 1100
_HEIGHT: Final = 650


@environment.RECORDS
@checked_keywords
def write_report(
    name: str,
    file: Path | str,
    *,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> None:
    """Writes the report of a study, with its results so far, to one HTML file in a new or old folder.

    `fresh` is as in `study.results.answers`. Raises NotFoundError if there is no such study,
    TrackingError if the store does not respond.
    """
    file = Path(file)
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    text = page(stored, [section(stored) for section in SECTIONS.values()])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@environment.RECORDS
@checked_keywords
def write_figure(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    file: Path | str,
    key: str = "front",
    *,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> None:
    """Writes a figure of the report, by its name in `FIGURES`, as PNG.

    Raises like `write_report` and `write_picture`, and BadInputError if there is nothing to draw.
    """
    if key not in FIGURES:
        raise BadInputError(f"unknown figure {key!r}; {nearest(key, FIGURES)}")
    panel = section_of(read_study(name, Home.find(home, tracking_uri), fresh=fresh), key)
    write_picture(panel.figure, panel.caption(name), Path(file), panel.height)


def write_picture(figure: go.Figure, title: str, file: Path, height: int | None = None) -> None:
    """Writes a figure as PNG of 1100 x `height` (by default 650) pixels, at twice the resolution.

    This needs the package kaleido and Chrome or Chromium; raises StudyError without them.
    """
    drawn = titled(figure, title)
    if drawn.layout.updatemenus:
        drawn.update_layout(updatemenus=[])  # buttons have no use in a picture
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        drawn.write_image(file, width=_WIDTH, height=height or _HEIGHT, scale=2)
    except (ImportError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"a PNG needs kaleido (pip install kaleido) and Chrome or Chromium: {reason}"
        ) from error
