"""docs/scaling.md beside the results on real workers and on checkpoints; and how they are measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.checkpoints import paths, table
from benchmarks.overhead.ours import unsent_bytes
from benchmarks.overhead.trial import NullTrainable
from benchmarks.workers.table import table as workers_table
from benchmarks.workers.table import text
from models import Architecture
from study.runner.trainable import StudyTrainable
from study.runner.trial_files import TrialStorage
from study.search.trial import TrialConfig
from study.tracking.spool import Position, Spool, write_position
from study.training.dataset import load_dataset
from study.training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/scaling.md").read_text(encoding="utf-8").split())


def result_of(benchmark):
    return json.loads((ROOT / "benchmarks/results" / f"{benchmark}.json").read_text("utf-8"))


def check_machine(machine):
    assert machine["processor"] in PAGE
    for name, version in machine["versions"].items():
        assert f"{name} {version}" in PAGE


def test_the_table_of_real_workers_is_the_committed_result():
    cases = result_of("workers")
    for row in workers_table(cases):
        assert row in PAGE, row
    assert text(cases[max(cases, key=int)]) in PAGE
    for case in cases.values():
        real = case["real"]
        assert sum(real["states"].values()) == real["trials"]
        assert real["most_workers"]["workers"] <= real["workers"]
        check_machine(case["machine"])


def test_the_tables_of_checkpoints_are_the_committed_result():
    result = result_of("checkpoints")
    for rows in table.tables(result).values():
        for row in rows:
            assert row in PAGE, row
    check_machine(result["machine"])


def test_the_rule_of_thumb_follows_from_the_result():
    result = result_of("checkpoints")
    workers = table.workers_a_minute(result, 5_000_000)
    assert f"Below {workers:,} workers with checkpoints of 5 MB" in PAGE


def test_what_is_unsent_is_counted_from_the_position_of_the_sender(tmp_path):
    folder = tmp_path / "spool"
    assert unsent_bytes(folder) == 0
    spool = Spool(folder)
    spool.append("x" * 9)
    spool.append("y" * 9)
    assert unsent_bytes(folder) == 20
    write_position(folder, Position(1, 10))
    assert unsent_bytes(folder) == 10
    spool.close()
    second = Spool(folder)  # begins a new segment
    second.append("z" * 4)
    second.close()
    assert unsent_bytes(folder) == 15


def test_trials_that_train_nothing_report_what_others_do(tmp_path):
    digits = load_dataset("digits")
    config = TrialConfig(
        number=0,
        architecture=Architecture(family="vann", dendrites=1, somata=4),
        training=TrainingSettings(epochs=2, learning_rate=0.01),
        seeds=(0, 1),
    )
    reports = []
    for trainable in (NullTrainable, StudyTrainable):
        made = object.__new__(trainable)  # Ray's own constructor wants an actor around it
        made.setup(
            config.to_dict(),
            dataset_name=digits.name,
            classes=digits.classes,
            arrays=digits.to_arrays(),
            threads=1,
            gpus=0,
            rungs=(1,),
            storage=TrialStorage(tmp_path),
        )
        reports.append(made.step())
    null, real = reports
    assert null.keys() == real.keys()
    assert null["curves"].keys() == real["curves"].keys()
    for name, epochs in null["curves"].items():
        assert np.shape(epochs) == np.shape(real["curves"][name])


@pytest.mark.parametrize("size", [0, 1000])
def test_a_worker_repeats_a_checkpoint_and_leaves_nothing(size, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SECONDS", 0.05)
    found = paths.by_worker(tmp_path.as_uri(), size)
    assert found["count"] > 0
    assert found["ms"] == pytest.approx(1e3 * found["seconds"] / found["count"])
    assert list(tmp_path.iterdir()) == []
