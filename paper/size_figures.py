"""The figures of docs/results.md over the sizes of networks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from models import FAMILIES, Architecture
from models.counting import stored_bytes, wiring_bits
from paper import table
from paper.claim import DATA
from paper.drawing import SYMBOLS, axis, blank, error_bars, legend_below, panels, points
from paper.plan import RACE_SEED
from paper.ratio import DENSE, configurations, ratios
from study import MetricFormat

_PARAMETERS: Final = "trainable_parameters"
_COUNTS: Final = {
    _PARAMETERS: "trainable parameters",
    "macs": "multiply-accumulates",
    "explicit_bytes": "bytes, with an index for each synapse",
}
_LEADS: Final = {
    "test_accuracy": "lead in test accuracy (points)",
    "accuracy_score": "lead in the accuracy score",
    "loss_score": "difference of loss scores (a lead is below 0)",
}
_SHAPE: Final = (1, 28, 28)
_RATIOS: Final = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]


def sizes(metric: str, title: str, scale: float) -> Callable[[pd.DataFrame], go.Figure]:
    """A test value of every configuration of Table 1 over its parameters, with standard errors."""

    def draw(rows: pd.DataFrame) -> go.Figure:
        means = configurations(_of_table_1(rows), DATA, metric)
        figure = blank(title)
        for family, own in means.groupby("family"):
            errors = error_bars(scale * own[f"{metric}_error"])
            points(figure, str(family), own[_PARAMETERS], scale * own[metric], error_y=errors)
        return figure.update_xaxes(axis(_PARAMETERS, figure))

    return draw


def ratio(rows: pd.DataFrame) -> go.Figure:
    """The ratio of parameters over the size of the reference (`paper.ratio`)."""
    figure = blank("parameters of vann / of the network")
    found = list(ratios(rows, DATA))
    for family, split in sorted({(one.family, one.split) for one in found}):
        own = [one for one in found if (one.family, one.split) == (family, split)]
        open_ = {"symbol": f"{SYMBOLS[family]}{'-open' if split == 'test' else ''}"}
        x, y = [one.reference for one in own], [one.value for one in own]
        points(figure, family, x, y, marker=open_, name=f"{family}, chosen on {split} images")
    figure.update_xaxes(axis(_PARAMETERS, figure))
    figure.update_xaxes(title="trainable parameters of the reference vann")
    figure.update_yaxes(type="log", tickvals=_RATIOS, ticktext=list(map(str, _RATIOS)))
    return legend_below(figure)


def controls(rows: pd.DataFrame) -> go.Figure:
    """The tested networks under the bounds over three counts, with standard errors over seeds.

    Those on the front are larger.
    """
    own = table.tested(rows, "bound-")
    explicit = [*map(_explicit_bytes, own["settings"], own[_PARAMETERS])]
    own = own.assign(explicit_bytes=np.array(explicit, np.int64))
    means = configurations(own, DATA, "test_accuracy", keys=("explicit_bytes",))
    figure = panels(
        ["test accuracy (%)", *[""] * (len(_COUNTS) - 1)],
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    for column, (count, title) in enumerate(_COUNTS.items(), start=1):
        front = on_front(means, count)
        for family, found in means.groupby("family"):
            points(
                figure,
                str(family),
                found[count],
                100 * found["test_accuracy"],
                marker={"size": [15 if index in front else 9 for index in found.index]},
                error_y=error_bars(100 * found["test_accuracy_error"]),
                col=column,
            )
        shown = MetricFormat(_PARAMETERS).axis(means[count].tolist())
        figure.update_xaxes({**shown, "title": title, "tickangle": 0}, row=1, col=column)
    return figure


def _explicit_bytes(settings: str, parameters: int) -> int:
    """The bytes of weights and wiring where drawn wiring is stored as indices, not as a seed."""
    given = json.loads(settings)
    names = (one.name for one in fields(Architecture) if one.name in given)
    architecture = Architecture(**{name: given[name] for name in names})
    if FAMILIES[architecture.family].draws_synapses:
        architecture = replace(architecture, rewiring=0.1)  # learned wiring is stored as indices
    return stored_bytes(parameters, wiring_bits(architecture, _SHAPE))


def on_front(means: pd.DataFrame, count: str) -> set[Any]:
    """The index of the networks such that no other is as small and more accurate."""
    ordered = means.sort_values([count, "test_accuracy"], ascending=[True, False])
    best = ordered["test_accuracy"].cummax()
    first = ordered["test_accuracy"] > best.shift(fill_value=-1)
    return set(ordered.index[first])


def _of_table_1(rows: pd.DataFrame) -> pd.DataFrame:
    """The tested networks of Table 1; none without vann, about which the figures' questions are."""
    own = table.tested(rows, "table1-")
    return own if own["study"].eq(DENSE).any() else own.iloc[:0]


