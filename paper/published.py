"""The paper's own result that a study of Fashion-MNIST is shown beside, for reference.

The best vanilla network (4 dendrites, 512 somata) of Chavlis & Poirazi, Nat Commun 2025;16:943, Table 1
and Fig. 3: the mean of five networks, on the official test images.
"""

from typing import Any, Final

from study.report.style import BLACK
from study.spec.study_spec import StudySpec

PARAMETERS: Final = 2_661_898
ACCURACY: Final = 89.29
"""Percent of the test images."""

SAID: Final = (
    "The star is the paper's vANN, whose 89.29 % are a test accuracy on the official split: a "
    "reference, not a rival on this axis."
)
_HOVER: Final = (
    "<b>vANN of the paper</b><br>89.29 % TEST accuracy (official split),<br>"
    "2,661,898 parameters: for reference only,<br>the axis is validation accuracy<br>"
    "Chavlis & Poirazi 2025, Table 1"
)


def is_comparable(spec: StudySpec, x: str, y: str) -> bool:
    """Whether the point means something where these metrics are on the axes of a study's figure."""
    axes = (x, y) == ("trainable_parameters", "val_accuracy")
    return spec.dataset.name == "fashion_mnist" and axes


def paper_point() -> dict[str, Any]:
    """The point as a trace of plotly."""
    return {
        "x": [PARAMETERS],
        "y": [ACCURACY],
        "mode": "markers",
        "marker": {"color": BLACK, "symbol": "star", "size": 15},
        "name": "paper's vANN (test accuracy)",
        "hovertext": [_HOVER],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
