"""The figures of docs/results.md, one for each question, drawn from the committed results."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

import study
from paper.claims import Claims
from paper.drawing import blank, panels, points, with_intervals
from paper.effects import EFFECTS
from paper.response_figures import responses, separability, weights
from paper.size_figures import cables, controls, efficiency, overfitting, ratio, sizes
from paper.table import SCORES, tested, with_scores

_SIZES: Final = {"3k": "#bbbbbb", "10k": "#88aacc", "30k": "#4477aa", "100k": "#223355"}
_HEIGHT: Final = 620  # pixels
_MEASURES: Final = {"percent": "test accuracy (%)", **SCORES}
FORESTS: Final = {
    "structure": ("Fig. 4", "Suppl. Fig. 6"),
    "training": ("Suppl. Fig. 3", "Suppl. Fig. 4", "Suppl. Fig. 5"),
}
"""The figures of claims alone: the starts of the names of their groups."""

TITLES: Final = {
    "accuracy": "Are dendritic networks as accurate with fewer parameters?",
    "loss": "Does the loss of the vanilla network rise with its size?",
    "overfitting": "Does the vanilla network overfit more?",
    "ratio": "How does the ratio of parameters depend on the reference?",
    "efficiency": "Which networks have the better efficiency scores?",
    "controls": "Do dendritic networks lead equally tuned controls by parameters, operations, bytes?",
    "factorial": "What do sparsity, locality, branches and weight sharing contribute?",
    "noise": "Does the lead of dendritic networks grow with noise?",
    "sequential": "Is sequential training a matter of forgetting, size, or step size?",
    "responses": "Are units mixed-selective before training, or only after it?",
    "separability": "Which layers separate the classes, and which keep neighbourhoods?",
    "weights": "How are the weights distributed?",
    "cables": "Do cables of their own help, and less so in larger networks?",
    "structure": "Do cables of their own and depth help, at one size?",
    "training": "Does the vanilla network catch up with early stopping, dropout or other rates?",
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
    """Writes the figures as paper_NAME.png; raises StudyError where `study.write_picture` cannot."""
    for name, figure in found.items():
        study.write_picture(figure, TITLES[name], folder / f"paper_{name}.png", _HEIGHT)


def _noise(rows: pd.DataFrame) -> go.Figure:
    """Accuracy and scores over the noise (Fig. 7b)."""
    figure = panels([*_MEASURES.values()])
    own = _with_setting(rows, "noise-", "noise")
    levels = sorted(set(own["noise"]))
    families = own.groupby("family")
    for place, (family, values) in enumerate(families):
        aside = 0.05 * (place - (len(families) - 1) / 2)
        for column, metric in enumerate(_MEASURES, start=1):
            points(figure, str(family), values["noise"] + aside, values[metric], col=column)
    return figure.update_xaxes(title="standard deviation of the noise", tickvals=levels)


def _sequential(rows: pd.DataFrame) -> go.Figure:
    """Accuracy and scores of training class by class (Fig. 7c, d)."""
    figure = panels([""] * 3, shared_yaxes=True, horizontal_spacing=0.03)
    own = _with_setting(rows, "table2-", "learning_rate")
    own = own.sort_values(["trainable_parameters", "learning_rate"])
    for family, values in own.groupby("family"):
        labels = [
            f"{family}, {size:,} parameters, rate {rate:g}"
            for size, rate in zip(
                values["trainable_parameters"], values["learning_rate"], strict=True
            )
        ]
        for column, metric in enumerate(_MEASURES, start=1):
            points(figure, str(family), values[metric], labels, col=column, showlegend=False)
    for column, title in enumerate(_MEASURES.values(), start=1):
        figure.update_xaxes(title=title, row=1, col=column)
    return figure.update_xaxes(type="log", row=1, col=3)


def _factorial(effects: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Each effect with its interval, by size and over all sizes."""
    figure = blank("")
    names = list(EFFECTS)
    for place, (size, colour) in enumerate([*_SIZES.items(), (None, "#CC6677")]):
        own = [one for one in effects if one["size"] == size]
        if own:
            label = "all sizes" if size is None else f"{size} parameters"
            y = [len(names) - names.index(one["name"]) - 0.14 * place for one in own]
            with_intervals(figure, own, y, colour, 100, label)
    if figure.data:
        ticks = [len(names) - place - 0.28 for place in range(len(names))]
        figure.update_yaxes(tickvals=ticks, ticktext=names, range=[0, len(names) + 0.5])
        figure.update_layout(showlegend=True)  # also of a single size
        figure.add_vline(x=0, line={"color": "#767676", "width": 1})
    figure.update_xaxes(title="difference of test accuracies, points, with its 95 % interval")
    return figure


def _forest(verdicts: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> go.Figure:
    """The claims of groups as they were measured, in percent of the loss or points of accuracy."""
    figure = blank("")
    names = {one.id: f"{one.group.partition(': ')[2]}: {one.label}" for one in Claims.read().claims}
    own = [
        one
        for one in verdicts
        if one["group"].startswith(tuple(groups)) and one.get("low") is not None
    ]
    # Ratios lie around 1, differences around 0.
    shifted = [{key: one[key] - one["is_ratio"] for key in ("value", "low", "high")} for one in own]
    if own:
        labels = [names.get(one["id"], one["id"]) for one in own]
        with_intervals(figure, shifted, labels, "#332288", 100, "")
        figure.update_layout(showlegend=False).update_yaxes(autorange="reversed")
        figure.add_vline(x=0, line={"color": "#767676", "width": 1})
    unit = "percent of the loss" if any(one["is_ratio"] for one in own) else "points of accuracy"
    return figure.update_xaxes(title=f"lead in {unit}, with its 95 % interval")


def _with_setting(rows: pd.DataFrame, study: str, name: str) -> pd.DataFrame:
    """The tested networks of studies with their scores and a column of one of their settings."""
    own = with_scores(tested(rows, study))
    setting = [json.loads(one).get(name, 0) for one in own["settings"]]
    return own.assign(percent=100 * own["test_accuracy"], **{name: setting})


_OF_ROWS: Final[dict[str, Callable[[pd.DataFrame], go.Figure]]] = {
    "accuracy": sizes("test_accuracy", "test accuracy (%)", 100),
    "loss": sizes("test_loss", "test loss (nats)", 1),
    "overfitting": overfitting,
    "ratio": ratio,
    "efficiency": efficiency,
    "controls": controls,
    "cables": cables,
    "noise": _noise,
    "sequential": _sequential,
    "responses": responses,
    "separability": separability,
    "weights": weights,
}
