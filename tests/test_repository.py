"""The files around the code agree with it: the workflow, the hooks, the citation."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_hooks_are_the_first_lines_of_make_quick():
    (recipe,) = re.findall(r"^quick:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)
    checks = [line.replace("$(BIN)", ".venv/bin").strip() for line in recipe.splitlines()]
    (hooks,) = read(".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in hooks["hooks"]] == checks[:-1]


def test_the_workflow_runs_what_the_readme_says_on_each_python_that_is_supported():
    jobs = read(".github/workflows/test.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = set(re.findall(r"^(\w+):", MAKEFILE, flags=re.MULTILINE))
    assert {"make test", "make docs"} <= set(commands)
    assert {one.removeprefix("make ") for one in commands if one.startswith("make ")} <= targets
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={jobs['test']['strategy']['matrix']['python'][0]}"


def test_the_citation_has_the_version_and_the_licence_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = read("CITATION.cff")
    for name in ("version", "license"):
        assert citation[name] == project[name]
    assert citation["title"] == project["name"]
    (paper,) = citation["references"]
    page = (ROOT / "docs/diagnostics.md").read_text(encoding="utf-8")
    assert f"https://doi.org/{paper['doi']}" in page
