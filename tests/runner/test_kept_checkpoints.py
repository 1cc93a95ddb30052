"""Checkpoints of ended trials: which are kept, within which share of the disk."""

from types import SimpleNamespace

import pytest
import torch
from optuna.trial import TrialState

from study.errors import StudyError
from study.runner import kept_checkpoints
from study.runner.checkpoint_folder import CheckpointFolder
from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.resume import promote
from study.search.configuration import Configuration
from study.search.grid import grid
from study.search.proposals import Proposal
from study.search.storage import Ending, SearchStorage
from study.search.stored_trial import config_of, kept_of
from study.spec.study_spec import StudySpec
from study.study_folder import CHECKPOINT, HISTORY, NETWORK, trial_folder
from study.training import checkpoint

SIZE = 100
SPEC = {
    "name": "a",
    "dataset": "digits",
    "families": ["vann"],
    "budget": {"epochs": 8},
    "space": {"schedule": "constant", "somata": [4, 8, 16, 32, 64, 128], "learning_rate": 0.01},
    "stopping": {"grace_epochs": 2},
}
# The end of each trial, after how many epochs, and its accuracy; the sizes grow.
ENDS = [
    ("PRUNED", 2, 0.9),  # on the front of its rung
    ("COMPLETE", 8, 0.9),
    ("PRUNED", 4, 0.5),
    ("PRUNED", 2, 0.1),
    ("FAIL", 2, 0.9),
    ("RUNNING", 0, None),
]


@pytest.fixture
def storage(tmp_path):
    spec = StudySpec.from_dict(SPEC)
    made = SearchStorage(spec, tmp_path / "journal")
    for size, (state, epochs, accuracy) in zip(SPEC["space"]["somata"], ENDS, strict=True):
        params = next(one for one in grid(spec) if one["somata"] == size)
        number = made.ask(Proposal(configuration=Configuration(spec, given=params)))
        for rung in (2, 4):
            if rung <= epochs:
                metrics = {"val_accuracy": accuracy, "trainable_parameters": size}
                made.note_rung(number, rung, metrics)
        if state != "RUNNING":
            metrics = {"epochs": epochs, "val_accuracy": accuracy, "trainable_parameters": size}
            values = [accuracy, size] if state == "COMPLETE" else None
            made.tell(
                number,
                Ending(
                    state=TrialState[state],
                    values=values,
                    violations={},
                    attributes=kept_of(metrics),
                ),
            )
    return made


def files_of(store):
    return sorted(str(file.relative_to(store)) for file in store.rglob("*") if file.is_file())


def write(store, numbers=range(6)):
    for number in numbers:
        folder = trial_folder(store, number)
        (folder / NETWORK).mkdir(parents=True)
        (folder / NETWORK / "network.json").write_text("{}")
        (folder / HISTORY).write_text("{}")
        (folder / CHECKPOINT).write_bytes(b"." * SIZE)


def kept(storage, store, share=0.5, remote=None):
    spec = StudySpec.from_dict(SPEC | {"storage": {"checkpoint_share": share}})
    return KeptCheckpoints(spec, storage, store, remote)


@pytest.fixture
def disk(monkeypatch):
    """A disk with so much room that a share of one half is three checkpoints of six."""
    room = SimpleNamespace(free=0)
    monkeypatch.setattr(kept_checkpoints.shutil, "disk_usage", lambda _: room)
    return room


def test_the_most_promising_keep_their_checkpoints_and_the_running_all_files(
    storage, disk, tmp_path
):
    write(tmp_path / "trials")
    (trial_folder(tmp_path / "trials", 0) / f"{CHECKPOINT}.new").write_bytes(b"half of it")
    kept(storage, tmp_path / "trials").clean_up()
    assert files_of(tmp_path / "trials") == [
        f"trial-0/{CHECKPOINT}",
        f"trial-1/{CHECKPOINT}",
        f"trial-2/{CHECKPOINT}",
        f"trial-5/{CHECKPOINT}",
        f"trial-5/{HISTORY}",
        f"trial-5/{NETWORK}/network.json",
    ]
    disk.free = -200  # the disk has filled: half of 400 - 200 is one
    kept(storage, tmp_path / "trials").clean_up()
    numbers = [number for number in range(6) if trial_folder(tmp_path / "trials", number).exists()]
    assert numbers == [1, 5]


def test_without_a_share_only_running_trials_keep_their_files(storage, tmp_path):
    write(tmp_path / "trials")
    kept(storage, tmp_path / "trials", share=0).clean_up()
    assert {name.split("/")[0] for name in files_of(tmp_path / "trials")} == {"trial-5"}


