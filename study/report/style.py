"""The common style of the figures of a report: colours, symbols, axes, layout and sections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, sample_colorscale, unlabel_rgb

from models.architecture import FAMILIES
from study.spec.metrics import is_metric, metric_of

# The palette of Okabe and Ito for colour-blind readers, without its yellow, too light on white.
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
GREY: Final = "#767676"
BLACK: Final = "#000000"
_COLOURS: Final = (BLUE, "#E69F00", GREEN, "#CC79A7", "#56B4E9", VERMILLION, BLACK)
_SYMBOLS: Final = ("circle", "square", "diamond", "cross", "triangle-up", "x", "hexagon")

# From small to large, light to dark, as in viridis without its yellow: also readable in grey.
_SEQUENCE: Final = ["#74b83e", "#1f9e89", "#31688e", "#443983", "#2a0a3d"]
_TITLES: Final = {
    "val_accuracy": "validation accuracy (%)",
    "val_loss": "validation loss (nats)",
    "trainable_parameters": "trainable parameters of one replicate",
    "macs": "multiply-accumulates for one image",
    "wiring_bits": "bits of the wiring of one replicate (none: at 1)",
    "stored_bytes": "bytes of the weights and the wiring of one replicate",
    "seconds": "training time of a trial (s)",
}
_WORDS: Final = {
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss",
    "macs": "multiply-accumulates",
    "wiring_bits": "bits of wiring",
    "stored_bytes": "stored bytes",
    "seconds": "training time",
}
_ABOVE_LABELS: Final = 1.05  # the height of legends above other labels
_FEW_DECADES: Final = 1.6
_SOME_DECADES: Final = 3.2
_PART_OF_DECADE: Final = 0.3
_HALVES: Final = tuple(half / 2 for half in range(2, 20))

# Labels of the axis of a share, as errors in percent, in decreasing priority.
_ERRORS: Final = (
    *(90, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1),
    *(30, 15, 3, 1.5, 0.3),
    *(80, 70, 60, 40, 25, 18, 16, 14, 12, 8, 7, 6, 4, 2.5),
    *(19, 17, 13, 11, 9, 9.5, 8.5, 7.5, 6.5, 5.5, 4.5, 3.5),
)
_INTERVALS: Final = 10
_APART: Final = 0.09  # of the length of the axis
_LEAST_ERROR: Final = 0.05  # percent; the end of the logarithmic axis


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of a report, with a figure.

    `text` explains the figure, or, if `figure` is None, why there is none. `alt` is the alternative
    text. `height` is in pixels, None for that of the window.
    """

    key: str
    title: str
    text: str
    alt: str = ""
    figure: go.Figure | None = None
    height: int | None = None

    def caption(self, study: str) -> str:
        """The title of the figure where it stands alone."""
        return f"{study}: {self.title[0].lower()}{self.title[1:]}"


def titled(figure: go.Figure, title: str) -> go.Figure:
    """A copy of the figure with a title, and the space for it."""
    copy = go.Figure(figure)
    copy.update_layout(
        title={"text": title, "yref": "container", "y": 0.98, "yanchor": "top", "x": 0.02},
        margin={"t": 115 if copy.layout.legend.y > _ABOVE_LABELS else 80},
    )
    return copy


def in_words(metric: str) -> str:
    """The name of a metric or a setting in a sentence."""
    return _WORDS.get(metric, metric.replace("_", " "))


def family_style(family: str) -> tuple[str, str]:
    """The colour and the symbol of a family, the same in all reports; pairs are unique."""
    return nth_style(list(FAMILIES).index(family) if family in FAMILIES else len(FAMILIES))


def nth_style(number: int) -> tuple[str, str]:
    """The colour and the symbol of the nth series, from 0; pairs are unique up to 49."""
    turn = number // len(_COLOURS)
    return _COLOURS[number % len(_COLOURS)], _SYMBOLS[(number + turn) % len(_SYMBOLS)]


