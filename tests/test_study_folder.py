import fcntl
import json
import os
import subprocess
import sys
import time

import pytest

from study.errors import BadInputError, SpecError
from study.runner.resume import check_continues, grew, growing, store_spec
from study.spec.study_spec import StudySpec
from study.study_folder import CHECKPOINT, HISTORY, StudyFolder, delete_files


@pytest.fixture
def folder(tmp_path):
    return StudyFolder(tmp_path, "a")


TABLE = {"name": "a", "dataset": "digits", "families": ["vann"]}


def test_whether_a_study_is_driven_is_known_without_disturbing_its_driver(folder, monkeypatch):
    assert not folder.is_driven()
    asked = []
    flock = fcntl.flock

    def on_nfs(file, operation):
        """Linux on NFS: only what is open for writing can be locked for one alone."""
        asked.append(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE)
        flock(file, operation)

    with folder.only_driver():
        monkeypatch.setattr(fcntl, "flock", on_nfs)
        assert folder.is_driven()
        assert json.loads((folder.path / "driver.json").read_text())["process"] == os.getpid()
    assert not folder.is_driven()
    assert os.O_RDONLY not in asked


def test_a_driver_starts_while_another_process_asks_whether_there_is_one(folder, monkeypatch):
    with folder.only_driver():
        pass
    with (folder.path / "driver.json").open("r+") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not folder.is_driven()

        def answered(seconds):
            if seconds:
                fcntl.flock(asking, fcntl.LOCK_UN)

        monkeypatch.setattr(time, "sleep", answered)
        with folder.only_driver():
            assert folder.is_driven()


def test_the_same_spec_continues_a_study(folder):
    check_continues(StudyFolder(folder.path / "new", "a"), StudySpec.from_dict(TABLE))
    store_spec(folder, StudySpec.from_dict(TABLE))
    check_continues(folder, StudySpec.from_dict(TABLE))


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"trials": 99, "minutes": 20, "total_epochs": 500}},
        {"budget": {"trials": 9}},
        {"resources": {"cpus": 2, "concurrent_trials": 1}},
        {"dataset": {"name": "digits", "root": "/elsewhere", "download": True}},
        {"diagnostics": ["activity", "weights"]},
        {"stopping": {"reduction_factor": 1.5}},
    ],
)
def test_more_budget_another_machine_or_other_diagnostics_continue_it(change, folder):
    limits = {"budget": {"trials": 9, "minutes": 5, "total_epochs": 300}}
    store_spec(folder, StudySpec.from_dict(TABLE | limits))
    check_continues(folder, StudySpec.from_dict(TABLE | limits | change))


def test_another_spec_is_refused_with_the_difference(folder):
    store_spec(folder, StudySpec.from_dict(TABLE))
    other = TABLE | {"seed": 3, "space": {"somata": 8}, "budget": {"epochs": 2}}
    with pytest.raises(SpecError) as caught:
        check_continues(folder, StudySpec.from_dict(other))
    lines = str(caught.value).splitlines()
    assert "  budget.epochs: was 15, is 2" in lines
    assert "  seed: was 0, is 3" in lines
    assert "  space.somata: was [32, 64, 128, 256], is 8" in lines
    assert len(lines) == 5
    store_spec(folder, StudySpec.from_dict(TABLE))
    fewer = TABLE | {"stopping": {"reduction_factor": 3}}
    with pytest.raises(SpecError, match=r"stopping.reduction_factor: was 2.0, is 3.0"):
        check_continues(folder, StudySpec.from_dict(fewer))


CONSTANT = {"space": {"schedule": "constant"}}


def test_the_epochs_of_a_study_grow_with_a_constant_learning_rate_and_the_same_grace(folder):
    more = {"budget": {"epochs": 20}}
    grace = {"stopping": {"grace_epochs": 3}}
    store_spec(folder, StudySpec.from_dict(TABLE | CONSTANT))
    check_continues(folder, StudySpec.from_dict(TABLE | CONSTANT | more | grace))
    with pytest.raises(SpecError, match=r"`stopping.grace_epochs = 3` must be given .* 15 and 20"):
        check_continues(folder, StudySpec.from_dict(TABLE | CONSTANT | more))
    for space in ({}, {"schedule": "constant", "rewiring": 0.3}):
        table = TABLE | {"families": ["dann-r"], "space": space}
        store_spec(folder, StudySpec.from_dict(table))
        with pytest.raises(SpecError, match=r'`space.schedule = "constant"` and .* got 15 and 20'):
            check_continues(folder, StudySpec.from_dict(table | more | grace))


