"""One part of a report: a figure with the words around it, or a sentence in its place."""

from dataclasses import dataclass
from typing import final

import plotly.graph_objects as go


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A figure of a report.

    `text` says in plain words what is seen, or, where `figure` is None, why there is none. `alt` is
    for those who do not see the figure. `height` is in pixels; None leaves it to the window.
    """

    key: str
    title: str
    text: str
    alt: str = ""
    figure: go.Figure | None = None
    height: int | None = None
