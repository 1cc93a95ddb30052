import hashlib
import pickle
import struct
from typing import get_args

import numpy as np
import pytest
import torch

from study.errors import DataError
from study.spec.sections import OWN_DATA, DatasetName, DatasetSpec
from study.training import official_files, pool
from study.training.data_sources import TORCHVISION, known_shape
from study.training.dataset import Dataset, load_dataset
from study.training.in_memory import pools_of
from study.training.npz_file import write_npz
from study.training.pictures import reshaped
from study.training.split import Split


def dataset(**table):
    return DatasetSpec.model_validate(table)


def test_digits_are_embedded_whole_and_split_in_proportion():
    data = load_dataset(dataset(name="digits", validation_size=300), seed=1)
    assert data.image_shape == (1, 8, 8)
    assert data.classes == 10
    assert known_shape(dataset(name="digits")) == ((1, 8, 8), 10)
    assert known_shape(dataset(name="npz", path="a.npz")) is None
    splits = (data.train, data.validation, data.test)
    assert [len(split.labels) for split in splits] == [1138, 300, 359]
    assert all(split.images.dtype == torch.uint8 for split in splits)
    assert data.train.images.max() == 255
    for split in splits:
        share = torch.bincount(split.labels, minlength=10) / len(split.labels)
        assert (share - 0.1).abs().max() < 0.012


def test_a_split_follows_from_its_seed_and_the_test_set_from_none():
    first, again, other = (load_dataset("digits", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.validation.labels, again.validation.labels)
    assert not torch.equal(first.validation.images, other.validation.images)
    assert torch.equal(first.test.images, other.test.images)


def test_no_image_is_in_two_splits(tmp_path):
    file = tmp_path / "a.npz"
    images = np.arange(200, dtype=np.uint8)[:, None]  # each image is its own number
    np.savez(file, x=images, y=np.arange(200) % 4)
    data = load_dataset(dataset(name="npz", path=file, train_size=80, validation_size=40))
    seen = [split.images.flatten().tolist() for split in (data.train, data.validation, data.test)]
    assert [len(numbers) for numbers in seen] == [80, 40, 40]
    assert len({number for numbers in seen for number in numbers}) == 160


def test_arrays_survive_the_way_to_a_worker_without_a_copy():
    data = load_dataset("digits")
    arrays = data.to_arrays()
    for array in arrays.values():
        array.flags.writeable = False
    there = Dataset.from_arrays("digits", 10, arrays)
    assert torch.equal(there.validation.images, data.validation.images)
    assert there.train.images.data_ptr() == data.train.images.data_ptr()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((40, 6), (1, 1, 6)),
        ((40, 3, 5), (1, 3, 5)),
        ((40, 3, 5, 2), (2, 3, 5)),
    ],
)
def test_arrays_of_ones_own_may_be_flat_grey_or_coloured(shape, expected, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, shape)
    labels = np.arange(40) % 4
    np.savez(tmp_path / "a.npz", x=images, y=labels, x_test=images, y_test=labels)
    data = load_dataset(dataset(name="npz", path=tmp_path / "a.npz"))
    assert data.image_shape == expected
    assert (data.classes, len(data.train.labels), len(data.test.labels)) == (4, 36, 40)
    wanted = images if len(shape) < 4 else images.transpose(0, 3, 1, 2)
    assert np.array_equal(data.test.images.numpy().reshape(wanted.shape), wanted)


GOOD = {"x": np.arange(240, dtype=np.uint8).reshape(40, 6), "y": np.arange(40) % 4}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GOOD["x"]}, "must hold the arrays x and y"),
        (GOOD | {"z": GOOD["y"]}, "must hold the arrays x and y"),
        (GOOD | {"x": np.full((40, 6), 1.5)}, "in 1.5..1.5; x / 1.5 converts it"),
        (
            GOOD | {"x": np.full((40, 6), 256)},
            "whole numbers in 0..255 or floats in 0..1, got int64",
        ),
        (GOOD | {"x": np.zeros(40, np.uint8)}, "x must have shape (count, features)"),
        (GOOD | {"y": np.zeros(40)}, "y must hold one label for each image, a whole number"),
        (GOOD | {"y": np.arange(40) - 1}, "a whole number from 0 up or a text, got int64"),
        (GOOD | {"y": np.arange(39) % 4}, "x and y must have one length, got 40 and 39"),
        (
            GOOD | {"x_test": np.zeros((9, 5), np.uint8), "y_test": np.zeros(9, int)},
            "x and x_test must hold images of one shape",
        ),
        (GOOD | {"y": np.arange(40) // 39}, "cannot be split in proportion"),
        (GOOD | {"y": np.zeros(40, int)}, "must have two classes or more, got 1"),
        (GOOD | {"y": 1 + np.arange(40) % 4}, "largest label, 4, got none of 0; numpy.unique(y"),
        (GOOD | {"x_test": GOOD["x"], "y_test": np.arange(40) % 5}, "got none of 4; numpy.unique"),
        (GOOD | {"x": GOOD["x"] % 2}, "got uint8 in 0..1; x * 255 converts it"),
        (GOOD | {"x": GOOD["x"] / 1e6}, "got float64 in 0..0.000239; x / 0.000239 converts it"),
        (GOOD | {"x_test": GOOD["x"] / 255, "y_test": GOOD["y"]}, "got uint8 and float64"),
    ],
)
def test_bad_arrays_are_refused_with_rule_and_value(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        load_dataset(dataset(name="npz", path=tmp_path / "a.npz"))
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"nothing", b"", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz_is_refused(content, tmp_path):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot read the arrays in"):
        load_dataset(dataset(name="npz", path=tmp_path / "a.npz"))


def test_a_single_array_and_another_kind_of_file_are_refused_with_what_to_do(tmp_path):
    np.save(tmp_path / "a.npy", GOOD["x"])
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"it has one array \(npy\); numpy.savez\('mine.npz', x="):
        load_dataset(tmp_path / "a.npz")
    (tmp_path / "b.npz").mkdir()
    with pytest.raises(DataError, match=r"the data set npz must be a file, got .*b.npz"):
        load_dataset(f"{tmp_path}/b.npz")
    with pytest.raises(
        DataError, match=r"cannot read the images in .*none: there is no such folder"
    ):
        load_dataset(f"{tmp_path}/none")


