"""The figures of docs/results.md over the sizes of networks."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from paper import table
from paper.claim import DATA
from paper.drawing import axis, blank, panels, points, symbol_of
from paper.plan import RACE_SEED
from paper.ratio import DENSE, configurations, ratios
from study import MetricFormat

_COUNTS: Final = {
    "trainable_parameters": "trainable parameters",
    "macs": "multiply-accumulates",
    "stored_bytes": "bytes of weights and wiring",
}
_LEADS: Final = {"test_accuracy": "test accuracies (points)"} | {
    name: f"{title}s" for name, title in table.SCORES.items()
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
    figure = panels(
        ["test accuracy (%)", *[""] * (len(_COUNTS) - 1)],
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    for column, (count, title) in enumerate(_COUNTS.items(), start=1):
        front = on_front(means, count)
        for family, own in means.groupby("family"):
            size = [14 if index in front else 8 for index in own.index]
            accuracy = 100 * own["test_accuracy"]
            points(figure, str(family), own[count], accuracy, marker={"size": size}, col=column)
        shown = MetricFormat(count).axis(means[count].tolist())
        figure.update_xaxes({**shown, "title": title, "tickangle": 0}, row=1, col=column)
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
    """Losses on training and validation images by epoch, and their difference over the parameters.

    The learning curves are those of every family at the size of the largest vann.
    """
    own = _of_table_1(rows)
    own = own.assign(gap=table.overfitting(own), size=table.sizes(own))
    figure = panels(
        ["loss (nats), open: on training images", "validation loss minus training loss (nats)"]
    )
    dense = own[own["study"] == DENSE].sort_values("trainable_parameters")
    for family, curves in own[own["size"].isin(dense["size"].tail(1))].groupby("family"):
        for curve, open_ in (("val_loss_curve", ""), ("train_loss_curve", "-open")):
            loss = np.mean(curves[curve].tolist(), axis=0)
            symbol = f"{symbol_of(str(family))}{open_}"
            epochs, marker = np.arange(1, len(loss) + 1), {"symbol": symbol, "size": 6}
            points(figure, str(family), epochs, loss, marker=marker, col=1, showlegend=False)
    for family, values in configurations(own, DATA, "gap").groupby("family"):
        parameters, gap = values["trainable_parameters"], values["gap"]
        points(figure, str(family), parameters, gap, col=2, showlegend=True)
    shown = MetricFormat("trainable_parameters").axis(own["trainable_parameters"].tolist())
    figure.update_xaxes(
        {"title": f"epoch (networks of {', '.join(dense['size'].tail(1))})"}, row=1, col=1
    )
    return figure.update_xaxes(shown, row=1, col=2)


def efficiency(rows: pd.DataFrame) -> go.Figure:
    """The scores of accuracy and loss of each network of Table 1, over the parameters (Fig. 3c, d)."""
    own = rows[
        (rows["data"] == DATA) & rows["study"].str.startswith("table1-") & (rows["stage"] == "test")
    ]
    means = configurations(table.with_scores(own), DATA, *table.SCORES)
    figure = panels([*table.SCORES.values()])
    for column, score in enumerate(table.SCORES, start=1):
        for family, values in means.groupby("family"):
            parameters = values["trainable_parameters"]
            points(figure, str(family), parameters, values[score], col=column)
    return figure.update_xaxes(
        MetricFormat("trainable_parameters").axis(means["trainable_parameters"].tolist())
    )


def cables(rows: pd.DataFrame) -> go.Figure:
    """The lead of dendritic networks over those of the same size with other cables (Fig. 4)."""
    of_study = (rows["data"] == DATA) & rows["study"].str.startswith(("table1-", "structure"))
    own = rows[of_study & (rows["stage"] == "test")]
    own = table.with_scores(own).assign(size=table.sizes(own))
    own["test_accuracy"] *= 100
    means = configurations(own, DATA, *_LEADS, keys=("size",))
    figure = panels([f"difference of {title}" for title in _LEADS.values()])
    for symbol, kind, pairs in _pairs(means):
        for family, values in pairs.groupby("family"):
            name, marker = f"{family}, {kind}", {"symbol": symbol}
            for column, metric in enumerate(_LEADS, start=1):
                lead = values[metric] - values[f"{metric}_other"]
                parameters = values["trainable_parameters"]
                points(figure, str(family), parameters, lead, marker=marker, name=name, col=column)
    shown = MetricFormat("trainable_parameters").axis(means["trainable_parameters"].tolist())
    return figure.update_xaxes({**shown, "title": "trainable parameters"})


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
