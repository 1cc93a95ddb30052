"""The figures of docs/results.md, one for each question, drawn from the committed results.

Points are networks that were trained; no line connects them. Families have the colours of Tol's `muted`
scheme for colour-blind readers (P. Tol, Colour schemes, SRON/EPS/TN/09-002), each one of its own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paper.effects import EFFECTS
from paper.ratio import configurations, ratios
from study import MetricFormat, figure_layout

COLOURS: Final = {
    "dann-r": "#332288",
    "dann-lrf": "#88CCEE",
    "dann-grf": "#44AA99",
    "vann": "#CC6677",
    "pdann": "#DDCC77",
    "sann-grf": "#117733",
    "sann-lrf": "#AA4499",
    "mlp": "#999933",
    "sparse-mlp": "#882255",
    "locally-connected": "#777777",
    "cnn": "#000000",
}
_SYMBOLS: Final = {"vann": "square", "pdann": "diamond", "cnn": "x", "mlp": "triangle-up"}
_SIZES: Final = {"3k": "#bbbbbb", "10k": "#88aacc", "30k": "#4477aa", "100k": "#223355"}
_COUNTS: Final = {
    "trainable_parameters": "trainable parameters",
    "macs": "multiply-accumulates",
    "stored_bytes": "bytes of weights and wiring",
}
_RATIOS: Final = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]
_DATA: Final = "fashion_mnist"
FORESTS: Final = {
    "structure": ("Fig. 4", "Suppl. Fig. 6"),
    "training": ("Suppl. Fig. 3", "Suppl. Fig. 4", "Suppl. Fig. 5"),
}
"""The figures of claims alone: the starts of the names of their groups."""

TITLES: Final = {
    "accuracy": "Are dendritic networks as accurate with fewer parameters?",
    "loss": "Does the loss of the vanilla network rise with its size?",
    "ratio": "How does the ratio of parameters depend on the reference?",
    "controls": "Do they lead equally tuned controls by parameters, operations and bytes?",
    "factorial": "What is the effect made of?",
    "noise": "Does their lead grow with noise?",
    "sequential": "Is sequential training a matter of forgetting, size, or step size?",
    "responses": "Does training make units mixed-selective, or are they before it?",
    "structure": "Do cables of their own and depth help?",
    "training": "Does the vanilla network catch up by early stopping, dropout, other rates?",
}

Results = tuple[pd.DataFrame, Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""The rows of the benchmark file, the results of claims, and the effects of the factorial."""


def figures(results: Results) -> dict[str, go.Figure]:
    """The figures by question, without those of which nothing was run."""
    rows, verdicts, effects = results
    drawn = {name: draw(rows) for name, draw in _OF_ROWS.items()}
    for name, groups in FORESTS.items():
        drawn[name] = _forest(verdicts, groups)
    drawn["factorial"] = _factorial(effects)
    return {name: drawn[name] for name in TITLES if drawn[name].data}


def write(found: Mapping[str, go.Figure], folder: Path) -> None:
    """Writes the figures as paper_NAME.png."""
    for name, figure in found.items():
        figure.write_image(folder / f"paper_{name}.png", width=1000, height=560, scale=1.5)


def _points(figure: go.Figure, family: str, x: Any, y: Any, **settings: Any) -> None:  # noqa: ANN401  # columns
    """Adds the points of a family."""
    place = {key: settings.pop(key) for key in ("row", "col") if key in settings}
    symbol = _SYMBOLS.get(family, "circle")
    marker = {"color": COLOURS[family], "symbol": symbol, "size": 9, "opacity": 1}
    marker |= settings.pop("marker", {})
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker=marker,
        **{"name": family, "legendgroup": family} | settings,
        **place,
    )


