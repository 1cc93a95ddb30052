"""The report of studies: one HTML page that works offline, or one of the figures as a PNG.

All data are read from MLflow, so any machine with the tracking URI can create a report, also of a
running study.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import plotly.graph_objects as go

from study import environment
from study.errors import BadInputError, StudyError, nearest
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.report.comparison import comparison_page
from study.report.figures import SECTIONS, section_of
from study.report.page import page
from study.report.style import titled
from study.results.comparison import compare
from study.results.curves import read_curves
from study.results.reader import read_study
from study.results.stored_study import StoredStudy

FIGURES: Final = tuple(SECTIONS)
"""The figures of a report by name, in their order."""

_WIDTH: Final = 1100
_HEIGHT: Final = 650


@environment.RECORDS
@checked_keywords
def write_report(
    names: str | Sequence[str],
    file: Path | str,
    *,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> None:
    """Writes the report of a study, with its results so far, to one HTML file in a new or old folder.

    Several names give one page that compares these studies. `fresh` is as in `study.records`.
    Raises NotFoundError if there is no such study, TrackingError if the store does not respond.
    """
    file, place = Path(file), Home.find(home, tracking_uri)
    chosen = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    studies = [read_study(name, place, fresh=fresh) for name in chosen]
    if len(studies) == 1:
        text = page(studies[0], [section(studies[0]) for section in SECTIONS.values()])
    else:
        text = _comparison(studies, place, fresh=fresh)
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
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> None:
    """Writes a figure of the report, by its name in `FIGURES`, as PNG.

    Raises like `write_report` and `write_picture`, and BadInputError if there is nothing to draw.
    """
    if key not in FIGURES:
        raise BadInputError(f"unknown figure {key!r}; {nearest(key, FIGURES)}")
    panel = section_of(read_study(name, Home.find(home, tracking_uri), fresh=fresh), key)
    write_picture(panel.figure, panel.caption(name), Path(file), panel.height)


def write_picture(
    figure: go.Figure, title: str, file: Path | str, height: int | None = None
) -> None:
    """Writes a figure as PNG of 1100 x `height` (by default 650) pixels, at twice the resolution.

    This needs the package kaleido and Chrome or Chromium; raises StudyError without them.
    """
    drawn = titled(figure, title)
    if drawn.layout.updatemenus:
        drawn.update_layout(updatemenus=[])  # buttons have no use in a picture
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    try:
        drawn.write_image(file, width=_WIDTH, height=height or _HEIGHT, scale=2)
    except (ImportError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            "a PNG needs kaleido (pip install -e '.[png]' in the clone) and Chrome or Chromium: "
            f"{reason}"
        ) from error


def _comparison(studies: Sequence[StoredStudy], home: Home, *, fresh: bool) -> str:
    names = [stored.spec.name for stored in studies]
    compared = compare(names, home=home, fresh=fresh)
    parents = {stored.spec.name: str(stored.parent.info.run_id) for stored in studies}
    curves = read_curves(home, parents.values(), "hypervolume")
    hypervolumes = {name: curves[run] for name, run in parents.items() if run in curves}
    return comparison_page(compared, studies, hypervolumes)
