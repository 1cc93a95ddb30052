"""Data sets in memory: arrays, tensors, and data sets of torch or Hugging Face."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.training.pictures import check_depth, is_grey, is_picture, pixels
from study.training.pool import Pools, channels_first, check_memory

_TAKES: Final = (
    "data must be (x, y), (x, y, x_test, y_test), ((x, y), (x_test, y_test)), a mapping with these "
    "names, or one or two data sets of torch or Hugging Face, whose items are (image, label)"
)
_IMAGES: Final = ("image", "img", "x", "pixel_values")
_LABELS: Final = ("label", "labels", "y", "target", "fine_label")


def pools_of(data: object) -> Pools:
    """Converts data in memory to images and labels.

    Accepts (x, y) of arrays, tensors or lists, with test images as (x, y, x_test, y_test) or ((x, y),
    (x_test, y_test)); a mapping with these names; a map-style data set of torch, whose items are
    (image, label) with an image of PIL, an array or a tensor (channels, height, width); one of Hugging
    Face's `datasets`, with image and label; two such data sets, for training and test, or a mapping
    with `train` and `test`. Images and labels are as in an npz file (docs/own_data.md). Raises DataError
    for anything else.
    """
    train, test = _parts(data)
    return Pools.of_arrays(_arrays_of(train, "train"), test and _arrays_of(test, "test"))


def _parts(data: object) -> tuple[Any, Any]:
    """The training and the test part, each as a pair of arrays or a data set; the latter can be None."""
    if isinstance(data, Mapping):
        return _named_parts(data)
    if not isinstance(data, tuple | list):
        return data, None
    match list(data):
        case [x, y, x_test, y_test]:
            return (x, y), (x_test, y_test)
        case [one, other] if all(map(_is_pair, (one, other))) or all(
            map(_is_dataset, (one, other))
        ):
            return one, other
        case [x, y]:
            return (x, y), None
        case items:
            raise DataError(f"{_TAKES}, got {type(data).__name__} of {len(items)}")


def _named_parts(data: Mapping[Any, Any]) -> tuple[Any, Any]:
    if {"x", "y"} <= data.keys() <= {"x", "y", "x_test", "y_test"} and len(data) != 3:  # noqa: PLR2004  # both or none
        return (data["x"], data["y"]), (
            data["x_test"],
            data["y_test"],
        ) if "x_test" in data else None
    if "train" in data and data.keys() <= {"train", "test"}:
        return data["train"], data.get("test")
    raise DataError(f"{_TAKES}, got a mapping with {', '.join(map(str, data)) or 'nothing'}")


def _is_pair(one: object) -> bool:
    """Whether it is (x, y) rather than an array or a list of numbers."""
    return isinstance(one, tuple) and len(one) == 2 and all(map(_is_array, one))  # noqa: PLR2004  # x, y


def _is_array(one: object) -> bool:
    return isinstance(one, Sequence) or hasattr(one, "__array__")


def _is_dataset(one: object) -> bool:
    return hasattr(one, "__getitem__") and hasattr(one, "__len__") and not _is_array(one)


def _arrays_of(part: Any, name: str) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401  # as users give it
    if isinstance(part, tuple):
        images, labels = part
        return _array(images, "x"), _array(labels, "y")
    if not _is_dataset(part):
        raise DataError(f"{_TAKES}, got {type(part).__name__}")
    count = len(part)
    if not count:
        raise DataError(f"the data set {name} must have items, got none")
    first = _pixels(_item(part, 0)[0])
    check_memory(3 * count * first.nbytes, f"the data set {name}")
    images = np.empty((count, *first.shape), dtype=first.dtype)
    labels, grey = [], True
    for place in range(count):
        item, label = _item(part, place)
        image = _pixels(item)
        grey = grey and is_grey(item)
        if image.shape != first.shape:
            raise DataError(
                f"all images must have one size, got {first.shape} (item 0) and {image.shape} (item "
                f"{place}) in {name}; resize them, such as with torchvision.transforms.Resize"
            )
        images[place] = image
        labels.append(label)
    return images[..., 0] if grey else images, _array(labels, "y")


def _item(dataset: Any, place: int) -> tuple[Any, Any]:  # noqa: ANN401  # as above
    """An image, as it is in the data set, and its label."""
    item = dataset[place]
    if isinstance(item, Mapping):
        keys = [next((key for key in known if key in item), None) for known in (_IMAGES, _LABELS)]
        item = tuple(item.get(key) for key in keys)
    if not isinstance(item, tuple | list) or len(item) != 2 or any(one is None for one in item):  # noqa: PLR2004  # image, label
        raise DataError(f"{_TAKES}; got the item {type(item).__name__} at {place}")
    image, label = item
    return image, label.item() if hasattr(label, "item") else label


def _pixels(image: Any) -> NDArray[Any]:  # noqa: ANN401  # as above
    """An image as an array, (height, width) or channels last; a picture of PIL in colours."""
    if is_picture(image):
        check_depth(image, "a picture")
        return pixels(image, grey=False, size=None).transpose(1, 2, 0)
    array = _array(image, "the image")
    # A tensor has its channels first, as torchvision's transforms make it.
    if not hasattr(image, "detach") or array.ndim != 3:  # noqa: PLR2004  # channels
        return array
    channels, height, width = array.shape
    array = array.transpose(1, 2, 0)
    if channels_first(array.shape):
        raise DataError(
            "images of more than four channels must not have a height of 1 or 3, got "
            f"{(channels, height, width)} (channels, height, width); exchange height and width"
        )
    return array


def _array(values: Any, name: str) -> NDArray[Any]:  # noqa: ANN401  # as above
    """An array of values; texts as texts, whatever their type."""
    try:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} must be an array of one shape: {error}") from error
    if array.dtype == object and all(isinstance(one, str) for one in array.flat):
        return array.astype(str)
    return array