def _sizes(metric: str, title: str, scale: float) -> Callable[[pd.DataFrame], go.Figure]:
    """A mean test value of every configuration of Table 1 over its parameters."""

    def draw(rows: pd.DataFrame) -> go.Figure:
        means = configurations(rows, _DATA, "test", metric)
        figure = _figure(title)
        for family, own in means[means["study"].str.startswith("table1-")].groupby("family"):
            _points(figure, str(family), own["trainable_parameters"], scale * own[metric])
        return figure.update_xaxes(_axis("trainable_parameters", figure))

    return draw


def _ratio(rows: pd.DataFrame) -> go.Figure:
    figure = _figure("parameters of vann / of the smallest network as accurate")
    found = list(ratios(rows, _DATA))
    for family, split in sorted({(one.family, one.split) for one in found}):
        own = [one for one in found if (one.family, one.split) == (family, split)]
        open_ = {"symbol": "circle-open" if split == "test" else "circle"}
        x, y = [one.reference for one in own], [one.value for one in own]
        _points(figure, family, x, y, marker=open_, name=f"{family}, chosen on {split} images")
    figure.update_xaxes(_axis("trainable_parameters", figure))
    figure.update_xaxes(title="trainable parameters of the reference vann")
    return figure.update_yaxes(type="log", tickvals=_RATIOS, ticktext=list(map(str, _RATIOS)))


def _controls(rows: pd.DataFrame) -> go.Figure:
    """The tested networks under the bounds over three counts; those on the front are larger."""
    means = configurations(rows, _DATA, "test", "test_accuracy")
    means = means[means["study"].str.startswith("bound-")]
    figure = make_subplots(cols=len(_COUNTS), shared_yaxes=True, horizontal_spacing=0.03)
    figure.update_layout(figure_layout())
    for column, (count, title) in enumerate(_COUNTS.items(), start=1):
        front = on_front(means, count)
        for family, own in means.groupby("family"):
            size = [14 if index in front else 8 for index in own.index]
            accuracy = 100 * own["test_accuracy"]
            place = {"row": 1, "col": column, "showlegend": column == 1}
            _points(figure, str(family), own[count], accuracy, marker={"size": size}, **place)
        axis = MetricFormat(count).axis(means[count].tolist())
        figure.update_xaxes({**axis, "title": title, "tickangle": 0}, row=1, col=column)
    figure.update_yaxes(title="test accuracy (%)", row=1, col=1)
    return figure


def on_front(means: pd.DataFrame, count: str) -> set[Any]:
    """The index of the networks such that no other is as small and more accurate."""
    ordered = means.sort_values([count, "test_accuracy"], ascending=[True, False])
    best = ordered["test_accuracy"].cummax()
    first = ordered["test_accuracy"] > best.shift(fill_value=-1)
    return set(ordered.index[first])


def _noise(rows: pd.DataFrame) -> go.Figure:
    figure = _figure("test accuracy (%)")
    own = _with_setting(rows, "noise-", "noise")
    for family, values in own.groupby("family"):
        _points(figure, str(family), values["noise"], 100 * values["test_accuracy"])
    figure.update_xaxes(title="standard deviation of the noise (one point a seed)")
    return figure


def _sequential(rows: pd.DataFrame) -> go.Figure:
    figure = _figure("")
    own = _with_setting(rows, "table2-", "learning_rate")
    for family, values in own.groupby("family"):
        labels = [
            f"{family}, {size:,} parameters, rate {rate:g}"
            for size, rate in zip(
                values["trainable_parameters"], values["learning_rate"], strict=True
            )
        ]
        _points(figure, str(family), 100 * values["test_accuracy"], labels, showlegend=False)
    figure.update_xaxes(title="test accuracy after training class by class (%), one point a seed")
    return figure


