"""The figure of benchmarks/search: hypervolume over epochs spent, a row a table, a column a box."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from plotly.subplots import make_subplots

from benchmarks.search.measures import points
from benchmarks.search.protocol import MEASURES, TEST, table_of
from benchmarks.search.summary import OURS, peers

# Okabe and Ito's palette, ours first; dashes tell apart what is printed in grey.
COLOURS: Final = (
    "#D55E00",
    "#999999",
    "#000000",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#0072B2",
    "#8C564B",
    "#0072B2",
    "#8C564B",
    "#000000",
)
DASHES: Final = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")


def draw(result: dict[str, Any], to: Path) -> None:
    tables, boxes = list(result["runs"]), MEASURES["boxes"]
    titles = [f"{table}, box to {100 * box:.0f} %" for table in tables for box in boxes]
    figure = make_subplots(
        len(tables),
        len(boxes),
        shared_yaxes=True,
        subplot_titles=titles,
        horizontal_spacing=0.02,
        vertical_spacing=0.12,
    )
    for row, table in enumerate(tables, 1):
        limit = round(TEST["limit"] * table_of(table).all_epochs)
        epochs = points(table_of(table), limit)
        for column, box in enumerate(boxes, 1):
            for number, name in enumerate((OURS, *peers(result["runs"][table]))):
                runs = result["runs"][table][name].values()
                traces = [run["boxes"][f"{box:g}"]["trace"] for run in runs]
                figure.add_scatter(
                    x=epochs,
                    y=np.median(traces, axis=0),
                    mode="lines",
                    line={
                        "color": COLOURS[number],
                        "dash": DASHES[number % len(DASHES)],
                        "width": 4 if name == OURS else 2,
                        "shape": "hv",
                    },
                    name=name,
                    legendgroup=name,
                    showlegend=row == column == 1,
                    row=row,
                    col=column,
                )
            figure.add_hline(
                y=MEASURES["goal"], line={"color": "#999999", "width": 1}, row=row, col=column
            )
            figure.update_xaxes(type="log", dtick="D2", row=row, col=column)
    figure.update_xaxes(title="epochs spent", row=len(tables))
    figure.update_yaxes(title="share of hypervolume", range=[0, 1.02], col=1)
    figure.update_layout(template="plotly_white", font={"size": 14})
    figure.write_image(to, width=1400, height=420 * len(tables), scale=2)
