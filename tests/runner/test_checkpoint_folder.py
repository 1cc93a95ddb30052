"""Checkpoints in a folder at a URI: a shared folder, and a bucket of an object store."""

import pytest
from pyarrow.fs import FileSelector, FileSystem

from study.errors import BadInputError
from study.runner.checkpoint_folder import CheckpointFolder, check_folder
from study.runner.trial_files import TrialStorage
from tests.support.object_store import CREDENTIALS, object_store


def names(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_checkpoints_are_in_the_folder_and_the_rest_is_with_the_study(tmp_path):
    shared = CheckpointFolder((tmp_path / "shared").as_uri(), "mine-1")
    check_folder(shared.uri)
    shared.make()
    storage = TrialStorage(tmp_path / "trials", shared)
    files = storage.files(3)
    assert files.checkpoint() is None
    for data in (b"old", b"new"):
        files.write_checkpoint(lambda data=data: data)
    files.write({"history.json": b"[]"})
    assert storage.files(3).checkpoint() == b"new"
    storage.files(4).write_checkpoint(lambda: b"four")
    assert names(tmp_path) == [
        "shared/mine-1/trial-3.safetensors",
        "shared/mine-1/trial-4.safetensors",
        "trials/trial-3/history.json",
    ]
    shared.clear([4])
    assert names(tmp_path / "shared") == ["mine-1/trial-4.safetensors"]
    shared.clear([])
    shared.clear([])
    assert not list((tmp_path / "shared").iterdir())


@pytest.fixture(scope="module")
def bucket():
    with object_store() as uri, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        yield uri


@pytest.mark.slow
def test_checkpoints_are_in_a_bucket(tmp_path, bucket):
    shared = CheckpointFolder(bucket, "mine-1")
    check_folder(shared.uri)
    shared.make()
    storage = TrialStorage(tmp_path, shared)
    assert storage.files(3).checkpoint() is None
    for data in (b"old", b"new"):
        storage.files(3).write_checkpoint(lambda data=data: data)
    storage.files(4).write_checkpoint(lambda: b"four")
    assert storage.files(3).checkpoint() == b"new"
    shared.clear([4])
    assert storage.files(3).checkpoint() is None
    assert storage.files(4).checkpoint() == b"four"
    shared.clear([])
    shared.clear([])
    system, folder = FileSystem.from_uri(bucket)
    assert system.get_file_info(FileSelector(folder)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_that_does_not_exist_is_refused(bucket):
    with pytest.raises(BadInputError, match=r"got 's3://none/.*: Bucket 'none' not found"):
        check_folder(bucket.replace("//bucket", "//none"))


def test_a_node_that_does_not_share_the_folder_writes_nothing(tmp_path):
    files = TrialStorage(tmp_path, CheckpointFolder((tmp_path / "absent").as_uri(), "a")).files(3)
    with pytest.raises(FileNotFoundError):
        files.write_checkpoint(lambda: b"lost")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["nothing://there", "file:///proc/none"])
def test_a_folder_that_cannot_be_written_is_refused(uri):
    with pytest.raises(BadInputError, match=r"`storage.checkpoints` must be the URI .* got '"):
        check_folder(uri)
