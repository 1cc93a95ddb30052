"""Draws how each family is wired, from the networks as they are built: docs/images/wiring.png.

    python -m benchmarks.pages.wiring

Each picture is what one soma of 128 reads of a 28 x 28 image: its four dendrites in four colours, for
families whose somata read all dendrites those of the soma's own place. Needs kaleido and a Chrome or
Chromium.
"""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models import FAMILIES, Architecture, Network, build
from models.layers import SparseLayer

PICTURE = Path(__file__).parents[2] / "docs/images/wiring.png"
# Okabe and Ito's palette.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7")
SIDE = 28
_SOMA = 11


def main() -> None:
    families = [name for name, family in FAMILIES.items() if family.synapses != "convolution"]
    titles = [f"<b>{name}</b><br>{FAMILIES[name].description}" for name in families]
    figure = make_subplots(
        rows=5, cols=3, subplot_titles=titles, vertical_spacing=0.06, horizontal_spacing=0.12
    )
    for place, name in enumerate(families):
        row, column = place // 3 + 1, place % 3 + 1
        for trace in traces(network(name)):
            figure.add_trace(trace, row=row, col=column)
        figure.update_xaxes(range=[-0.5, SIDE - 0.5], showticklabels=False, row=row, col=column)
        figure.update_yaxes(
            range=[SIDE - 0.5, -0.5], showticklabels=False, scaleanchor="x", row=row, col=column
        )
    figure.update_annotations(font_size=11)
    figure.update_layout(template="plotly_white", showlegend=False)
    figure.write_image(PICTURE, width=1100, height=1850)


def network(name: str) -> Network:
    family = FAMILIES[name]
    architecture = Architecture(
        family=name,
        somata=128,
        dendrites=4 if family.has_dendrites else None,
        synapses=16 if family.counts_synapses else None,
    )
    return build(architecture, (1, SIDE, SIDE), 10, [0])


def traces(built: Network) -> list[go.Scatter]:
    """The pixels that each dendrite of a soma reads; a family that reads all gets a frame."""
    units = built.layers[0]
    dendrites = built.architecture.dendrites or 1
    if not isinstance(units, SparseLayer):
        edge = [0, SIDE - 1, SIDE - 1, 0, 0]
        return [go.Scatter(x=edge, y=np.roll(edge, -1), fill="toself", line={"color": "#0072B2"})]
    inputs, offsets = (part.numpy() for part in units.connections(0))
    found = []
    for dendrite in range(dendrites):
        first = _SOMA * dendrites + dendrite
        read = inputs[offsets[first] : offsets[first + 1]]
        found.append(
            go.Scatter(
                x=read % SIDE,
                y=read // SIDE,
                mode="markers",
                marker={"symbol": "square", "size": 7, "color": COLOURS[dendrite]},
            )
        )
    return found


if __name__ == "__main__":
    main()
