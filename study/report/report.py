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
from study.report.early_stopping import stopping_members, stopping_section
from study.report.front import front_section
from study.report.hypervolume import hypervolume_section
from study.report.importance import importance_section
from study.report.learning_curves import curve_members, curve_metric, curve_section
from study.report.page import page
from study.report.parallel_coordinates import settings_section
from study.report.style import Section
from study.results.curves import read_curves
from study.results.reader import read_study
from study.results.stored_study import StoredStudy

FIGURES: Final = ("front", "curves", "hypervolume", "settings", "importance", "stopping")
"""The figures of a report by name, in their order."""

_WIDTH: Final = 1100
_HEIGHT: Final = 650
_ABOVE_LABELS: Final = 1.05  # the height of legends above other labels


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
    file, place = Path(file), Home.find(home, tracking_uri)
    stored = read_study(name, place, fresh=fresh)
    text = page(stored, _panels(stored, place))
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
    place = Home.find(home, tracking_uri)
    stored = read_study(name, place, fresh=fresh)
    panel = next(one for one in _panels(stored, place) if one.key == key)
    if panel.figure is None:
        raise BadInputError(f"the study {name!r} has no figure {key!r}: {panel.text}")
    write_picture(
        panel.figure, f"{name}: {panel.title[0].lower()}{panel.title[1:]}", Path(file), panel.height
    )


def write_picture(figure: go.Figure, title: str, file: Path, height: int | None = None) -> None:
    """Writes a figure as PNG of 1100 x `height` (by default 650) pixels, at twice the resolution.

    This needs the package kaleido and Chrome or Chromium; raises StudyError without them.
    """
    titled = go.Figure(figure)
    titled.update_layout(
        title={"text": title, "yref": "container", "y": 0.98, "yanchor": "top", "x": 0.02},
        margin={"t": 115 if titled.layout.legend.y > _ABOVE_LABELS else 80},
    )
    if titled.layout.updatemenus:
        titled.update_layout(updatemenus=[])  # buttons have no use in a picture
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        titled.write_image(file, width=_WIDTH, height=height or _HEIGHT, scale=2)
    except (ImportError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"a PNG needs kaleido (pip install kaleido) and Chrome or Chromium: {reason}"
        ) from error


def _panels(stored: StoredStudy, home: Home) -> list[Section]:
    spec, records = stored.spec, stored.records
    metric = curve_metric(spec)
    members = curve_members(records)
    drawn = {record.run_id: record for record in [*members, *stopping_members(records)]}
    curves = read_curves(home, drawn, f"epoch/{metric}")
    errors = read_curves(home, [record.run_id for record in members], f"epoch/{metric}_sem")
    parent = str(stored.parent.info.run_id)
    hypervolume = read_curves(home, [parent], "hypervolume")
    return [
        front_section(spec, records),
        curve_section(spec, records, curves, errors),
        hypervolume_section(hypervolume.get(parent)),
        settings_section(spec, records),
        importance_section(spec, records),
        stopping_section(spec, records, metric, curves),
    ]
