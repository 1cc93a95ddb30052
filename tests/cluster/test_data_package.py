"""What of a data set goes along with a submission; tests/e2e/test_cluster.py sends one."""

from pathlib import Path

import pytest

from study.cluster.data_package import DataPackage, placed, unpacked
from study.errors import BadInputError, DataError
from study.spec.sections import DatasetSpec

NPZ = DatasetSpec(name="npz", path=Path("mine.npz"))


def test_equal_files_have_one_hash_wherever_they_are(tmp_path):
    places = [tmp_path / name for name in ("one.npz", "other.npz", "third.npz")]
    for place, data in zip(places, (b"same", b"same", b"else"), strict=True):
        place.write_bytes(data)
    one, other, third = (DataPackage.of(NPZ, place) for place in places)
    assert one.sha256 == other.sha256 != third.sha256
    assert one.files == {"data.npz": places[0]}
    assert placed(NPZ, Path("/somewhere")).path == Path("/somewhere/data.npz")


def test_of_a_folder_all_files_go(tmp_path):
    (tmp_path / "train/cat").mkdir(parents=True)
    (tmp_path / "train/cat/0.png").write_bytes(b"")
    spec = DatasetSpec(name="folder", path=Path("photos/"))
    package = DataPackage.of(spec, tmp_path)
    assert package.files == {"data/train/cat/0.png": tmp_path / "train/cat/0.png"}
    assert placed(spec, Path("/somewhere")).path == Path("/somewhere/data")


def test_of_a_folder_linked_parts_and_classes_go_as_they_are_read(tmp_path):
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    for folder in (photos / "test/cat", elsewhere / "train/dog", elsewhere / "cat"):
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(b"")
    (photos / "train").symlink_to(elsewhere / "train")
    (elsewhere / "train/cat").symlink_to(elsewhere / "cat")
    package = DataPackage.of(DatasetSpec(name="folder", path=Path("photos/")), photos)
    parts = ("test/cat", "train/cat", "train/dog")
    assert package.files == {f"data/{part}/0.png": photos / part / "0.png" for part in parts}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("mnist", {"MNIST/raw/train-images-idx3-ubyte"}),
        ("emnist_balanced", {"EMNIST/raw/emnist-balanced-train-images-idx3-ubyte"}),
        ("cifar10", {"cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/batches.meta"}),
    ],
)
def test_of_a_root_of_torchvision_goes_what_the_data_set_is_read_from(name, sent, tmp_path):
    others = {
        "MNIST/raw/train-images-idx3-ubyte.gz",
        "EMNIST/raw/gzip.zip",
        "EMNIST/raw/emnist-letters-train-images-idx3-ubyte",
        "cifar-10-python.tar.gz",
        "private.txt",
    }
    for file in sent | others:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    spec = DatasetSpec(name=name, download=True)
    package = DataPackage.of(spec, tmp_path)
    assert package.files == {file: tmp_path / file for file in sent}
    there = placed(spec, Path("/somewhere"))
    assert (there.root, there.download) == (Path("/somewhere"), False)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        (DatasetSpec(name="digits"), BadInputError, "the data set digits has no files to send"),
        (NPZ, DataError, "cannot read the images in .*nowhere: there is no such file"),
        (
            DatasetSpec(name="mnist", download=True),
            DataError,
            "mnist is not in .*nowhere/MNIST/raw",
        ),
    ],
)
def test_a_data_set_that_is_not_here_is_refused(spec, error, said, tmp_path):
    with pytest.raises(error, match=said):
        DataPackage.of(spec, tmp_path / "nowhere")


def test_a_folder_without_files_is_refused(tmp_path):
    (tmp_path / "MNIST/raw").mkdir(parents=True)
    with pytest.raises(DataError, match=r"must have files, got none in .*MNIST/raw"):
        DataPackage.of(DatasetSpec(name="mnist", download=True), tmp_path)


def test_a_data_set_that_the_head_has_is_not_fetched_again(tmp_path):
    (tmp_path / "data/abc").mkdir(parents=True)
    assert unpacked("abc", tmp_path) == tmp_path / "data/abc"
