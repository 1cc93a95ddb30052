"""A contact sheet: some images of each class of a data set in one picture, as they are trained on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_CLASSES: Final = 20  # rows
_MOST_IMAGES: Final = 12  # in a row
_LEAST_SIDE: Final = 48  # pixels of an image; smaller ones are enlarged by a whole factor
_GAP: Final = 4
_LABEL_WIDTH: Final = 120
_LETTERS: Final = 16


def contact_sheet(
    images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str]
) -> "Image":
    """The first images of each class in a row, with the text of the class, for at most 20 classes.

    `images` have shape (count, channels, height, width), `labels` are places in `classes`. Images with
    other than 1 or 3 channels show their first channel.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415  # needed here only

    rows = [
        (text[:_LETTERS], np.flatnonzero(labels == label)[:_MOST_IMAGES])
        for label, text in enumerate(classes[:_MOST_CLASSES])
    ]
    height, width = images.shape[2:]
    factor = max(1, -(-_LEAST_SIDE // min(height, width))) if height > 1 else 1
    cell = (width * factor + _GAP, max(height * factor, _LETTERS) + _GAP)
    columns = max(1, *(len(places) for _, places in rows))
    sheet = Image.new("RGB", (_LABEL_WIDTH + columns * cell[0], len(rows) * cell[1]), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (text, places) in enumerate(rows):
        draw.text((_GAP, row * cell[1] + _GAP), text, fill="black")
        for column, place in enumerate(places):
            picture = Image.fromarray(_shown(images[place]))
            enlarged = picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (_LABEL_WIDTH + column * cell[0], row * cell[1] + _GAP // 2))
    return sheet


def _shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels for PIL, from (channels, height, width)."""
    return image.transpose(1, 2, 0) if image.shape[0] == 3 else image[0]  # noqa: PLR2004  # RGB
