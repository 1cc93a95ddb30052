"""The protocol of benchmarks/recipes, and its figures."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from benchmarks.recipes import __main__ as command
from benchmarks.recipes import training
from benchmarks.recipes.effects import effects, table, verdicts
from benchmarks.recipes.protocol import NETWORKS, RECIPES, SEEDS, TEACHERS, TRAINING, Case, cases
from models.counting import counts_of
from study.spec.dimensions import Space
from study.training.dataset import load_dataset
from study.training.settings import TrainingSettings
from tests.support.processes import ROOT
from tests.support.published_files import idx_bytes


@pytest.mark.parametrize("bound", NETWORKS)
def test_every_network_is_just_under_its_bound(bound):
    for family in NETWORKS[bound]:
        parameters, _ = counts_of(Case(0, bound, family, "bare").architecture, (1, 28, 28), 10)
        assert 0.9 * bound < parameters <= bound, family


def test_seeds_are_the_outer_loop_and_each_family_has_what_applies_to_it():
    planned = list(cases([8_000, 30_000], ["dann-grf", "mlp", "cnn"], seeds=2))
    assert [case.seed for case in planned] == sorted(case.seed for case in planned)
    fields = {case.recipe for case in planned if case.family == "dann-grf"}
    assert fields == set(RECIPES)
    dense = {case.recipe for case in planned if case.family == "mlp"}
    assert dense == set(RECIPES) - {"centres variance", "rewiring 0.3"}
    for case in planned:
        assert TrainingSettings(**case.training)


def test_the_whole_measurement_fits_a_night_of_one_core():
    planned = list(cases(NETWORKS, NETWORKS[8_000], SEEDS))
    assert len(planned) == 1_400
    assert 4 < sum(case.core_hours for case in planned) < 6


def test_trainings_run_at_once_and_none_begins_after_the_end(monkeypatch):
    monkeypatch.setattr(training, "_train", lambda case, logits: (case, logits))
    monkeypatch.setattr(training, "_teach", lambda: "logits")
    left = list(cases([8_000], ["mlp"], seeds=1))
    with ThreadPoolExecutor(2) as workers:
        rows = list(training.rows_of(left, workers, 2, math.inf))
        assert sorted(case.recipe for case, _ in rows) == sorted(case.recipe for case in left)
        assert {case.recipe: one for case, one in rows if one} == {"teacher": "logits"}
        assert not list(training.rows_of(left, workers, 2, 0.0))


def row(seed, recipe, accuracy):
    case = {"seed": seed, "bound": 8_000, "family": "mlp"}
    return case | {"recipe": recipe, "val_accuracy": accuracy}


@pytest.mark.parametrize("sign", [1, -1])
def test_an_effect_is_named_where_a_paired_t_test_is_significant(sign):
    gains = [0.002, 0.004, 0.003, 0.001, 0.003]
    assert 0.001 < ttest_1samp(gains, 0).pvalue < 0.01  # with normal quantiles 1e-6
    assert 0.01 < ttest_1samp(gains[:4], 0).pvalue < 0.05
    for seeds, named in ((5, True), (4, False), (1, False)):
        pairs = [(seed, 0.9 + sign * gain) for seed, gain in enumerate(gains[:seeds])]
        rows = [row(seed, "bare", 0.9) for seed, _ in pairs]
        text = verdicts([*rows, *(row(seed, "shift 1", value) for seed, value in pairs)])
        own = " (8,000: mlp)" if named else ""
        more, less = (f"{int(named)} of 1 more accurate{own}", "0 less")
        if sign < 0:
            more, less = "0 of 1 more accurate", f"{int(named)} less{own}"
        assert text == f"- shift 1: {more}; {less}."


@pytest.mark.slow
def test_the_command_trains_in_processes_and_continues(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(count) % 10))
    result = tmp_path / "recipes.json"
    words = ["--root", str(tmp_path), "--to", str(result), "--bounds", "8000", "--families", "mlp"]

    def rows(seeds):
        run = [sys.executable, "-m", "benchmarks.recipes", *words, "--jobs", "2", "--seeds", seeds]
        subprocess.run(run, check=True, cwd=ROOT)
        return json.loads(result.read_text())["rows"]

    first = rows("1")
    applying = [one.recipe for one in cases([8_000], ["mlp"], seeds=1)]
    assert sorted(one["recipe"] for one in first) == sorted(applying)
    second = rows("2")
    assert second[: len(first)] == first
    assert len(second) == 2 * len(first)


def test_an_effect_is_the_mean_of_differences_between_equal_seeds():
    rows = [row(0, "bare", 0.80), row(1, "bare", 0.84), row(0, "shift 1", 0.83)]
    bare, shift = effects(rows)
    assert (bare.mean, bare.seeds) == (pytest.approx(82.0), 2)
    assert bare.sem == pytest.approx(2.0)
    assert (shift.mean, shift.seeds) == (pytest.approx(3.0), 1)
    assert math.isnan(shift.sem)
    (*_, cells) = table(rows).splitlines()
    assert cells.startswith("| 8,000 | mlp | 1 to 2 | 82.00 ± 2.00 |")
    assert "| +3.00 |" in cells
    *_, shift = effects([*rows, row(1, "shift 1", 0.85), row(2, "shift 1", 0.9)])
    assert (shift.mean, shift.seeds) == (pytest.approx(2.0), 2)  # seed 2 has no bare run


def test_a_row_is_that_of_its_case_and_the_teacher_is_trained_with_other_seeds(monkeypatch):
    monkeypatch.setitem(TRAINING, "epochs", 1)
    small = {"dendrites": 2, "somata": 4, "synapses": 4}
    monkeypatch.setitem(NETWORKS[100_000], "dann-lrf", small)
    dataset = load_dataset("digits")
    bare = training.train(Case(0, 100_000, "dann-lrf", "bare"), dataset, None)
    logits = training.teacher_logits(dataset)
    taught = training.train(Case(0, 100_000, "dann-lrf", "teacher"), dataset, logits)
    assert not set(TEACHERS) & set(range(SEEDS))
    assert {name: taught[name] for name in ("seed", "bound", "family", "recipe")} == {
        "seed": 0,
        "bound": 100_000,
        "family": "dann-lrf",
        "recipe": "teacher",
    }
    assert taught["val_accuracy"] != bare["val_accuracy"]


def test_the_plan_needs_no_data_and_a_run_needs_those_of_the_result(tmp_path, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["recipes", "--root", str(tmp_path), *words])
        command.main()

    run("--plan")
    assert "trainings are left, about" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        run()
    assert str(tmp_path) in capsys.readouterr().err
    monkeypatch.setattr(command, "dataset_of", lambda _: load_dataset("digits"))
    with pytest.raises(SystemExit, match="2"):
        run()
    assert "must hold results of the same images" in capsys.readouterr().err


def test_the_effects_of_recipes_are_the_committed_result():
    root = Path(__file__).parents[2]
    page = (root / "docs/recipes.md").read_text(encoding="utf-8")
    result = json.loads((root / "benchmarks/results/recipes.json").read_text(encoding="utf-8"))
    assert table(result["rows"]) in page
    prose, machine = " ".join(page.split()), result["machine"]
    assert verdicts(result["rows"]) in page
    of_decay = [one for one in effects(result["rows"]) if one.recipe == "weight_decay 0.05"]
    positive = sum(one.mean > 0 for one in of_decay)
    (line,) = [one for one in verdicts(result["rows"]).splitlines() if "weight_decay" in one]
    significant = line.removeprefix("- weight_decay 0.05: ").split(" ")[0]
    assert f"positive for {positive} of {len(of_decay)} networks and significant for " in prose
    assert f"significant for {significant}, no network is shown to lose" in prose
    assert line.endswith("0 less.")
    default = Space().weight_decay
    assert default.values == (RECIPES["weight_decay 0.05"]["weight_decay"],)
    assert machine["processor"] in prose
    assert all(f"{name} {one}" in prose for name, one in machine["versions"].items())
    assert result["training"] == TRAINING
    planned = list(cases(NETWORKS, NETWORKS[8_000], SEEDS))
    trained = {(one["seed"], one["bound"], one["family"], one["recipe"]) for one in result["rows"]}
    assert trained == {(one.seed, one.bound, one.family, one.recipe) for one in planned}
    assert f"{len(planned):,} trainings" in prose
    for bound, networks in NETWORKS.items():
        for family in networks:
            counts = counts_of(Case(0, bound, family, "bare").architecture, (1, 28, 28), 10)
            assert result["parameters"][str(bound)][family] == counts[0]
