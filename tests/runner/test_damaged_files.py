"""Files of a study that cannot be read, and homes that cannot be: one message, and what to do."""

import json
import subprocess
from pathlib import Path

import pytest

from study.errors import StudyError
from study.runner import resume
from study.search.storage import SearchStorage
from study.spec.study_spec import StudySpec
from study.tracking.events import StudyBegun
from study.tracking.spool import Spool
from tests.support.command import study_command
from tests.support.empty_store import new_home
from tests.support.processes import BIN, clean_environment

TABLE = {"name": "a", "dataset": "digits", "families": ["vann"]}
SPEC = StudySpec.from_dict(TABLE)


def run(home, cwd):
    """`study run` of the spec in the home; it ends before it starts Ray."""
    file = cwd / "a.json"
    file.write_text(json.dumps(TABLE))
    return study_command("run", file, "--home", home, cwd=cwd)


def refused(done, *words, lines=1):
    """Whether a command ended with one message, of so many lines, that has the words."""
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == lines
    for word in words:
        assert str(word) in done.stderr


@pytest.fixture
def folder(tmp_path):
    """The folder of a study in a home."""
    folder = new_home(tmp_path / "home").study_folder("a")
    resume.store_spec(folder, SPEC)
    SearchStorage(SPEC, folder.journal)
    return folder


@pytest.mark.parametrize(
    "content", [b"", b'{"name": "a"', b"\xff\xfe\0", b"[]", b"{}", b"[" * 100_000, b"{" * 300_000]
)
@pytest.mark.parametrize("command", ["run", "sync"])
def test_a_stored_spec_that_cannot_be_read_is_told(content, command, folder, tmp_path):
    folder.spec.write_bytes(content)
    home = tmp_path / "home"
    done = run(home, tmp_path) if command == "run" else study_command("sync", "a", "--home", home)
    lines = 3 if content == b"{}" else 1  # one for each key that must be given
    refused(done, "the study's stored spec is damaged: ", f"restore {folder.spec}", lines=lines)


@pytest.mark.parametrize("content", [b"garbage\n", b"\xff\n", b"[1]\n"])
def test_a_journal_that_cannot_be_read_is_told(content, folder, tmp_path):
    folder.journal.write_bytes(content + folder.journal.read_bytes())
    refused(
        run(tmp_path / "home", tmp_path), f"the journal {folder.journal} must hold", "restore it"
    )


@pytest.mark.parametrize("name", ["spec.json", "search.journal", "driver.json"])
def test_a_folder_in_the_place_of_a_file_is_told(name, folder, tmp_path):
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).mkdir()
    refused(run(tmp_path / "home", tmp_path), folder.path / name, "Is a directory")


@pytest.mark.parametrize("place", ["studies", "studies/a", "studies/a/spool"])
def test_a_file_in_the_place_of_a_folder_is_told(place, tmp_path):
    home = new_home(tmp_path / "home").folder
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).touch()
    refused(run(home, tmp_path), f"the home {home} must be a folder", home / place)


@pytest.mark.parametrize("place", ["a.json/home", "/proc/none"])
def test_a_home_that_cannot_be_made_is_told(place, tmp_path):
    refused(
        run(tmp_path / place, tmp_path), f"the home {tmp_path / place} must be a folder", "--home"
    )


@pytest.mark.parametrize("command", ["list", "run"])
def test_a_working_directory_that_was_deleted_is_told(command, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {BIN / 'study'} {command}"
    done = subprocess.run(
        ["sh", "-c", script],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    refused(done, "the working directory must exist, but it was deleted: change to another one")


def test_a_file_whose_name_is_no_text_is_told(tmp_path):
    refused(
        study_command("run", "\udcff.toml", cwd=tmp_path), "cannot read the spec \\udcff.toml: No"
    )


def test_garbage_in_the_spool_and_its_position_is_put_aside(folder, tmp_path):
    spool = Spool(folder.spool)
    spool.append(StudyBegun(tags={}).to_json())
    spool.append("\0\0")
    spool.close()
    with next(folder.spool.glob("*.jsonl")).open("ab") as segment:
        segment.write(b"\xff\xfe garbage\n")
    (folder.spool / "position.json").write_text("[1]")
    done = study_command("sync", "a", "--home", tmp_path / "home")
    refused(
        done, "must accept every record, it refused 2: ", f"refused records are in {folder.refused}"
    )
    assert len(folder.refused.read_text().splitlines()) == 2
    again = study_command("sync", "a", "--home", tmp_path / "home")
    assert (again.returncode, again.stdout) == (0, "all records are sent\n")


def test_a_journal_that_lacks_trials_of_the_store_is_told(folder):
    """Else their numbers, and so their runs, would be those of other configurations."""
    tracker = type("Tracker", (), {"wait_until_ready": lambda _: {0: "COMPLETE"}})()
    storage = SearchStorage(SPEC, folder.journal)
    with pytest.raises(
        StudyError, match=r"must have every trial .* got 0 trials, the store has trial 0"
    ):
        resume.record_again(storage, None, tracker, folder.trials)


def test_a_spec_is_on_disk_before_it_takes_the_place_of_the_old(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(
        "os.fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink())
    )
    resume.store_spec(folder, StudySpec.from_dict(TABLE | {"seed": 1}))
    assert synced == [folder.spec.with_name("spec.json.new"), folder.path]
    assert StudySpec.from_stored(folder.spec).seed == 1
    assert not synced[0].exists()