def test_arrays_beyond_the_memory_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((40, 10**6), np.uint8), y=GOOD["y"])
    assert (tmp_path / "a.npz").stat().st_size < 10**6
    little = type("Memory", (), {"available": 10**6})
    monkeypatch.setattr(pool.psutil, "virtual_memory", lambda: little)
    with pytest.raises(DataError, match=r"a.npz need 0.1 GiB of memory, and 0.0 GiB are available"):
        load_dataset(tmp_path / "a.npz")


def test_floats_and_booleans_are_scaled_to_bytes(tmp_path):
    floats = np.linspace(0, 1, 240).reshape(40, 6)
    np.savez(tmp_path / "a.npz", x=floats, y=GOOD["y"], x_test=floats > 0.5, y_test=GOOD["y"])
    data = load_dataset(tmp_path / "a.npz")
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    assert data.test.images.unique().tolist() == [0, 255]


def test_images_are_scaled_and_made_grey_as_the_spec_says():
    colours = np.zeros((40, 8, 8, 3), np.uint8)
    colours[..., 1] = 100
    spec = dataset(name="digits", resize=4)
    assert load_dataset(spec).image_shape == (1, 4, 4)
    whole = load_dataset("digits").train.images.float().mean()
    assert abs(load_dataset(spec).train.images.float().mean() / whole - 1) < 0.1
    grey = reshaped(colours.transpose(0, 3, 1, 2), grey=True, size=(2, 3))
    assert grey.shape == (40, 1, 2, 3)
    assert np.unique(grey).tolist() == [59]
    with pytest.raises(DataError, match=r"1 or 3 channels to be converted to grey, got 4"):
        reshaped(np.zeros((2, 4, 8, 8), np.uint8), grey=True, size=None)


def test_arrays_come_back_from_the_file_that_keeps_them(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 7, 3), dtype=np.uint8)
    for labels in (GOOD["y"], np.array(["ant", "bee", "cat", "dog"])[GOOD["y"]]):
        for x in (images, images[..., 0], images[:, 0, :, 0]):
            write_npz(pools_of((x, labels, x[:4], labels[:4])), tmp_path / "new" / "data.npz")
            stored = load_dataset(tmp_path / "new" / "data.npz")
            given = load_dataset((x, labels, x[:4], labels[:4]))
            assert stored.sha256() == given.sha256()
            assert stored.class_names == given.class_names


def test_a_data_set_shows_some_of_its_images():
    data = load_dataset("digits")
    sheet = data.contact_sheet()
    # In the row of a class, behind its label, are its images, six times as large.
    first, second = data.train.images[data.train.labels == 0][:2, 0].numpy()
    shown = np.asarray(sheet)[2:50:6, :, 0]
    assert np.array_equal(shown[:, 120:168:6], first)
    assert np.array_equal(shown[:, 172:220:6], second)
    assert sheet.height == 10 * 52
    page = data._repr_html_()
    assert "Dataset(digits: 1 x 8 x 8, 10 classes, " in page
    assert 'src="data:image/png;base64,' in page


def test_sizes_beyond_the_data_are_refused_with_both_numbers():
    with pytest.raises(
        DataError, match="train_size=1400, validation_size=143, training images=1438"
    ):
        load_dataset(dataset(name="digits", train_size=1400))


