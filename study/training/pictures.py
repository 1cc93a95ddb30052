"""Reads pictures, such as PNG and JPEG, as arrays of one shape."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.training.pool import COLOURS, Size, check_memory

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
)
"""The endings of names of pictures, in lower case."""

_GREY_MODES: Final = ("1", "L", "LA")
_ORIENTATION: Final = 0x0112  # the tag of EXIF
_FIRST_TURNED: Final = 5  # the orientations from here on exchange height and width
_AT_ONCE: Final = 4  # PIL decodes without Python's lock


@final
@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture as it is stored: its file, or its bytes; `name` is for messages."""

    name: str
    content: Path | bytes

    def open(self) -> IO[bytes]:
        """Opens the content for reading."""
        return self.content.open("rb") if isinstance(self.content, Path) else BytesIO(self.content)


def decode(picture: EncodedPicture) -> "Image":
    """Decodes a picture, upright. Raises DataError if it cannot be read or has over 8 bits a channel."""
    from PIL import Image, ImageOps  # noqa: PLC0415  # needed here only

    try:
        with picture.open() as file, Image.open(file) as opened:
            upright = ImageOps.exif_transpose(opened)
            upright.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(picture.name, error) from error
    check_depth(upright, picture.name)
    return upright


def is_picture(value: object) -> bool:
    """Whether it is a picture of PIL."""
    from PIL import Image  # noqa: PLC0415  # as above

    return isinstance(value, Image.Image)


def is_grey(value: object) -> bool:
    """Whether it is a grey picture of PIL."""
    return is_picture(value) and getattr(value, "mode", None) in _GREY_MODES


def check_depth(picture: "Image", name: str) -> None:
    """Raises DataError if a picture has over 8 bits a channel."""
    if picture.mode.startswith(("I", "F")):
        raise DataError(f"{name} must have 8 bits a channel, got mode {picture.mode}")


def pixels(picture: "Image", *, grey: bool, size: Size | None) -> NDArray[np.uint8]:
    """The pixels, shape (channels, height, width), uint8, scaled to a size (height, width) if given.

    What is transparent becomes white, as in a document.
    """
    from PIL import Image  # noqa: PLC0415  # as above

    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if grey else "RGB")
    if size is not None and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.LANCZOS)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if grey else np.ascontiguousarray(array.transpose(2, 0, 1))


def read_pictures(
    pictures: Sequence[EncodedPicture], *, grey: bool, size: Size | None
) -> NDArray[np.uint8]:
    """The pixels of all pictures, shape (count, channels, height, width), uint8.

    They have one channel with `grey`, or if all pictures are grey, else three. Raises DataError if a
    picture cannot be read, if their sizes differ and no `size` is given, or for a lack of memory.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        headers = list(pool.map(_header, pictures))
        grey = grey or all(is_grey for _, is_grey in headers)
        if size is None:
            size = headers[0][0]
            for picture, (other, _) in zip(pictures, headers, strict=True):
                if other != size:
                    raise DataError(
                        f"all images must have one size, got {_shown(size)} ({pictures[0].name}) and "
                        f"{_shown(other)} ({picture.name}); resize them with the key "
                        f"dataset.resize, such as --set dataset.resize={min(*size, *other)}"
                    )
        shape = (len(pictures), 1 if grey else 3, *size)
        check_memory(3 * int(np.prod(shape)), Path(pictures[0].name).parent)
        images = np.empty(shape, dtype=np.uint8)

        def fill(place: int) -> None:
            images[place] = pixels(decode(pictures[place]), grey=grey, size=size)

        for _ in pool.map(fill, range(len(pictures))):
            pass  # an error of a picture is raised here
    return images


def _header(picture: EncodedPicture) -> tuple[Size, bool]:
    """The height and width of a picture, and whether it is grey, without its pixels."""
    from PIL import Image  # noqa: PLC0415  # as above

    try:
        with picture.open() as file, Image.open(file) as opened:
            turned = opened.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED
            width, height = opened.size
            return ((width, height) if turned else (height, width)), opened.mode in _GREY_MODES
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError) as error:
        raise _unreadable(picture.name, error) from error


def _unreadable(name: str, error: Exception) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return DataError(f"cannot read {name} as a picture: {reason}")


def _shown(size: Size) -> str:
    return f"{size[0]} x {size[1]}"


def reshaped(images: NDArray[np.uint8], *, grey: bool, size: Size | None) -> NDArray[np.uint8]:
    """Images in arrays, (count, channels, height, width), as grey or of another size, if asked for.

    Raises DataError if images that are to be grey have other channels than grey or red, green and blue.
    """
    from PIL import Image  # noqa: PLC0415  # as above

    if grey and images.shape[1] not in COLOURS:
        raise DataError(
            "images must have 1 or 3 channels to be converted to grey, "
            f"got {images.shape[1]} (key dataset.grey)"
        )
    if grey and images.shape[1] > 1:
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # as PIL's, of ITU-R 601-2
        images = np.rint(np.einsum("nchw,c->nhw", images, weights))[:, None].astype(np.uint8)
    if size is None or images.shape[2:] == size:
        return images
    check_memory(3 * images.shape[0] * images.shape[1] * size[0] * size[1], "the data set")
    scaled = np.empty((*images.shape[:2], *size), dtype=np.uint8)
    for place in np.ndindex(images.shape[:2]):
        plane = Image.fromarray(images[place])
        scaled[place] = np.asarray(plane.resize(size[::-1], Image.Resampling.LANCZOS))
    return scaled