def overfitting(rows: pd.DataFrame) -> go.Figure:
    """Losses on training and validation images by epoch, and their difference over the parameters.

    The learning curves are those of every family at the size of the largest vann.
    """
    own = _of_table_1(rows)
    own = own[own["seed"] < RACE_SEED]  # of the split of the searches
    own = own.assign(gap=table.overfitting(own), size=table.sizes(own))
    figure = panels(
        ["loss (nats), open: on training images", "validation loss minus training loss (nats)"]
    )
    dense = own[own["study"] == DENSE].sort_values(_PARAMETERS)
    for family, curves in own[own["size"].isin(dense["size"].tail(1))].groupby("family"):
        for curve, open_ in (("val_loss_curve", ""), ("train_loss_curve", "-open")):
            loss = np.mean(curves[curve].tolist(), axis=0)
            symbol = f"{SYMBOLS[str(family)]}{open_}"
            epochs, marker = np.arange(1, len(loss) + 1), {"symbol": symbol, "size": 6}
            points(figure, str(family), epochs, loss, marker=marker, col=1, showlegend=False)
    for family, values in configurations(own, DATA, "gap").groupby("family"):
        parameters, gap = values[_PARAMETERS], values["gap"]
        points(figure, str(family), parameters, gap, col=2, showlegend=True)
    shown = MetricFormat(_PARAMETERS).axis(own[_PARAMETERS].tolist())
    figure.update_xaxes(
        {"title": f"epoch (networks of {', '.join(dense['size'].tail(1))})"}, row=1, col=1
    )
    return figure.update_xaxes(shown, row=1, col=2)


def efficiency(rows: pd.DataFrame) -> go.Figure:
    """The scores of accuracy and loss of each network of Table 1, over the parameters (Fig. 3c, d)."""
    means = configurations(table.with_scores(_of_table_1(rows)), DATA, *table.SCORES)
    figure = panels([*table.SCORES.values()])
    for column, score in enumerate(table.SCORES, start=1):
        for family, values in means.groupby("family"):
            parameters = values[_PARAMETERS]
            points(figure, str(family), parameters, values[score], col=column)
    return figure.update_xaxes(MetricFormat(_PARAMETERS).axis(means[_PARAMETERS].tolist()))


def cables(rows: pd.DataFrame) -> go.Figure:
    """The lead of dendritic networks over those of the same size with other cables (Fig. 4)."""
    own = table.with_scores(table.tested(rows, ("table1-", "structure")))
    own = own.assign(size=table.sizes(own))
    own["test_accuracy"] *= 100
    means = configurations(own, DATA, *_LEADS, keys=("size",))
    figure = panels([*_LEADS.values()])
    for symbol, kind, pairs in _pairs(means):
        for family, values in pairs.groupby("family"):
            name, marker = f"{family}, {kind}", {"symbol": symbol}
            for column, metric in enumerate(_LEADS, start=1):
                lead = values[metric] - values[f"{metric}_other"]
                parameters = values[_PARAMETERS]
                points(figure, str(family), parameters, lead, marker=marker, name=name, col=column)
    shown = MetricFormat(_PARAMETERS).axis(means[_PARAMETERS].tolist())
    figure.update_xaxes({**shown, "title": "trainable parameters"})
    if figure.data:
        figure.add_hline(y=0, line={"color": "#767676", "width": 1})
    return legend_below(figure)


_CONTROLS: Final = (
    ("circle-open", "over shuffled cables", "structure", "sann"),
    ("circle-open", "over shuffled cables", "structure-all-dense", "psann"),
    ("hexagram", "over even cables", "structure-even", "sann"),
    ("bowtie", "over all cables", "structure", "vann"),
)
"""The symbols of the kinds of control, which are none of the families'."""


def _pairs(means: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The dendritic networks beside those of each kind of control, by inputs and size."""
    inputs = means["family"].str.extract(r"-(.*)$")[0].fillna("all")
    plain = means["family"].isin(["sann"])
    means = means.assign(inputs=inputs.where(~plain, "r"))
    dendritic = means[means["family"].str.startswith(("dann", "pdann"))]
    for symbol, kind, study, family in _CONTROLS:
        control = means[(means["study"] == study) & means["family"].str.startswith(family)]
        yield symbol, kind, dendritic.merge(control, on=["inputs", "size"], suffixes=("", "_other"))
