"""The comparison of dann-conv with cnn: seeds in turn, continued from the stored result."""

import json

from benchmarks.training.shared_dendrites import NETWORKS, measure, table
from models import Architecture
from models.counting import counts_of
from study import load_dataset


def test_each_run_adds_the_next_seeds_in_turn(tmp_path):
    file, dataset = tmp_path / "result.json", load_dataset("digits")
    networks = {part: {**NETWORKS[part], "somata": 2} for part in ("one branch", "linear branches")}
    for _ in range(3):
        measure(dataset, 1e-9, file, networks)  # a single training
    rows = json.loads(file.read_text())["rows"]
    assert [len(row["val_accuracy"]) for row in rows] == [2, 1]
    assert all(0.1 < value <= 1 for row in rows for value in row["val_accuracy"])
    first, second = rows[0]["val_accuracy"]
    assert first != second
    lines = table({"rows": rows[:1]}).splitlines()
    assert lines[-1].startswith("| one branch | dann-conv D1 S2 K16 | no | ")
    assert lines[-1].endswith("| 2 |")


def test_its_networks_are_within_their_bounds():
    counts = {
        part: counts_of(Architecture(**options), (1, 28, 28), 10)
        for part, options in NETWORKS.items()
    }
    parameters, macs = counts["shared dendrites"]
    assert counts["cnn, equal multiply-accumulates"][1] <= macs
    for part in ("shared dendrites", "one branch", "linear branches", "cnn, equal parameters"):
        assert 7000 < counts[part][0] <= 8000
    assert counts["linear branches"] == (parameters, macs)