def test_what_will_be_continued_is_kept_whatever_its_size(storage, disk, tmp_path):
    write(tmp_path / "trials")
    storage.promote([3])
    disk.free = -500
    kept(storage, tmp_path / "trials").clean_up()
    numbers = [number for number in range(6) if trial_folder(tmp_path / "trials", number).exists()]
    assert numbers == [3, 5]


@pytest.mark.usefixtures("disk")
def test_while_trials_end_only_checkpoints_beyond_the_share_are_deleted(storage, tmp_path):
    write(tmp_path / "trials")
    one = kept(storage, tmp_path / "trials")
    for _ in range(20):
        assert (tmp_path / "trials/trial-3" / CHECKPOINT).exists()
        one.on_end()
    found = [
        number for number in range(6) if (tmp_path / f"trials/trial-{number}/{CHECKPOINT}").exists()
    ]
    assert found == [0, 1, 2, 5]
    assert (tmp_path / "trials/trial-3" / HISTORY).exists()  # it may not be recorded yet


@pytest.mark.usefixtures("disk")
def test_in_a_remote_folder_it_is_the_same(storage, tmp_path):
    remote = CheckpointFolder((tmp_path / "remote").as_uri(), "a")
    remote.make()
    for number in range(6):
        remote.write(number, b"." * SIZE)
    (tmp_path / "trials").mkdir()
    kept(storage, tmp_path / "trials", remote=remote).clean_up()
    assert remote.sizes() == dict.fromkeys([0, 1, 2, 5], SIZE)


def of_state(config, epochs, engine="compiled"):
    about = {"config": config, "training": {"epoch": epochs, "engine": engine}}
    return checkpoint.to_bytes({"a": torch.zeros(9)}, about)


@pytest.mark.parametrize(
    ("epochs", "engine", "resources", "is_readable"),
    [
        (8, "compiled", {}, True),
        (7, "compiled", {}, False),  # an epoch would be trained twice
        (8, "compiled", {"engine": "torch"}, False),
        (8, "compiled", {"gpus": 1}, False),
        (8, "torch", {"engine": "torch"}, True),
    ],
)
def test_a_trial_continues_from_its_last_epoch_with_its_engine(
    epochs, engine, resources, is_readable, storage, tmp_path
):
    spec = StudySpec.from_dict(SPEC | {"budget": {"epochs": 12}, "resources": resources})
    config = config_of(storage.trials()[1], spec).to_dict()
    trial_folder(tmp_path, 1).mkdir()
    (trial_folder(tmp_path, 1) / CHECKPOINT).write_bytes(of_state(config, epochs, engine))
    assert KeptCheckpoints(spec, storage, tmp_path).readable(1) is is_readable


def test_a_trial_whose_checkpoint_is_damaged_or_gone_is_not_promoted(storage, tmp_path):
    spec = StudySpec.from_dict(SPEC | {"budget": {"epochs": 12}})
    store = tmp_path / "trials"
    for number in (0, 1, 2):
        config = config_of(storage.trials()[number], spec).to_dict()
        data = of_state(config, epochs=ENDS[number][1])
        trial_folder(store, number).mkdir(parents=True)
        (trial_folder(store, number) / CHECKPOINT).write_bytes(data[:-1] if number == 2 else data)
    checkpoints = KeptCheckpoints(spec, storage, store)
    assert [checkpoints.readable(number) for number in range(4)] == [True, True, False, False]
    promote(StudySpec.from_dict(SPEC), storage, checkpoints, grew=False)
    assert storage.promoted == []
    promote(spec, storage, checkpoints, grew=False)  # its driver was killed when trial 1 had ended
    assert storage.promoted == [1]
    promote(spec, storage, checkpoints, grew=True)
    promote(spec, storage, checkpoints, grew=True)  # as after a kill
    assert storage.promoted == [1, 0]


def test_a_fault_while_checkpoints_are_read_leaves_no_trial_behind(storage, tmp_path):
    spec = StudySpec.from_dict(SPEC | {"budget": {"epochs": 12}})
    file = trial_folder(tmp_path, 1) / CHECKPOINT
    file.mkdir(parents=True)  # reading it is an error
    checkpoints = KeptCheckpoints(spec, storage, tmp_path)
    with pytest.raises(StudyError, match="the same command tries again"):
        promote(spec, storage, checkpoints, grew=True)
    file.rmdir()
    file.write_bytes(of_state(config_of(storage.trials()[1], spec).to_dict(), ENDS[1][1]))
    promote(spec, storage, checkpoints, grew=True)
    assert storage.promoted == [1]
