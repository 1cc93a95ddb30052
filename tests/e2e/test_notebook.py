"""The example notebook, executed in a kernel as its reader does."""

import os
import re
from unittest.mock import patch

import nbformat
import pytest
from nbclient import NotebookClient

from study.home import Home
from tests.support.processes import PATIENCE_S, ROOT, clean_environment

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "docs" / "examples" / "first_study.ipynb"


def outputs(notebook, kind):
    """The outputs of this MIME type of each cell of code."""
    return [
        [one["data"][kind] for one in cell.outputs if kind in one.get("data", {})]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_example_goes_from_three_lines_to_a_picture(on_ray, tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    settings = clean_environment(**on_ray, IPYTHONDIR=str(tmp_path / "ipython"))
    with patch.dict(os.environ, settings, clear=True):
        client = NotebookClient(
            notebook, timeout=PATIENCE_S, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute()
    pages = outputs(notebook, "text/html")
    # The study is one output, which is replaced while it runs, and its result another.
    progress, summary = pages[0]
    assert '<progress max="6" value="6">' in progress
    assert "front, best val_accuracy first" in progress
    assert "complete" in summary
    figures = [cell[0] for cell in outputs(notebook, "application/vnd.plotly.v1+json") if cell]
    titles = [figure["layout"]["title"]["text"] for figure in figures]
    assert titles[0].startswith("notebook: ")
    assert len(titles) == 2
    best, network = (page[0] for page in (pages[2], pages[-1]))
    # The labels of the arrays are those of the predictions.
    assert len(re.findall(r">\d digit \d<", pages[-2][0])) == 5
    assert 1 < best.count("<tr>") <= 1 + 3
    assert "Network: dann-r" in network or "Network: vann" in network
    assert Home.find(tmp_path / "runs").study_folder("notebook").data.exists()
