"""The files of trials, as a worker on the driver's node writes them, and as the actor there does."""

from types import SimpleNamespace

import pytest

from study.runner.checkpoint_folder import CheckpointFolder
from study.runner.trial_files import TrialFiles, TrialFolders, TrialStorage


def written(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_files_of_a_trial_come_back_as_they_were(tmp_path):
    files = TrialStorage(tmp_path).files(3)
    assert files.checkpoint() is None
    files.write_checkpoint(lambda: b"old")
    files.write_checkpoint(lambda: b"new")
    files.finish_checkpoint()
    files.write({"network/network.json": b"{}", "example.npy": b"images"})
    assert TrialStorage(tmp_path).files(3).checkpoint() == b"new"
    assert written(tmp_path) == {
        "trial-3/checkpoint.safetensors": b"new",
        "trial-3/network/network.json": b"{}",
        "trial-3/example.npy": b"images",
    }


@pytest.mark.parametrize("remote", [False, True])
def test_a_trial_reads_the_checkpoint_of_the_one_that_it_continues(remote, tmp_path):
    shared = CheckpointFolder((tmp_path / "shared").as_uri(), "a") if remote else None
    if shared is not None:
        shared.make()
    storage = TrialStorage(tmp_path / "trials", shared)
    storage.files(3).keep_checkpoint(b"old")
    files = storage.files(5)
    assert (files.checkpoint(), files.checkpoint(3)) == (None, b"old")
    files.write_checkpoint(lambda: b"new")
    assert storage.files(5).checkpoint() == b"new"
    assert storage.files(3).checkpoint() == b"old"


def test_a_file_that_cannot_be_written_leaves_the_last_one(tmp_path):
    files = TrialStorage(tmp_path).files(3)
    files.write_checkpoint(lambda: b"old")
    (tmp_path / "trial-3/checkpoint.safetensors.new").mkdir()
    with pytest.raises(OSError, match=r"checkpoint.safetensors.new"):
        files.write_checkpoint(lambda: b"new")
    assert files.checkpoint() == b"old"


def test_the_last_checkpoint_of_a_worker_does_not_bring_back_a_folder_that_was_deleted(tmp_path):
    files = TrialStorage(tmp_path).files(3)
    with pytest.raises(FileNotFoundError):
        files.write_checkpoint(lambda: b"late", new=False)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (3, "../spec.json"),
        (3, "/etc/passwd.json"),
        (3, "network/../../../a.json"),
        (3, "other/a.json"),
        (3, "a.pkl"),
        (3, "a.json\n"),
        ("3/../../a", "a.json"),
        (True, "a.json"),
    ],
)
def test_other_files_than_those_of_a_trial_are_refused(number, name, tmp_path):
    with pytest.raises(ValueError, match="must be files of a trial"):
        TrialFolders(tmp_path / "trials").write(number, "me", {name: b""}, new=True)
    assert not any(tmp_path.iterdir())


def test_a_worker_whose_trial_continues_elsewhere_cannot_write_any_more(tmp_path):
    folders = TrialFolders(tmp_path)
    assert folders.open(3, "first") == (None, 0.0)
    folders.write_checkpoint(3, "first", b"1", new=True)
    assert folders.open(3, "second")[0] == b"1"
    for name in ("checkpoint.safetensors", "history.json"):
        with pytest.raises(OSError, match=r"another worker has the trial.*trial 3"):
            folders.write(3, "first", {name: b"late"}, new=True)
    folders.write_checkpoint(3, "second", b"2", new=True)
    folders.take(3, "third")  # on the driver's node, where it writes by itself
    with pytest.raises(OSError, match="another worker has the trial"):
        folders.write_checkpoint(3, "second", b"late", new=True)
    assert written(tmp_path) == {"trial-3/checkpoint.safetensors": b"2"}
    # An actor that was restarted knows no owners, and takes what comes.
    TrialFolders(tmp_path).write_checkpoint(3, "third", b"3", new=True)
    assert written(tmp_path) == {"trial-3/checkpoint.safetensors": b"3"}


class Clock:
    """Time that passes when told."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        made = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr("study.runner.trial_files.time", made)

    def takes(self, seconds, result=None):
        self.now += seconds
        return result


def test_after_a_checkpoint_the_next_one_waits_twenty_times_as_long(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    files = TrialFiles(tmp_path, 3, "me")
    clock.takes(0.09)
    assert not files.checkpoint_due
    clock.takes(0.02)
    assert files.checkpoint_due
    files.write_checkpoint(lambda: clock.takes(1.0, b""))
    clock.takes(19.9)
    assert not files.checkpoint_due
    clock.takes(0.2)
    assert files.checkpoint_due


def test_all_checkpoints_together_take_a_fifth_of_the_time_of_the_drivers_node(
    tmp_path, monkeypatch
):
    """However many trials there are: each waits for a multiple of what all wrote since its last one."""
    clock, trials = Clock(monkeypatch), 50
    folders = TrialFolders(tmp_path)
    # A disk on which each write takes as long.
    monkeypatch.setattr("os.fsync", lambda _: clock.takes(0.01))
    due = {number: clock.now + folders.open(number, "me")[1] for number in range(trials)}
    times = []
    while len(times) < 20 * trials:
        number = min(due, key=due.get)
        clock.now = max(clock.now, due[number])
        due[number] = folders.write_checkpoint(number, "me", b"", new=True) + clock.now
        times.append(clock.now)
    settled = times[10 * trials :]
    share = 0.01 * (len(settled) - 1) / (settled[-1] - settled[0])
    assert 0.15 < share < 0.25
    # A trial that comes later waits as long as the others do.
    _, pause = folders.open(trials, "me")
    assert pause == pytest.approx(0.01 * trials * 5, rel=0.2)
