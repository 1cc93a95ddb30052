import gzip

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from study.errors import DataError
from study.search.storage import SearchStorage, stored_data
from study.spec.study_spec import StudySpec
from study.training.data_sources import check_files
from study.training.dataset import dataset_spec, load_dataset
from study.training.official_files import FASHION_MNIST, OFFICIAL
from tests.support.published_files import as_official, idx_bytes, made_fashion_mnist


@pytest.fixture
def packed(tmp_path, monkeypatch):
    return made_fashion_mnist(tmp_path / "packed", monkeypatch)


def load(root):
    return load_dataset({"name": "fashion_mnist", "root": root, "validation_size": 10})


@pytest.mark.parametrize("failed", [False, True])  # a download, which leaves an empty folder
def test_the_packed_files_of_debians_package_are_read_where_torchvisions_are_absent(
    failed, packed, tmp_path
):
    raw = tmp_path / "FashionMNIST" / "raw"
    if failed:
        raw.mkdir(parents=True)
    check_files(dataset_spec({"name": "fashion_mnist", "root": tmp_path}))
    data = load(tmp_path)
    assert (len(data.train.labels), len(data.test.labels)) == (50, 60)
    stored = gzip.decompress((packed / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    assert data.test.images.numpy().tobytes() == stored
    assert data.files.folder == packed
    # Nothing is left unpacked.
    assert sorted(tmp_path.iterdir()) == sorted([packed, *([raw.parent] if failed else [])])


@pytest.mark.usefixtures("packed")
def test_torchvisions_files_are_preferred(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FASHION_MNIST:
        images = "images" in name
        array = np.full((20, 28, 28), 7) if images else np.arange(20) % 10
        (raw / name).write_bytes(idx_bytes(array))
    data = load(tmp_path)
    assert data.train.images.unique().tolist() == [7]
    assert data.files.folder == raw
    assert data.files.differing == list(FASHION_MNIST)


def test_checksums_of_the_unpacked_files_decide_whether_they_are_official(
    packed, tmp_path, monkeypatch
):
    assert "are not the official ones: train-images-idx3-ubyte has MD5" in str(load(tmp_path).files)
    as_official(packed, monkeypatch)
    assert load(tmp_path).files.differing == []
    # Of one file that changes, the notice has the name and both checksums.
    with gzip.open(packed / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(idx_bytes(np.arange(60) % 9))
    files = load(tmp_path).files
    assert files.differing == ["t10k-labels-idx1-ubyte"]
    assert OFFICIAL["fashion_mnist"]["t10k-labels-idx1-ubyte"] in str(files)
    assert files.md5["t10k-labels-idx1-ubyte"] in str(files)
    assert "cannot be compared with published ones" in str(files)


def test_damaged_packed_files_are_called_so(packed, tmp_path):
    file = packed / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"in .*packed cannot be read: .*install its package again"):
        load(tmp_path)


def test_the_checksums_are_stored_with_a_study_beside_the_hash_of_its_arrays(tmp_path):
    spec = StudySpec.from_dict({"name": "few", "dataset": "digits", "families": ["vann"]})
    SearchStorage(spec, tmp_path / "journal", "of the arrays", {"train": "of the file"})
    again = SearchStorage(spec, tmp_path / "journal", "of the arrays")
    assert again.files == {"train": "of the file"}
    assert stored_data(tmp_path / "journal") == "of the arrays"


def test_the_known_checksums_are_of_the_files_that_torchvision_fetches():
    assert set(FASHION_MNIST) == {name.removesuffix(".gz") for name, _ in FashionMNIST.resources}
