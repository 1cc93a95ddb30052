"""The figure of benchmarks/scaling: trials an hour over GPUs, and what ends the growth first."""

from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go

from benchmarks.scaling.table import cases, ceilings
from study.report.style import BLACK, BLUE, GREEN, GREY, VERMILLION

_STYLES: Final = {1: (BLUE, "circle"), 10: (VERMILLION, "square"), 60: (GREEN, "diamond")}

_CEILINGS: Final = (
    ("the driver, sampler ehvi", BLACK, "dash"),
    ("the store, server with PostgreSQL", GREY, "dot"),
)


def draw(result: dict[str, Any], to: Path) -> None:
    figure = go.Figure()
    found = [one for one in cases(result) if one["sampler"] == "ehvi"]
    for minutes, (colour, symbol) in _STYLES.items():
        line = [one for one in found if one["minutes"] == minutes]
        figure.add_scatter(
            x=[one["gpus"] for one in line],
            y=[one["trials_an_hour"] for one in line],
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"symbol": symbol, "size": 10},
            name=f"trials of {minutes} min",
        )
    most = ceilings(result)
    ends = [min(one["gpus"] for one in found), max(one["gpus"] for one in found)]
    for name, colour, dash in _CEILINGS:
        figure.add_scatter(
            x=ends,
            y=[most[name]] * 2,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
            name=f"most that {name.partition(',')[0]} takes ({name.partition(', ')[2]})",
        )
    figure.update_layout(
        xaxis={
            "title": "simulated GPUs, one trial on each",
            "type": "log",
            "tickvals": sorted({one["gpus"] for one in found}),
            "ticktext": [f"{gpus:,}" for gpus in sorted({one["gpus"] for one in found})],
        },
        yaxis={"title": "trials an hour", "type": "log", "dtick": 1, "tickformat": ",.0f"},
        template="plotly_white",
        legend={"x": 0.98, "xanchor": "right", "y": 0.05},
        font={"size": 15},
        margin={"t": 30},
    )
    figure.write_image(to, width=1000, height=600, scale=1.5)
