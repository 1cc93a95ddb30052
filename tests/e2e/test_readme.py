"""The README's snippets, run in the order in which a reader meets them."""

import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import warnings
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import study
from benchmarks.search.summary import interval, needed_epochs
from study.search.budget import DEFAULT_TRIALS
from study.search.rungs import rung_epochs
from study.spec.spec_file import read_toml
from tests.support.command import study_command
from tests.support.empty_store import new_home
from tests.support.processes import PATIENCE_S, ROOT, clean_environment

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")


def snippets(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a reader has it: with the specs in it."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "studies", folder / "studies")
    (folder / "mine.toml").write_text(snippets("toml")[0])
    new_home(folder / "runs")
    return folder


def shell(text, folder, **environment):
    """Runs lines that set variables, and commands of `study`; returns their output."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)  # noqa: S607  # the reader's own shell
    output = ""
    for line in text.splitlines():
        match shlex.split(line, comments=True):
            case []:
                pass
            case ["export", setting]:
                name, _, value = setting.partition("=")
                environment[name] = value
            case ["study", *arguments]:
                done = study_command(*arguments, cwd=folder, **environment)
                assert done.returncode == 0, done.stdout + done.stderr
                output += done.stdout
            case words:
                pytest.fail(f"this test cannot run {words}")
    return output


# What a snippet opens is closed when its process ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_snippet_runs(folder, ray_head, on_ray):
    commands = [block for block in snippets("sh") if not block.startswith("make ")]
    run, submit, look, ask = commands
    assert "mine: Pareto front" in shell(run, folder, **on_ray)

    assert "http://head:8265" in submit
    submit = submit.replace("http://head:8265", ray_head.address)
    shell(submit, folder, RAY_AUTH_TOKEN=ray_head.token)

    lines = look.splitlines()
    assert lines[-1].startswith("study ui")
    assert "mine" in shell("\n".join(lines[:-1]), folder)
    assert (folder / "report.html").stat().st_size > 1_000_000
    _serves(folder)

    assert "mine: best configurations" in shell(ask, folder)
    assert (folder / "my-network" / "network.safetensors").exists()

    pages = [README, *((ROOT / f"docs/{page}.md").read_text() for page in ("networks", "records"))]
    for block in [block for page in pages for block in snippets("python", page)]:
        with (
            chdir(folder),
            patch.dict(os.environ, clean_environment(), clear=True),
            warnings.catch_warnings(),
        ):
            warnings.resetwarnings()
            exec(compile(block, "snippet", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own


def _serves(folder):
    with subprocess.Popen(
        ["study", "ui"],  # noqa: S607  # as the README has it
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(),
    ) as server:
        assert server.stdout.readline().startswith("MLflow UI: http://127.0.0.1:")
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=PATIENCE_S) == 0


def test_every_spec_in_it_is_valid_and_one_has_every_key(tmp_path):
    short, long = snippets("toml")
    for text in (short, long):
        (tmp_path / "spec.toml").write_text(text)
        spec = study.StudySpec.from_toml(tmp_path / "spec.toml")
    given, known = read_toml(tmp_path / "spec.toml", []), spec.to_dict()
    assert given.keys() == known.keys()
    for section in ("space", "budget", "stopping", "resources"):
        assert given[section].keys() == known[section].keys()
    assert given["dataset"].keys() | {"path"} == known["dataset"].keys()


def test_what_it_says_are_defaults_are(tmp_path):
    short, long = snippets("toml")
    (tmp_path / "short.toml").write_text(short)
    (tmp_path / "long.toml").write_text(long)
    default = study.StudySpec.from_toml(tmp_path / "short.toml")
    written = study.StudySpec.from_toml(tmp_path / "long.toml")
    assert written.space == default.space
    assert written.objectives == default.objectives
    assert (written.replicates, written.sampler) == (default.replicates, default.sampler)
    assert (written.budget.trials, written.budget.epochs) == (DEFAULT_TRIALS, 15)
    assert written.stopping.scheduler == default.stopping.scheduler
    assert rung_epochs(written) == rung_epochs(default)


def test_its_commands_and_files_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    (make,) = [block for block in snippets("sh") if block.startswith("make ")]
    assert set(re.findall(r"^make (\w+)", make, flags=re.MULTILINE)) == {"study", "test"} <= targets
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert link.startswith("#") or (ROOT / link).exists(), link
    tree = re.search(r"## The tree\n\n```text\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in tree.splitlines():
        assert Path(ROOT, line.split()[0]).exists(), line


def percent(trial, metric):
    return f"{100 * trial[metric]:.2f} ± {100 * trial[f'{metric}_sem']:.2f}"


def result_of(benchmark):
    return json.loads((ROOT / "benchmarks/results" / f"{benchmark}.json").read_text())


def names_machine(text, machine):
    assert machine["processor"] in text
    for name, version in machine["versions"].items():
        assert f"{name} {version}" in text


def test_its_front_is_the_committed_result():
    result = result_of("fashion_mnist")
    table = README.split("(own split): Pareto front")[1].split("```")[0]
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if " ± " in line]
    front = [trial for trial in result["trials"] if trial["on_front"]]
    front.sort(key=lambda trial: trial["trainable_parameters"])
    for cells, trial in zip(rows, front, strict=True):
        assert cells[0] == str(trial["trial"])
        assert cells[2:5] == [
            f"{trial['trainable_parameters']:,}",
            percent(trial, "val_accuracy"),
            percent(trial, "test_accuracy"),
        ]
    assert (
        f"{len(result['trials'])} trials of {result['spec']['budget']['epochs']} epochs" in README
    )
    assert f"Measured in {result['seconds']:.0f} s" in README
    names_machine(README, result["machine"])


def test_its_speeds_are_the_committed_result():
    result = result_of("training")
    for text in (README, (ROOT / "docs/networks.md").read_text()):
        for row in result["steps"]:
            seconds = row["seconds"]
            line = f"| {row['dendrites']}, {row['somata']} | {1e3 * seconds['ours']:.2f} | "
            line += f"{1e3 * seconds['masked_dense']:.2f} | "
            line += f"{seconds['masked_dense'] / seconds['ours']:.1f}x | "
            line += f"{seconds['ours_x5'] / seconds['ours']:.2f}x |"
            assert line in text
        names_machine(text, result["machine"])


def test_the_options_in_the_docs_are_worth_what_was_measured():
    result = result_of("defaults")
    text = (ROOT / "docs/networks.md").read_text()
    values = {}
    for row in result["rows"]:
        said = ", ".join(f"{key} {value}" for key, value in row["changes"].items()) or "defaults"
        measured = row["val_accuracy"]
        shown = f"{100 * measured['mean']:.2f} ± {100 * measured['sem']:.2f}"
        values.setdefault(said, {})[row["family"]] = shown
    for said, shown in values.items():
        columns = [shown.get(family, "") for family in ("dann-lrf", "dann-r")]
        assert f"| {said} | {columns[0]} | {columns[1]} |" in text
    names_machine(text, result["machine"])


def test_its_searches_are_the_committed_result():
    result = result_of("search")
    page = (ROOT / "docs/search.md").read_text()
    rows = {}
    for name, runs in result["runs"].items():
        needed = needed_epochs(runs, "epochs_to_goal")
        low, high = interval(needed)
        median = float(np.median(needed))
        share = f"{median / result['table']['all_epochs']:.1%}" if math.isfinite(median) else ""
        never = sum(map(math.isinf, needed))
        rows[name] = (
            f"| {name} | {epochs(median)} | {epochs(low)} to {epochs(high)} | {share} | {never} |"
        )
    assert all(row in page for row in rows.values())
    shown = ("ours", "nsga2 (20)", "random", "tpe", "tpe+asha", "moasha")
    assert all(rows[name] in README for name in shown)
    names_machine(page, result["machine"])


def epochs(count):
    return f"{count:,.0f}" if math.isfinite(count) else "never"


def test_what_the_machinery_costs_is_the_committed_result():
    result = result_of("overhead")
    raw = result["trial"]["raw"]["ms"]
    shown = {
        "raw Ray Tune": "raw",
        "Ray Tune with its own Optuna and MLflow": "stock",
        "ours, sampler random": "random none every",
        "ours, sampler ehvi": "ehvi none every",
        "ours, sampler ehvi, halving": "ehvi pareto rung",
    }
    for said, kind in shown.items():
        cost = result["trial"][kind]["ms"]
        assert f"| {said} | {cost:.1f} | {cost / raw:.1f}x |" in README
    for one in result["growth"].values():
        first, last = (window["ms"] for window in one["growth"].values())
        assert f"{last / first:.1f} times what it does at 100" in README
    marks = result["decision"]["ehvi"]["marks"]
    ask, report, tell = (
        f"{marks['10000'][kind]['median'] / 1000:.1f}" for kind in ("ask", "report", "tell")
    )
    assert f"{ask} ms to ask, {report} ms to rank a report and {tell} ms to tell" in README
    assert f"{marks['1000']['memory_mb']:.0f} MiB at 1,000" in README
    assert f"to {marks['10000']['memory_mb']:.0f} MiB" in README


def test_what_recording_costs_is_the_committed_result():
    result = result_of("tracking")
    for store in ("sqlite", "server with PostgreSQL"):
        ours, rays = (result[store][kind] for kind in ("ours", "rays"))
        said = store.replace("sqlite", "SQLite")
        line = f"| {said} | {ours['mean_ms']:.3f} | {rays['mean_ms']:.1f} | "
        line += f"{ours['points_a_second']:,.0f} | {rays['points_a_second']:,.0f} |"
        assert line in README
    names_machine(README, result["machine"])


def test_how_long_answers_take_is_the_committed_result():
    result = result_of("answers")
    seconds = result["seconds"]["10000"]
    for question, taken in seconds["sqlite"].items():
        if question in seconds["server"] and question not in ("knee", "best 5 of a family"):
            assert f" | {taken:.2f} | {seconds['server'][question]:.2f} |" in README, question
    names_machine(README, result["machine"])
