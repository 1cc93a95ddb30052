"""Reads pictures with labels from Parquet files and from folders of Hugging Face's `datasets`.

Such a folder has Parquet files, as on the Hugging Face hub, or the Arrow files of `save_to_disk`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from study.errors import DataError
from study.training.image_folder import VALIDATION
from study.training.pictures import EncodedPicture, read_pictures
from study.training.pool import (
    Pool,
    Pools,
    Size,
    check_memory,
    label_numbers,
    number_of_classes,
)

_TRAIN: Final = "train"
_TEST: Final = "test"
_IMAGES: Final = ("image", "img", "picture", "x")
_LABELS: Final = ("label", "labels", "y", "target", "class", "fine_label")
_FEATURES: Final = b"huggingface"  # the key of the metadata with the names of the classes


def table_files(path: Path) -> dict[str, list[Path]]:
    """The Parquet or Arrow files of each part, such as train and test; empty if there are none."""
    if path.is_file():
        return {_TRAIN: [path]}
    if (path / "dataset_dict.json").is_file():
        parts = [one.parent for one in sorted(path.glob("*/state.json"))]
        return {part.name: sorted(part.glob("*.arrow")) for part in parts}
    if (path / "state.json").is_file():
        return {_TRAIN: sorted(path.glob("*.arrow"))}
    files: dict[str, list[Path]] = {}
    for file in sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")]):
        # As on the hub: train-00000-of-00002.parquet.
        files.setdefault(file.stem.split("-")[0], []).append(file)
    named = (_TRAIN, _TEST, *VALIDATION)
    if _TRAIN in files or not files:
        return files
    others = [file for part in files if part not in named for file in files[part]]
    return {_TRAIN: sorted(others)} | {part: files[part] for part in named if part in files}


def read_tables(path: Path, *, grey: bool, size: Size | None) -> Pools:
    """Reads the pictures and the labels of a Parquet file, or of a folder (`table_files`).

    The column of images has encoded pictures, as bytes or as in `datasets`; the column of labels has
    whole numbers from 0, or texts. `grey` and `size` are as in `read_pictures`. Raises DataError for
    other columns, a damaged file or picture, or a lack of memory.
    """
    parts = table_files(path)
    for part in parts:
        if part in VALIDATION:
            raise DataError(
                f"validation images are drawn from those of training, got {parts[part][0]}: rename it "
                f"to {_TRAIN}-..., or to {_TEST}-... if there are no test images"
            )
    if not parts.get(_TRAIN):
        raise DataError(f"{path} must have a table {_TRAIN}, got {', '.join(parts) or 'none'}")
    unread = [part for part in parts if part not in (_TRAIN, _TEST)]
    if unread:
        raise DataError(
            f"the tables in {path} must be those of {_TRAIN} and {_TEST}, got {', '.join(unread)}: "
            "rename them, or move them elsewhere"
        )
    chosen = [part for part in (_TRAIN, _TEST) if parts.get(part)]
    tables = {file: _read_table(file) for part in chosen for file in parts[part]}
    pictures = [
        EncodedPicture(f"{file} (row {row})", content)
        for file, (images, _) in tables.items()
        for row, content in enumerate(images)
    ]
    columns = [f"the column of labels of {part}" for part in chosen]
    labels, names = label_numbers(
        [np.concatenate([tables[file][1] for file in parts[part]]) for part in chosen], columns
    )
    images = read_pictures(pictures, grey=grey, size=size)
    # Metadata may name classes that these images lack.
    names = names or _class_names(parts[_TRAIN][0])
    most = 1 + max(int(one.max()) for one in labels)
    count = len(labels[0])
    return Pools(
        train=Pool(images[:count], labels[0]),
        test=Pool(images[count:], labels[1]) if len(chosen) > 1 else None,
        classes=max(len(names), most) if names else number_of_classes(labels, columns[0]),
        class_names=names,
    )


def _read_table(file: Path) -> tuple[list[bytes], NDArray[Any]]:
    """The encoded pictures and the labels in a file."""
    try:
        if file.suffix == ".arrow":
            check_memory(2 * file.stat().st_size, file)
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
                image, label = _columns(reader.schema, file)
                table = reader.read_all().select([image, label])
        else:
            with pq.ParquetFile(file) as stored:
                image, label = _columns(stored.schema_arrow, file)
                check_memory(2 * _size(stored.metadata, (image, label)), file)
                table = stored.read([image, label])
        images, labels = table.column(image), table.column(label)
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, "bytes")
        if not len(table) or images.null_count or labels.null_count:
            raise DataError(
                f"{file} must have an image and a label in each of its rows, got {len(table)} rows, "
                f"{images.null_count} without the bytes of an image ({image}), {labels.null_count} "
                f"without a label ({label})"
            )
        texts = not pa.types.is_integer(labels.type)
        numbers = np.array(labels.to_pylist(), dtype=str) if texts else labels.to_numpy()
        return images.to_pylist(), numbers
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"cannot read the table in {file}: {reason}") from error


def _columns(schema: pa.Schema, file: Path) -> tuple[str, str]:
    """The names of the columns of images and labels. Raises DataError if they are not unique."""
    chosen = []
    for kind, fits, names in (
        (
            "encoded images (bytes, or as in Hugging Face's datasets)",
            _holds_pictures,
            _IMAGES,
        ),
        ("labels (whole numbers from 0, or texts)", _holds_labels, _LABELS),
    ):
        fitting = [field.name for field in schema if fits(field.type)]
        named = [name for name in fitting if name.lower() in names]
        found = named or fitting
        if len(found) != 1:
            have = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise DataError(
                f"{file} must have one column of {kind}, named {' or '.join(names)} if several fit, "
                f"got {have[:500]}"
            )
        chosen += found
    return chosen[0], chosen[1]


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _holds_pictures(kind.field(place).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_labels(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def _size(metadata: pq.FileMetaData, names: Sequence[str]) -> int:
    """The bytes of columns when they are unpacked."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(
        column.total_uncompressed_size
        for column in columns
        if column.path_in_schema.split(".")[0] in names
    )


def _class_names(file: Path) -> tuple[str, ...]:
    """The names of the classes that `datasets` stores beside the columns; empty if there are none."""
    schema = _schema(file)
    try:
        features = json.loads((schema.metadata or {})[_FEATURES])["info"]["features"]
        names = features[_columns(schema, file)[1]]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names))


def _schema(file: Path) -> pa.Schema:
    if file.suffix != ".arrow":
        return pq.read_schema(file)
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
        return reader.schema