def test_a_study_grows_with_its_budget_or_the_share_of_trials_that_continue(folder):
    table = TABLE | CONSTANT | {"budget": {"trials": 9}}
    assert not grew(folder, StudySpec.from_dict(table))
    store_spec(folder, StudySpec.from_dict(table))
    for change in (
        {"budget": {"trials": 10}},
        {"budget": {"trials": 9, "epochs": 20}},
        {"stopping": {"reduction_factor": 1.5}},
    ):
        assert grew(folder, StudySpec.from_dict(table | change))
    for change in (
        {},
        {"budget": {"trials": 9, "confirm": 3}},
        {"resources": {"cpus": 2}},
    ):
        assert not grew(folder, StudySpec.from_dict(table | change))


@pytest.mark.parametrize("limit", ["trials", "total_epochs", "minutes", "stagnation"])
def test_less_budget_than_before_is_refused(limit, folder):
    unlimited = 30 if limit == "trials" else None
    for before, shown in ((29, 29), (None, unlimited)):
        store_spec(folder, StudySpec.from_dict(TABLE | {"budget": {limit: before}}))
        with pytest.raises(SpecError, match=rf"budget.{limit}: was {shown}.*, is 28"):
            check_continues(folder, StudySpec.from_dict(TABLE | {"budget": {limit: 28}}))


def test_no_number_of_trials_is_that_of_the_default(folder):
    store_spec(folder, StudySpec.from_dict(TABLE))
    more = StudySpec.from_dict(TABLE | {"budget": {"trials": 60}})
    check_continues(folder, more)
    assert grew(folder, more)
    store_spec(folder, more)
    with pytest.raises(SpecError, match=r"budget.trials: was 60, is 30"):
        check_continues(folder, StudySpec.from_dict(TABLE))


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, "(--trials N)"),
        ({"budget": {"minutes": 2}}, "(--set budget.minutes=N)"),
        (
            {"budget": {"trials": 9, "stagnation": 5, "total_epochs": 90}},
            "(--trials N, --set budget.total_epochs=N, --set budget.stagnation=N)",
        ),
    ],
)
def test_a_finished_study_names_the_limits_that_may_grow(change, options):
    assert growing(StudySpec.from_dict(TABLE | change)) == (
        f"; a larger budget continues it {options}"
    )


def test_a_whole_grid_has_nothing_that_a_larger_budget_could_try():
    grid = TABLE | {"sampler": "grid", "space": {"learning_rate": 0.01}}
    for trials in (None, 4, 9):
        assert not growing(StudySpec.from_dict(grid | {"budget": {"trials": trials}}), 4)
    part = StudySpec.from_dict(grid | {"budget": {"trials": 3}})
    assert growing(part, 4) == "; a larger budget continues it (--trials N)"


@pytest.mark.parametrize("limit", [{"minutes": 60}, {"stagnation": 9}, {"total_epochs": 90}])
def test_a_limit_other_than_trials_may_be_dropped(limit, folder):
    store_spec(folder, StudySpec.from_dict(TABLE | {"budget": limit}))
    check_continues(folder, StudySpec.from_dict(TABLE))
    assert grew(folder, StudySpec.from_dict(TABLE))


def test_the_order_of_objectives_belongs_to_the_search(folder):
    objectives = {"val_accuracy": "maximize", "macs": "minimize"}
    store_spec(folder, StudySpec.from_dict(TABLE | {"objectives": objectives}))
    swapped = dict(reversed(objectives.items()))
    with pytest.raises(SpecError, match="objectives: was"):
        check_continues(folder, StudySpec.from_dict(TABLE | {"objectives": swapped}))


def test_a_second_driver_is_refused_with_the_first_ones_name(folder):
    second = (
        "import sys, pathlib; from study.study_folder import StudyFolder\n"
        "with StudyFolder(pathlib.Path(sys.argv[1]), 'a').only_driver(): pass"
    )

    def drive():
        command = [sys.executable, "-c", second, str(folder.path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with folder.only_driver():
        refused = drive()
        holder = json.loads((folder.path / "driver.json").read_text())
    assert refused.returncode == 1
    assert f"is being run already by process {os.getpid()} on" in refused.stderr
    assert BadInputError.__name__ in refused.stderr
    assert set(holder) == {"host", "process", "started"}
    assert drive().returncode == 0


@pytest.mark.parametrize("has_checkpoint", [False, True])
def test_a_checkpoint_that_is_being_written_survives_the_deletion_of_other_files(
    has_checkpoint, tmp_path
):
    writing = tmp_path / f"{CHECKPOINT}.new"
    for file in [writing, tmp_path / HISTORY, *([tmp_path / CHECKPOINT] if has_checkpoint else [])]:
        file.write_text("{}")
    delete_files(tmp_path, keep_checkpoint=True)
    writing.replace(tmp_path / CHECKPOINT)  # the worker ends its write
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]
    delete_files(tmp_path, keep_checkpoint=False)
    assert not tmp_path.exists()