@pytest.mark.parametrize(
    "name", ["mnist", "fashion_mnist", "kmnist", "emnist_balanced", "cifar100"]
)
def test_an_absent_data_set_says_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setattr(official_files, "DEBIAN", {})
    with pytest.raises(DataError) as caught:
        load_dataset(dataset(name=name, root=tmp_path))
    assert f"{name} is not in {tmp_path}" in str(caught.value)
    assert "dataset.download = true" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_all_images_can_be_used():
    data = load_dataset(dataset(name="digits", train_size=1135, validation_size=300))
    assert (len(data.train.labels), len(data.validation.labels)) == (1135, 300)


def test_a_damaged_data_set_is_not_called_absent(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", np.zeros((9, 28, 28)))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01")
    with pytest.raises(DataError, match=r"mnist in .*MNIST/raw cannot be read"):
        load_dataset(dataset(name="mnist", root=tmp_path))


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.mark.parametrize(
    ("name", "folder", "prefix", "classes"),
    [
        ("mnist", "MNIST", "", 10),
        ("fashion_mnist", "FashionMNIST", "", 10),
        ("kmnist", "KMNIST", "", 10),
        ("emnist_balanced", "EMNIST", "emnist-balanced-", 47),
    ],
)
def test_grey_images_are_read_upright_from_torchvisions_files(
    name, folder, prefix, classes, tmp_path
):
    upright = np.random.default_rng(0).integers(0, 256, (5 * classes, 28, 28))
    labels = np.arange(5 * classes) % classes
    stored = upright.transpose(0, 2, 1) if name == "emnist_balanced" else upright
    for part in ("train", "test" if prefix else "t10k"):
        raw = tmp_path / folder / "raw"
        write_idx(raw / f"{prefix}{part}-images-idx3-ubyte", stored)
        write_idx(raw / f"{prefix}{part}-labels-idx1-ubyte", labels)
    spec = dataset(name=name, root=tmp_path, validation_size=classes)
    data = load_dataset(spec)
    assert data.classes == classes
    assert known_shape(spec) == (data.image_shape, classes)
    assert len(data.train.labels) == 4 * classes
    assert np.array_equal(data.test.images[:, 0].numpy(), upright)
    assert np.array_equal(data.test.labels.numpy(), labels)


def test_test_images_that_are_withheld_are_in_no_split():
    whole, data = load_dataset("digits"), load_dataset({"name": "digits", "withhold_test": True})
    assert data.test.images.shape == (0, 1, 8, 8)
    assert len(data.test.labels) == 0
    assert torch.equal(data.train.images, whole.train.images)
    assert torch.equal(data.validation.images, whole.validation.images)
    assert data.sha256() != whole.sha256()
    assert "0 test" in repr(data)


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_colour_images_are_read_from_torchvisions_files(name, classes, tmp_path, monkeypatch):
    from torchvision import datasets  # noqa: PLC0415  # takes seconds; needed here only

    source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    key = "labels" if name == "cifar10" else "fine_labels"
    rng = np.random.default_rng(0)
    folder = tmp_path / source.base_folder
    folder.mkdir()
    planes = {}

    def write(file, content):
        (folder / file).write_bytes(pickle.dumps(content))
        return file, hashlib.md5((folder / file).read_bytes()).hexdigest()  # noqa: S324  # torchvision's

    def batch(file):
        planes[file] = rng.integers(0, 256, (2 * classes, 3, 32, 32), dtype=np.uint8)
        flat = planes[file].reshape(2 * classes, -1)
        return write(file, {"data": flat, key: (np.arange(2 * classes) % classes).tolist()})

    # torchvision checks the files by their checksums, so it is told those of these.
    monkeypatch.setattr(source, "train_list", [batch(file) for file, _ in source.train_list])
    monkeypatch.setattr(source, "test_list", [batch(file) for file, _ in source.test_list])
    names = {source.meta["key"]: [str(number) for number in range(classes)]}
    file, checksum = write(source.meta["filename"], names)
    monkeypatch.setattr(source, "meta", source.meta | {"filename": file, "md5": checksum})

    spec = dataset(name=name, root=tmp_path, validation_size=classes)
    data = load_dataset(spec)
    assert data.image_shape == (3, 32, 32)
    assert known_shape(spec) == (data.image_shape, classes)
    changed = dataset(name=name, root=tmp_path, validation_size=classes, grey=True, resize=(8, 16))
    assert known_shape(changed) == (load_dataset(changed).image_shape, classes)
    assert data.classes == classes
    assert np.array_equal(data.test.images.numpy(), planes[source.test_list[0][0]])


def test_every_data_set_of_the_spec_has_a_source():
    assert set(get_args(DatasetName)) == {"digits", *OWN_DATA, *TORCHVISION}


def test_the_variance_of_pixels_is_numpys_summed_over_channels():
    images = np.random.default_rng(0).integers(0, 256, (2300, 3, 4, 5), dtype=np.uint8)
    split = Split(torch.from_numpy(images), torch.zeros(2300, dtype=torch.int64))
    expected = images.astype(float).var(axis=0).sum(axis=0)
    np.testing.assert_allclose(split.pixel_variance(), expected, rtol=1e-9)
