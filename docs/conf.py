"""The documentation site, made by Sphinx (`make docs`).

Sphinx is what CPython, PyTorch and MLflow's own API pages are made with: it is kept well, checks every
reference, and reads docstrings. MyST lets the pages be the Markdown that a repository shows, and furo is
readable on a telephone.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import reference  # noqa: E402  # it lies here

project = "dendritic-study"
author = "the dendritic-study contributors"
release = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "dendritic-study"
html_static_path: list[str] = []

# Every reference must lead somewhere (`make docs` makes a warning an error).
nitpicky = True
nitpick_ignore_regex = [
    # Types of libraries: their own pages explain them.
    (
        "py:.*",
        r"(numpy|torch|pandas|plotly|rich|mlflow|optuna|pathlib|collections|typing|pydantic|ray)\b.*",
    ),
    ("py:.*", r"(np|pd|go|nn|NDArray|Path|Any|Console|Tensor|Unpack)\b.*"),
    # Values that public functions take or return, described where they are.
    ("py:.*", r"(study|models)\..*"),
]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# In docstrings a name between single backticks is code, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}


def setup(app: object) -> None:
    """Writes the pages that are made of the code before Sphinx looks for pages."""
    del app  # Sphinx gives it; nothing is needed of it
    reference.write(HERE)
