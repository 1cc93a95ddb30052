"""The front of a study as a picture: one HTML file that works offline, or a PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from models.architecture import FAMILIES
from study.errors import BadInputError, StudyError
from study.record import TrialRecord

# Okabe and Ito's palette, which the colour-blind can tell apart; colour and symbol are the same for a
# family in every report.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_SYMBOLS: Final = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")


def front_figure(name: str, records: Sequence[TrialRecord]) -> go.Figure:
    """Validation accuracy (percent) over trainable parameters (log scale) of the complete trials.

    Trials on the front are filled, joined by a line, and carry standard errors over replicates.
    """
    complete = [record for record in records if record.state == "COMPLETE"]
    figure = go.Figure()
    front = sorted(
        (record for record in complete if record.on_front),
        key=lambda record: record.trainable_parameters or 0,
    )
    figure.add_scatter(
        x=[record.trainable_parameters for record in front],
        y=[_percent(record.val_accuracy) for record in front],
        mode="lines",
        line={"color": "#999999", "dash": "dot", "shape": "hv"},
        name="Pareto front",
        hoverinfo="skip",
    )
    for family in sorted({record.family for record in complete}):
        index = list(FAMILIES).index(family)
        members = [record for record in complete if record.family == family]
        behind = [record for record in members if not record.on_front]
        ahead = [record for record in members if record.on_front]
        if behind:
            figure.add_scatter(**_trace(behind, index), showlegend=not ahead)
        if ahead:
            figure.add_scatter(**_trace(ahead, index))
    figure.update_layout(
        title=f"{name}: accuracy and parameter efficiency of {len(complete)} trials",
        xaxis={"title": "trainable parameters of one replicate", "type": "log", "dtick": "D2"},
        yaxis={"title": "validation accuracy (%)"},
        template="plotly_white",
        legend={"title": "filled: on the front"},
        font={"size": 15},
    )
    return figure


def _trace(records: Sequence[TrialRecord], index: int) -> dict[str, Any]:
    family, is_on_front = records[0].family, records[0].on_front
    colour = _COLOURS[index % len(_COLOURS)]
    symbol = _SYMBOLS[(index + index // len(_SYMBOLS)) % len(_SYMBOLS)]
    errors = [_percent(record.val_accuracy_sem) or 0.0 for record in records]
    return {
        "x": [record.trainable_parameters for record in records],
        "y": [_percent(record.val_accuracy) for record in records],
        "error_y": {"array": errors, "visible": is_on_front, "color": colour},
        "mode": "markers",
        "marker": {
            "color": colour,
            "symbol": symbol if is_on_front else f"{symbol}-open",
            "size": 12 if is_on_front else 8,
            "opacity": 1.0 if is_on_front else 0.6,
        },
        "name": family,
        "legendgroup": family,
        "text": [_hover(record) for record in records],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _hover(record: TrialRecord) -> str:
    settings = record.architecture | record.training
    lines = [f"{key}: {value}" for key, value in settings.items() if value is not None]
    return f"<b>trial {record.trial}</b><br>" + "<br>".join(lines)


def write_report(name: str, records: Sequence[TrialRecord], to: Path) -> None:
    """Writes the picture as HTML or PNG, by the file's ending.

    A PNG needs the package kaleido and a Chrome or Chromium; raises StudyError without them.
    """
    if to.suffix not in (".html", ".png"):
        raise BadInputError(f"the report's file must end in .html or .png, got {to}")
    figure = front_figure(name, records)
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.suffix != ".png":
        figure.write_html(to, include_plotlyjs=True)
        return
    try:
        figure.write_image(to, width=1100, height=650, scale=2)
    except (ImportError, RuntimeError, ValueError) as error:
        raise StudyError(
            f"a PNG needs kaleido (pip install kaleido) and Chrome: {error}"
        ) from error