@final
@dataclass(frozen=True, slots=True)
class MetricFormat:
    """The format of a metric: shares in percent, counts on a logarithmic scale."""

    metric: str

    @property
    def title(self) -> str:
        """The title of its axis, with the unit."""
        return _TITLES.get(self.metric, in_words(self.metric))

    @property
    def log(self) -> bool:
        """Whether its axis is logarithmic."""
        return is_metric(self.metric) and metric_of(self.metric).log

    def value(self, number: float | None) -> float | None:
        """The number as drawn; None if missing or not finite."""
        if number is None or not math.isfinite(number):
            return None
        return 100 * number if self._is_share else number

    def place(self, number: float | None) -> float | None:
        """The value on its axis; a count of 0 on a logarithmic one is drawn at 1, as `Metric.least`."""
        value = self.value(number)
        if value is None or not self.log or metric_of(self.metric).least < 1:
            return value
        return max(value, metric_of(self.metric).least)

    def axis(self, values: Sequence[float]) -> dict[str, Any]:
        """Plotly's settings of an axis for these values."""
        axis: dict[str, Any] = {"title": {"text": self.title}}
        positive = [value for value in values if value > 0]
        if self.log and positive:
            low, high = math.log10(min(positive)), math.log10(max(positive))
            margin = max(0.06 * (high - low), 0.05)
            decades = high - low
            few, some = decades < _FEW_DECADES, decades < _SOME_DECADES
            steps: tuple[float, ...] = (1, 2, 5) if few else (1, 3) if some else (1,)
            steps = _HALVES if decades < _PART_OF_DECADE else steps
            ticks = log_ticks(low - margin, high + margin, steps)
            axis |= {
                "type": "log",
                "range": [low - margin, high + margin],
                "tickvals": ticks,
                "ticktext": [compact(tick) for tick in ticks],
            }
        return axis

    def curve_value(self, number: float | None) -> float | None:
        """The number as drawn in a learning curve; for a share, the difference from 100 %."""
        value = self.value(number)
        if value is None or not self._is_share:
            return value
        return max(100 - value, _LEAST_ERROR)

    def curve_axis(self, values: Sequence[float]) -> dict[str, Any]:
        """The axis of `curve_value`, logarithmic: 98 to 99 % is as long as 80 to 90 %."""
        positive = [math.log10(value) for value in values if value > 0]
        if not positive or not (self.log or self._is_share):
            return {"title": {"text": self.title}}
        if not self._is_share:
            return self.axis(values)
        low, high = min(positive), max(positive)
        margin = max(0.06 * (high - low), 0.03)
        low, high = low - margin, min(high + margin, 2.0)
        ticks = _share_ticks(low, high)
        return {
            "title": {"text": self.title},
            "type": "log",
            "range": [high, low],
            "tickvals": ticks,
            "ticktext": [f"{100 - tick:.4g}" for tick in ticks],
        }

    @property
    def _is_share(self) -> bool:
        return self.metric.endswith("accuracy")


def compact(number: float) -> str:
    """A number in few characters, such as 20k, 3M, 0.05."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.3g}"


def log_ticks(low: float, high: float, steps: Sequence[float]) -> list[float]:
    """The products of `steps` and powers of ten from 10^low to 10^high."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def whole_axis(title: str, most: float) -> dict[str, Any]:
    """Plotly's settings of an axis of whole numbers from 0 to `most`, with at most ten intervals."""
    power = 10 ** max(math.floor(math.log10(max(most, 1))) - 1, 0)
    step = next(one * power for one in (1, 2, 5, 10) if most <= _INTERVALS * one * power)
    return {"title": {"text": title}, "tick0": 0, "dtick": step, "tickformat": ",d"}


def _share_ticks(low: float, high: float) -> list[float]:
    """Errors in percent from 10^low to 10^high, at sufficient distances."""
    ticks: list[float] = []
    for error in _ERRORS:
        place = math.log10(error)
        near = any(abs(place - math.log10(other)) < _APART * (high - low) for other in ticks)
        if low <= place <= high and not near:
            ticks.append(error)
    return sorted(ticks)


def see_through(colour: str, opacity: float) -> str:
    """A colour, `#rrggbb` or `rgb(r, g, b)`, with an opacity in 0..1."""
    parts = hex_to_rgb(colour) if colour.startswith("#") else unlabel_rgb(colour)
    return f"rgba({','.join(f'{part:.0f}' for part in parts)},{opacity})"


def sequence_colour(place: float) -> str:
    """The colour `rgb(r, g, b)` at a place of the sequence, from 0 (small) to 1 (large)."""
    return str(sample_colorscale(_SEQUENCE, [place])[0])


def figure_layout() -> dict[str, Any]:
    """The layout of every figure; the page adapts font and margins to the window."""
    axis = {"automargin": True, "zeroline": False, "gridcolor": "#e4e4e4", "linecolor": "#8a8a8a"}
    return {
        "template": "plotly_white",
        "font": {"size": 15, "color": "#1a1a1a"},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        # Above the figure, where its height cannot overlap the title of an axis.
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "itemsizing": "constant",
        },
        "margin": {"l": 20, "r": 20, "t": 20, "b": 20},
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": "#1a1a1a"}},
        "hovermode": "closest",
    }
