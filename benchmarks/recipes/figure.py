"""The picture of benchmarks/recipes: the effect of each recipe on each family, by size."""

import math
from pathlib import Path
from typing import Any, Final

from plotly.subplots import make_subplots

from benchmarks.recipes.effects import effects
from benchmarks.recipes.protocol import BARE, RECIPES
from study.report.style import BLACK, BLUE, GREEN, GREY, VERMILLION

_STYLES: Final = {
    "dann-grf": (BLUE, "circle"),
    "dann-lrf": (GREEN, "circle"),
    "locally-connected": (VERMILLION, "square"),
    "sparse-mlp": (GREY, "square"),
    "mlp": (BLACK, "square"),
    "cnn": (BLACK, "diamond-open"),
}


def draw(result: dict[str, Any], to: Path) -> None:
    """Points are means over seeds, lines two standard errors each way."""
    found = [one for one in effects(result["rows"]) if one.recipe != BARE]
    bounds = sorted({one.bound for one in found})
    recipes = [name for name in RECIPES if name != BARE]
    figure = make_subplots(
        cols=len(bounds),
        shared_yaxes=True,
        subplot_titles=[f"at most {bound:,} parameters" for bound in bounds],
        horizontal_spacing=0.02,
    )
    for column, bound in enumerate(bounds, start=1):
        for place, (family, (colour, symbol)) in enumerate(_STYLES.items()):
            mine = [one for one in found if (one.bound, one.family) == (bound, family)]
            errors = [0 if math.isnan(one.sem) else 2 * one.sem for one in mine]
            figure.add_scatter(
                x=[one.mean for one in mine],
                y=[len(recipes) - recipes.index(one.recipe) - 0.12 * place for one in mine],
                error_x={"array": errors, "color": colour, "thickness": 1.5, "width": 0},
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 8},
                name=family,
                legendgroup=family,
                showlegend=column == 1,
                row=1,
                col=column,
            )
        figure.add_vline(x=0, line={"color": GREY, "width": 1}, row=1, col=column)
    figure.update_yaxes(
        tickvals=[len(recipes) - place - 0.3 for place in range(len(recipes))], ticktext=recipes
    )
    figure.update_xaxes(title="validation accuracy, difference in points")
    figure.update_layout(
        template="plotly_white",
        font={"size": 14},
        legend={"orientation": "h", "y": -0.16},
        margin={"t": 40, "r": 20},
    )
    figure.write_image(to, width=1200, height=640, scale=1.5)
