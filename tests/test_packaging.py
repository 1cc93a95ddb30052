import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import models
import study

ROOT = Path(__file__).parent.parent


def test_importing_the_packages_does_not_wait_for_the_heavy_libraries():
    code = "import study, models, study.spec.study_spec, study.cli.app, sys; print(*sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not {"ray", "mlflow", "optuna", "torch", "pandas", "plotly"} & set(output.split())


def test_every_public_name_can_be_had():
    for package in (study, models):
        assert package.__all__ == sorted(package.__all__)
        assert set(dir(package)) >= set(package.__all__)
        for name in package.__all__:
            named = getattr(getattr(package, name), "__name__", "FAMILIES")
            assert named.rpartition(".")[2] == name  # `figures` is a module
        assert not hasattr(package, "nothing")


@pytest.mark.slow
def test_no_other_distribution_owns_the_packages():
    owners = importlib.metadata.packages_distributions()
    for package in (study, models):
        assert Path(package.__file__).parent.parent == ROOT
        assert set(owners.get(package.__name__, [])) <= {"dendritic-study"}
    assert importlib.metadata.version("dendritic-study")


def test_no_file_is_named_like_a_library_or_a_bag():
    dependencies = {"mlflow", "optuna", "ray", "torch", "pandas", "plotly", "rich", "typer"}
    forbidden = set(sys.stdlib_module_names) | dependencies | {"utils", "helpers", "common", "misc"}
    stems = {
        file.stem for package in ("study", "models") for file in (ROOT / package).rglob("*.py")
    }
    assert stems & forbidden <= {"__init__", "__main__"}
