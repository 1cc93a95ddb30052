import numpy as np
import pytest
import torch
from PIL import Image

from study.errors import DataError
from study.training import pool
from study.training.dataset import load_dataset


def write(folder, pixels, *paths):
    """Writes pictures of these pixels, each scaled by its number so that they differ."""
    for number, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels + number).astype(np.uint8)).save(folder / path)


def paths(part, *classes, count=5):
    return [f"{part}{name}/{number}.png" for name in classes for number in range(count)]


GREY = np.zeros((4, 6))
COLOUR = np.zeros((4, 6, 3))


def test_pictures_are_read_from_a_folder_for_each_class(tmp_path):
    write(tmp_path, COLOUR, *paths("train/", "dog", "cat", count=10), *paths("test/", "cat"))
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "train" / "cat" / ".hidden.png").write_text("no picture")
    data = load_dataset(f"{tmp_path}/")
    assert data.image_shape == (3, 4, 6)
    assert data.class_names == ("cat", "dog")
    assert [len(part.labels) for part in (data.train, data.validation, data.test)] == [18, 2, 5]
    # Each was written with its number as the value of its pixels; dogs were first.
    values = {int(image.max()): int(label) for image, label in zip(*_all(data), strict=True)}
    assert values == {number: int(number < 10) for number in range(20)}
    assert sorted(int(image.max()) for image in data.test.images) == list(range(20, 25))
    assert set(data.test.labels.tolist()) == {0}
    assert (data.class_label(1), len(repr(data)) < 100) == ("1 dog", True)


@pytest.mark.parametrize(("train", "test"), [("Training", "Testing"), ("TRAIN", "test")])
def test_parts_may_have_other_names(train, test, tmp_path):
    write(tmp_path, GREY, *paths(f"{train}/", "a", "b"), *paths(f"{test}/", "b"))
    data = load_dataset(tmp_path)
    assert (data.class_names, len(data.train.labels), len(data.test.labels)) == (("a", "b"), 8, 5)


def test_a_class_may_have_the_name_of_a_part(tmp_path):
    write(tmp_path, GREY, *paths("", "bus", "train", count=10))
    assert load_dataset(tmp_path).class_names == ("bus", "train")


def test_what_is_transparent_is_white(tmp_path):
    ink = np.zeros((4, 6, 4), np.uint8)  # black, and transparent
    ink[1:3, 2:4, 3] = 255
    for number, name in enumerate(paths("", "a", "b", count=10)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(ink).convert(("RGBA", "LA")[number % 2]).save(tmp_path / name)
    images = load_dataset({"path": tmp_path, "grey": True}).train.images
    assert (images == torch.from_numpy(255 - ink[..., 3])).all()


def _all(data):
    return (
        np.concatenate([data.train.images, data.validation.images]),
        np.concatenate([data.train.labels, data.validation.labels]),
    )


def test_without_train_and_test_all_are_divided(tmp_path):
    write(tmp_path, GREY, *paths("", "a", "b", count=10))
    data = load_dataset(tmp_path)
    assert data.image_shape == (1, 4, 6)
    assert [len(part.labels) for part in (data.train, data.validation, data.test)] == [14, 2, 4]


def test_grey_pictures_among_coloured_ones_have_three_channels_unless_all_are_to_be_grey(tmp_path):
    write(tmp_path, GREY, *paths("", "a", count=10))
    write(tmp_path, COLOUR, *paths("", "b", count=10))
    assert load_dataset({"path": tmp_path}).image_shape == (3, 4, 6)
    assert load_dataset({"path": tmp_path, "grey": True}).image_shape == (1, 4, 6)


def test_pictures_of_several_sizes_need_the_key_resize(tmp_path):
    write(tmp_path, GREY, *paths("", "a", count=10))
    write(tmp_path, np.full((9, 8), 200), *paths("", "b", count=10))
    with pytest.raises(
        DataError,
        match=r"one size, got 4 x 6 \(.*a/0.png\) and 9 x 8 \(.*b/0.png\); .*--set dataset.resize=4",
    ):
        load_dataset(tmp_path)
    data = load_dataset({"path": tmp_path, "resize": [5, 7]})
    assert data.image_shape == (1, 5, 7)
    assert data.train.images[data.train.labels == 1].min() >= 200
    assert load_dataset({"path": tmp_path, "resize": 3}).image_shape == (1, 3, 3)


def test_a_picture_is_read_upright(tmp_path):
    write(tmp_path, GREY, *paths("", "a", "b", count=10))
    exif = Image.Exif()
    exif[0x0112] = 6  # it was turned by a quarter
    for file in tmp_path.rglob("*.png"):
        pixels = np.tile(np.arange(6, dtype=np.uint8)[:, None], (1, 4))
        Image.fromarray(pixels).save(file, exif=exif)
    image = load_dataset(tmp_path).train.images[0, 0]
    assert image.tolist() == np.tile(np.arange(6)[::-1], (4, 1)).tolist()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"must have a folder for each class, as train/CLASS/.*got no folder in"),
        (["a.png"], "got no folder in"),
        (["train/a/0.png", "train/b/x.txt"], r"got no picture in .*train/b \(endings: .bmp,"),
        ([*paths("train/", "a", "b"), "test/c/0.png"], "must be among those of training, got .*c;"),
        ([*paths("train/", "a"), *paths("val/", "a")], r"got .*val: move its images to .*train"),
        (paths("train/", "a"), r"got the single class .*train/a"),
        (paths("pets/train/", "a", "b"), r"got the single class .*pets"),
        (paths("", "train", "test"), r"got no folder in .*test"),
        (paths("test/", "a", "b"), r"got .*test and no classes in a folder train"),
        (
            [*paths("train/", "a", "b"), *paths("Training/", "a", "b")],
            r"the images of train must be in one folder, got .*, .*",
        ),
    ],
)
def test_another_layout_is_refused_with_what_to_do(files, message, tmp_path):
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".png"):
            Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / path)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_a_damaged_picture_is_named(tmp_path):
    write(tmp_path, GREY, *paths("", "a", "b", count=10))
    file = tmp_path / "b" / "3.png"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match=r"cannot read .*b/3.png as a picture"):
        load_dataset(tmp_path)
    file.write_text("no picture")
    with pytest.raises(DataError, match=r"cannot read .*b/3.png as a picture: cannot identify"):
        load_dataset(tmp_path)


def test_images_beyond_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write(tmp_path, GREY, *paths("", "a", "b", count=10))
    little = type("Memory", (), {"available": 1000})
    monkeypatch.setattr(pool.psutil, "virtual_memory", lambda: little)
    with pytest.raises(DataError, match=r"GiB of memory, and 0.0 GiB are available: resize them"):
        load_dataset(tmp_path)
