import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from study.errors import DataError
from study.training.dataset import load_dataset

X = np.random.default_rng(0).integers(0, 256, (40, 4, 6), dtype=np.uint8)
Y = np.arange(40) % 4
TEXTS = np.array(["ant", "bee", "cat", "dog"])[Y]


class Pictures:
    """A map-style data set of torch, whose items are made by `item`."""

    def __init__(self, item):
        self._item = item

    def __len__(self):
        return len(X)

    def __getitem__(self, place):
        return self._item(place)


def tensor_of(image):
    from torchvision.transforms.functional import to_tensor  # noqa: PLC0415  # takes seconds

    return to_tensor(image)


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (X.tolist(), Y.tolist()),
        (X / 255, Y),
        (X.astype(np.float32) / 255, Y),
        {"x": X, "y": Y},
        Pictures(lambda place: (X[place], Y[place])),
        Pictures(lambda place: (Image.fromarray(X[place]), int(Y[place]))),
        Pictures(lambda place: (tensor_of(X[place]), torch.tensor(Y[place]))),
        Pictures(lambda place: {"image": Image.fromarray(X[place]), "label": int(Y[place])}),
        TensorDataset(torch.from_numpy(X)[:, None], torch.from_numpy(Y)),
        {"train": (X, Y)},
    ],
    ids=lambda data: type(data).__name__,
)
def test_all_forms_of_the_same_images_are_the_same_data(data):
    assert load_dataset(data).sha256() == load_dataset((X, Y)).sha256()


@pytest.mark.parametrize(
    "data",
    [
        (X, Y, X[:8], Y[:8]),
        ((X, Y), (X[:8], Y[:8])),
        {"x": X, "y": Y, "x_test": X[:8], "y_test": Y[:8]},
        {"train": (X, Y), "test": (X[:8], Y[:8])},
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),) * 2,
    ],
    ids=["four", "pairs", "named", "parts", "data sets"],
)
def test_test_images_may_be_given(data):
    found = load_dataset(data)
    assert len(found.train.labels) == 36
    expected = X if len(found.test.labels) == 40 else X[:8]
    assert np.array_equal(found.test.images[:, 0].numpy(), expected)


def test_texts_are_names_of_classes():
    for texts in (TEXTS, TEXTS.tolist(), TEXTS.astype(object)):
        data = load_dataset((X, texts))
        assert data.class_names == ("ant", "bee", "cat", "dog")
        assert torch.equal(data.train.labels, load_dataset((X, Y)).train.labels)
    with pytest.raises(DataError, match="y_test must hold labels of y only, got fox"):
        load_dataset((X, TEXTS, X[:1], ["fox"]))


def test_colours_may_be_first_or_last():
    last = np.random.default_rng(0).integers(0, 256, (40, 5, 7, 3), dtype=np.uint8)
    first = load_dataset((last.transpose(0, 3, 1, 2), Y))
    assert first.image_shape == (3, 5, 7)
    assert first.sha256() == load_dataset((last, Y)).sha256()


GREY = [Image.fromarray(one) for one in X]
COLOURED = [Image.merge("RGB", (one, *Image.new("RGB", (6, 4)).split()[1:])) for one in GREY]
CLEAR = [Image.merge("LA", (one, Image.new("L", one.size))) for one in GREY]


@pytest.mark.parametrize(
    ("pictures", "channels"),
    [
        (GREY, 1),
        (COLOURED, 3),
        ([one.quantize() for one in GREY], 3),
        ([*GREY[:-1], COLOURED[-1]], 3),
        (CLEAR, 1),
        ([one.convert("RGBA") for one in CLEAR], 3),
        ([one.convert("1") for one in GREY], 1),
    ],
    ids=["grey", "coloured", "palettes", "mixed", "transparent", "transparent colours", "bits"],
)
def test_pictures_in_memory_are_read_as_those_of_a_folder(pictures, channels, tmp_path):
    for number, picture in enumerate(pictures):
        folder = tmp_path / TEXTS[number]
        folder.mkdir(exist_ok=True)
        picture.save(folder / f"{number:02}.png")
    order = np.argsort(Y, kind="stable")  # of the folders
    given = Pictures(lambda place: (pictures[order[place]], TEXTS[order[place]]))
    data = load_dataset(given)
    assert data.image_shape == (channels, 4, 6)
    assert data.sha256() == load_dataset(tmp_path).sha256()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "data must be .*, got int"),
        ((X,), "data must be .*, got tuple of 1"),
        ({"a": X}, "data must be .*, got a mapping with a"),
        ({"x": X, "y": Y, "x_test": X}, "got a mapping with x, y, x_test"),
        ((X.astype(float) - 3, Y), r"got float64 .* in -3..252; \(x - -3\) / 255 converts it"),
        ((X.astype(float), Y), r'in 0..255; x.astype\("uint8"\) converts it'),
        ((np.where(X > 9, np.nan, 0), Y), r"in nan..nan; replace what is not finite"),
        ((X.astype(int) + 1, Y), r"got int64 .* in 1..256"),
        ((X, np.eye(4)[Y]), r"y.argmax\(axis=1\) converts one-hot labels"),
        ((X, Y[:, None]), r"y.ravel\(\) converts it"),
        ((X, Y.astype(float)), r"y.astype\(int\) converts whole numbers"),
        ((X, Y + 10**6), r"numpy.unique\(y, return_inverse=True\)\[1\] numbers them"),
        ((X, Y[:5]), "x and y must have one length, got 40 and 5"),
        (([[1, 2], [3]], [0, 1]), "x must be an array of one shape"),
        (Pictures(lambda _: X[0]), r"whose items are \(image, label\); got the item ndarray at 0"),
        (
            Pictures(lambda _: (Image.new("I;16", (6, 4)), 0)),
            "a picture must have 8 bits a channel, got mode I;16",
        ),
        (
            TensorDataset(torch.rand(40, 8, 1, 100), torch.from_numpy(Y)),
            r"a height of 1 or 3, got \(8, 1, 100\) \(channels, height, width\); exchange height",
        ),
        (
            Pictures(lambda place: (np.zeros((4, 6 + place), np.uint8), 0)),
            r"one size, got \(4, 6\) \(item 0\) and \(4, 7\) \(item 1\) in train; resize them",
        ),
    ],
)
def test_what_cannot_be_images_and_labels_is_refused_with_what_to_do(data, message):
    with pytest.raises(DataError, match=message):
        load_dataset(data)
