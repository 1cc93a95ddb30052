"""The figures of docs/results.md of what units respond to, and of the weights."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from paper.drawing import error_bars, panels, points

_RESPONSES: Final = {
    "entropy": "entropy (bits)",
    "selectivity": "selectivity (classes)",
    "firing": "share of images at which a unit is active",
}
_SEPARABILITY: Final = {
    "silhouette": "silhouette",
    "neighbourhood_hit": "neighbourhood hit",
    "trustworthiness": "trustworthiness",
}
_WEIGHTS: Final = {
    "weight_range": "range of the weights",
    "weight_kurtosis": "kurtosis",
    "weight_skewness": "skewness",
}
_WIDTH: Final = 0.6
"""The share of a place that the families take, side by side."""

_UNITS: Final = {"layer1_dendrites": "dendrites", "layer1_somata": "somata"}
_MATRICES: Final = {"layer1_synapses": "synapses", "layer1_cables": "cables", "output": "output"}


def responses(rows: pd.DataFrame) -> go.Figure:
    """Entropy, selectivity and activity of the first units that read the images, by epoch."""
    own = trained(rows).sort_values("epochs")

    def values(name: str) -> pd.Series:
        return own["measured"].map(lambda one: one.get(f"{first_units(one)}_{name}"))

    figure = _panels(_RESPONSES, own, own["epochs"].astype(str), values)
    return figure.update_xaxes(title="epochs of training")


def separability(rows: pd.DataFrame) -> go.Figure:
    """How the classes are separated by dendrites and somata, before and after training."""
    return _by_layer(trained(rows), _UNITS, _SEPARABILITY)


def weights(rows: pd.DataFrame) -> go.Figure:
    """The distribution of weights by layer after training."""
    own = trained(rows)
    return _by_layer(own[own["epochs"] == own["epochs"].max()], _MATRICES, _WEIGHTS)


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each network of the representations, with its epochs and what was measured."""
    own = rows[rows["study"].str.startswith("representation-") & (rows["stage"] == "search")]
    own = own.drop_duplicates(["study", "trial"])
    rates = own["settings"].map(lambda text: json.loads(text)["learning_rate"])
    epochs = own["val_loss_curve"].map(len).where(rates > 0, 0)
    return own.assign(epochs=epochs, measured=own["diagnostics"].map(json.loads))


def first_units(measured: Mapping[str, Any]) -> str:
    """The first layer of units: dendrites, or somata where there are none."""
    return next((one for one in _UNITS if f"{one}_entropy" in measured), "layer1_dendrites")


def _by_layer(own: pd.DataFrame, layers: Mapping[str, str], names: Mapping[str, str]) -> go.Figure:
    """A panel for each name, with the layers before and after the training."""
    ends = own[own["epochs"].isin({0, own["epochs"].max()})].sort_values("epochs")
    parts = [
        ends.assign(
            layer=layer,
            place=[shown + ("" if epochs else "<br>untrained") for epochs in ends["epochs"]],
        )
        for layer, shown in layers.items()
    ]
    long = pd.concat(parts, ignore_index=True)

    def values(name: str) -> pd.Series:
        return pd.Series(
            [
                one.get(f"{layer}_{name}")
                for one, layer in zip(long["measured"], long["layer"], strict=True)
            ],
            index=long.index,
        )

    return _panels(names, long, long["place"], values)


def _panels(
    names: Mapping[str, str],
    own: pd.DataFrame,
    places: pd.Series,
    values: Callable[[str], pd.Series],
) -> go.Figure:
    """A panel for each name, with the points of each family at each place, beside each other.

    Bars are standard errors over seeds.
    """
    figure = panels([*names.values()], horizontal_spacing=0.08)
    if own.empty:
        return figure
    families, labels = sorted(set(own["family"])), list(dict.fromkeys(places))
    x = places.map(labels.index) + own["family"].map(families.index) * _WIDTH / len(families)
    shown: set[str] = set()
    for column, name in enumerate(names, start=1):
        found, errors = values(name), values(f"{name}_sem")
        for family in families:
            fits = (own["family"] == family) & found.notna()
            if not fits.any():
                continue
            points(
                figure,
                family,
                x[fits],
                found[fits],
                error_y=error_bars(errors[fits]),
                col=column,
                showlegend=family not in shown,
            )
            shown.add(family)
    ticks = [place + _WIDTH / 2 for place in range(len(labels))]
    return figure.update_xaxes(tickvals=ticks, ticktext=labels, tickangle=0)
