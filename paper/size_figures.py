"""The figures of docs/results.md over the sizes of networks."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paper import table
from paper.claim import DATA
from paper.drawing import axis, blank, points
from paper.plan import RACE_SEED
from paper.ratio import configurations, ratios
from study import MetricFormat, figure_layout

_COUNTS: Final = {
    "trainable_parameters": "trainable parameters",
    "macs": "multiply-accumulates",
    "stored_bytes": "bytes of weights and wiring",
}
_RATIOS: Final = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]


def sizes(metric: str, title: str, scale: float) -> Callable[[pd.DataFrame], go.Figure]:
    """A mean test value of every configuration of Table 1 over its parameters."""

    def draw(rows: pd.DataFrame) -> go.Figure:
        means = configurations(rows, DATA, metric)
        figure = blank(title)
        for family, own in means[means["study"].str.startswith("table1-")].groupby("family"):
            points(figure, str(family), own["trainable_parameters"], scale * own[metric])
        return figure.update_xaxes(axis("trainable_parameters", figure))

    return draw


def ratio(rows: pd.DataFrame) -> go.Figure:
    """The ratio of parameters over the size of the reference (`paper.ratio`)."""
    figure = blank("parameters of vann / of the smallest network as accurate")
    found = list(ratios(rows, DATA))
    for family, split in sorted({(one.family, one.split) for one in found}):
        own = [one for one in found if (one.family, one.split) == (family, split)]
        open_ = {"symbol": "circle-open" if split == "test" else "circle"}
        x, y = [one.reference for one in own], [one.value for one in own]
        points(figure, family, x, y, marker=open_, name=f"{family}, chosen on {split} images")
    figure.update_xaxes(axis("trainable_parameters", figure))
    figure.update_xaxes(title="trainable parameters of the reference vann")
    return figure.update_yaxes(type="log", tickvals=_RATIOS, ticktext=list(map(str, _RATIOS)))


def controls(rows: pd.DataFrame) -> go.Figure:
    """The tested networks under the bounds over three counts; those on the front are larger."""
    means = configurations(rows, DATA, "test_accuracy")
    means = means[means["study"].str.startswith("bound-")]
    figure = make_subplots(cols=len(_COUNTS), shared_yaxes=True, horizontal_spacing=0.03)
    figure.update_layout(figure_layout())
    for column, (count, title) in enumerate(_COUNTS.items(), start=1):
        front = on_front(means, count)
        for family, own in means.groupby("family"):
            size = [14 if index in front else 8 for index in own.index]
            accuracy = 100 * own["test_accuracy"]
            place = {"row": 1, "col": column, "showlegend": column == 1}
            points(figure, str(family), own[count], accuracy, marker={"size": size}, **place)
        shown = MetricFormat(count).axis(means[count].tolist())
        figure.update_xaxes({**shown, "title": title, "tickangle": 0}, row=1, col=column)
    figure.update_yaxes(title="test accuracy (%)", row=1, col=1)
    return figure


def on_front(means: pd.DataFrame, count: str) -> set[Any]:
    """The index of the networks such that no other is as small and more accurate."""
    ordered = means.sort_values([count, "test_accuracy"], ascending=[True, False])
    best = ordered["test_accuracy"].cummax()
    first = ordered["test_accuracy"] > best.shift(fill_value=-1)
    return set(ordered.index[first])


def _of_table_1(rows: pd.DataFrame) -> pd.DataFrame:
    """The tested networks of Table 1 with the split of its searches."""
    of_study = (rows["data"] == DATA) & rows["study"].str.startswith("table1-")
    return rows[of_study & (rows["stage"] == "test") & (rows["seed"] < RACE_SEED)]


def overfitting(rows: pd.DataFrame) -> go.Figure:
    """The loss on validation images minus that on training images, at the end, over the parameters."""
    own = _of_table_1(rows)
    draw = sizes("gap", "validation loss minus training loss (nats)", 1)
    return draw(own.assign(gap=table.overfitting(own)))


def efficiency(rows: pd.DataFrame) -> go.Figure:
    """The paper's scores of accuracy and loss of each network of Table 1, over the parameters.

    With P parameters and the lowest validation loss after E epochs, f is log(P E) by the least log(P E)
    of all; the scores are the accuracy divided by f, and the loss times f (Methods).
    """
    own = rows[
        (rows["data"] == DATA) & rows["study"].str.startswith("table1-") & (rows["stage"] == "test")
    ]
    epochs = own["val_loss_curve"].map(lambda curve: int(np.argmin(curve)) + 1)
    costs = np.log10((own["trainable_parameters"] * epochs).astype(float))
    factors = costs / costs.min()
    own = own.assign(accuracy=own["test_accuracy"] / factors, loss=own["test_loss"] * factors)
    means = configurations(own, DATA, "accuracy", "loss")
    figure = make_subplots(cols=2, horizontal_spacing=0.1)
    figure.update_layout(figure_layout())
    for column, score in enumerate(("accuracy", "loss"), start=1):
        for family, values in means.groupby("family"):
            place = {"row": 1, "col": column, "showlegend": column == 1}
            points(figure, str(family), values["trainable_parameters"], values[score], **place)
        figure.update_yaxes(title=f"{score} score", row=1, col=column)
    shown = MetricFormat("trainable_parameters").axis(means["trainable_parameters"].tolist())
    title = f"trainable parameters (the least P E is {10 ** costs.min():,.0f})"
    return figure.update_xaxes({**shown, "title": title})


def cables(rows: pd.DataFrame) -> go.Figure:
    """The lead of dendritic networks over those of the same size with other cables."""
    own = rows[rows["study"].str.startswith(("table1-", "structure")) & (rows["stage"] == "test")]
    settings = own["settings"].map(json.loads)
    own = own.assign(size=[f"D{one.get('dendrites')} S{one['somata']}" for one in settings])
    means = configurations(own, DATA, "test_accuracy", keys=("size",))
    figure = blank("lead in test accuracy (points)")
    for symbol, kind, pairs in _pairs(means):
        for family, values in pairs.groupby("family"):
            lead = 100 * (values["test_accuracy"] - values["test_accuracy_other"])
            name, marker = f"{family}, {kind}", {"symbol": symbol}
            points(
                figure, str(family), values["trainable_parameters"], lead, marker=marker, name=name
            )
    figure.update_xaxes(axis("trainable_parameters", figure))
    return figure.update_xaxes(title="trainable parameters of the dendritic network")


_CONTROLS: Final = (
    ("circle", "over shuffled cables", "structure", "sann"),
    ("square", "over shuffled cables", "structure-all-dense", "psann"),
    ("diamond", "over even cables", "structure-even", "sann"),
    ("x", "over all cables", "structure", "vann"),
)


def _pairs(means: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The dendritic networks beside those of each kind of control, by inputs and size."""
    inputs = means["family"].str.extract(r"-(.*)$")[0].fillna("all")
    plain = means["family"].isin(["sann"])
    means = means.assign(inputs=inputs.where(~plain, "r"))
    dendritic = means[means["family"].str.startswith(("dann", "pdann"))]
    for symbol, kind, study, family in _CONTROLS:
        control = means[(means["study"] == study) & means["family"].str.startswith(family)]
        yield symbol, kind, dendritic.merge(control, on=["inputs", "size"], suffixes=("", "_other"))
