"""The documentation site, made by Sphinx (`make docs`).

Sphinx builds the documentation of CPython, PyTorch and MLflow's API: it is well maintained, checks every
reference, and reads docstrings. MyST accepts the Markdown that repository hosts display, and furo is
readable on phones.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

project = "dendritic-study"
author = "the dendritic-study contributors"
release = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "dendritic-study"
html_show_copyright = False
html_static_path: list[str] = []

# Every reference must resolve (`make docs` treats warnings as errors).
nitpicky = True
nitpick_ignore_regex = [
    # Types of other libraries.
    (
        "py:.*",
        r"(numpy|torch|pandas|plotly|rich|mlflow|optuna|pathlib|os|collections|typing|pydantic|ray)\b.*",
    ),
    ("py:.*", r"(np|pd|go|nn|NDArray|Path|Any|Console|Image|Tensor|ImageSource)\b.*"),
    # Parameters and results of public functions that are not public names.
    ("py:.*", r"(study|models)\..*"),
]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# In docstrings a name between single backticks is code, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}