def _responses(rows: pd.DataFrame) -> go.Figure:
    """Entropy and selectivity of the first layer over the epochs, from before the training."""
    own = rows[rows["study"].str.startswith("representation-") & (rows["stage"] == "search")]
    own = own.drop_duplicates(["study", "family"])
    names = {"entropy": "entropy (bits)", "selectivity": "selectivity (classes)"}
    figure = make_subplots(cols=len(names), horizontal_spacing=0.1)
    figure.update_layout(figure_layout())
    epochs = own["study"].str.extract(r"-(\d+)-epochs$")[0].fillna("0").astype(int)
    found = own["diagnostics"].map(json.loads)
    for column, (name, title) in enumerate(names.items(), start=1):
        for family, values in own.groupby("family"):
            y = [one.get(f"layer1_dendrites_{name}") for one in found[values.index]]
            place = {"row": 1, "col": column, "showlegend": column == 1}
            _points(figure, str(family), epochs[values.index], y, **place)
        figure.update_yaxes(title=title, row=1, col=column)
    figure.update_xaxes(title="epochs of training")
    return figure


def _factorial(effects: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Each effect with its interval, by size and over all sizes."""
    figure = _figure("")
    names = list(EFFECTS)
    for place, (size, colour) in enumerate([*_SIZES.items(), (None, "#CC6677")]):
        own = [one for one in effects if one["size"] == size]
        if own:
            label = "all sizes" if size is None else f"{size} parameters"
            y = [len(names) - names.index(one["name"]) - 0.14 * place for one in own]
            _with_intervals(figure, own, y, colour, 100, label)
    if figure.data:
        ticks = [len(names) - place - 0.28 for place in range(len(names))]
        figure.update_yaxes(tickvals=ticks, ticktext=names)
        figure.add_vline(x=0, line={"color": "#767676", "width": 1})
    figure.update_xaxes(title="difference of test accuracies, points, with its 95 % interval")
    return figure


def _forest(verdicts: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> go.Figure:
    """The claims of groups as they were measured, in percent of the loss or points of accuracy."""
    figure = _figure("")
    own = [
        one
        for one in verdicts
        if one["group"].startswith(tuple(groups)) and one.get("low") is not None
    ]
    # Ratios of losses lie around 1, differences of accuracies around 0.
    shifted = [
        {key: one[key] - ("loss" in one["group"]) for key in ("value", "low", "high")}
        for one in own
    ]
    if own:
        _with_intervals(figure, shifted, [one["id"] for one in own], "#332288", 100, "")
        figure.update_layout(showlegend=False)
        figure.add_vline(x=0, line={"color": "#767676", "width": 1})
    figure.update_xaxes(title="lead in points of accuracy, or in percent of the loss, with 95 %")
    return figure


def _with_intervals(  # noqa: PLR0913, PLR0917  # the parts of a trace
    figure: go.Figure,
    found: Sequence[Mapping[str, Any]],
    y: Sequence[Any],
    colour: str,
    scale: float,
    name: str,
) -> None:
    figure.add_scatter(
        x=[scale * one["value"] for one in found],
        y=y,
        error_x={
            "array": [scale * (one["high"] - one["value"]) for one in found],
            "arrayminus": [scale * (one["value"] - one["low"]) for one in found],
            "color": colour,
        },
        mode="markers",
        marker={"color": colour, "size": 9},
        name=name,
    )


def _axis(count: str, figure: go.Figure) -> dict[str, Any]:
    """The logarithmic axis of a count for the points of a figure."""
    return MetricFormat(count).axis([value for trace in figure.data for value in trace.x])


def _figure(y: str) -> go.Figure:
    figure = go.Figure(layout=figure_layout())
    return figure.update_yaxes(title=y)


def _with_setting(rows: pd.DataFrame, study: str, name: str) -> pd.DataFrame:
    """The tested networks of studies with a column of one of their settings."""
    own = rows[rows["study"].str.startswith(study) & (rows["stage"] == "test")]
    return own.assign(**{name: [json.loads(one).get(name, 0) for one in own["settings"]]})


_OF_ROWS: Final[dict[str, Callable[[pd.DataFrame], go.Figure]]] = {
    "accuracy": _sizes("test_accuracy", "test accuracy (%)", 100),
    "loss": _sizes("test_loss", "test loss (nats)", 1),
    "ratio": _ratio,
    "controls": _controls,
    "noise": _noise,
    "sequential": _sequential,
    "responses": _responses,
}
