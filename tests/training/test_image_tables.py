import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from study.errors import DataError
from study.training.dataset import load_dataset

NAMES = ["cat", "dog"]
# As Hugging Face's `datasets` stores it beside the columns.
FEATURES = {"label": {"names": NAMES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
METADATA = {"huggingface": json.dumps({"info": {"features": FEATURES}})}


def encoded(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def rows(count, first=0, metadata=METADATA, **columns):
    """A table of images whose pixels are their number, and whose labels take turns."""
    pictures = [encoded(first + number) for number in range(count)]
    table = {
        "image": [{"bytes": one, "path": None} for one in pictures],
        "label": [number % 2 for number in range(count)],
    }
    kept = {name: values for name, values in (table | columns).items() if values is not None}
    return pa.table(kept).replace_schema_metadata(metadata)


def save_to_disk(table, folder):
    """As `datasets.Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    half = len(table) // 2
    for number, part in enumerate((table[:half], table[half:])):
        file = folder / f"data-0000{number}-of-00002.arrow"
        with pa.ipc.new_stream(str(file), table.schema) as writer:
            writer.write_table(part)


def is_as_written(data, train=20, test=4):
    assert data.image_shape == (1, 4, 6)
    assert data.class_names == tuple(NAMES)
    assert len(data.train.labels) + len(data.validation.labels) == train
    assert sorted(int(image.max()) for image in data.test.images) == list(range(100, 100 + test))
    assert all(
        int(image.max()) % 2 == int(label)
        for part in (data.train, data.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    return True


def test_parquet_files_are_read_as_on_the_hub(tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(2):
        table = rows(10, first=10 * number)
        pq.write_table(table, tmp_path / "data" / f"train-0000{number}-of-00002.parquet")
    pq.write_table(rows(4, first=100), tmp_path / "data" / "test-00000-of-00001.parquet")
    assert is_as_written(load_dataset(tmp_path))


def test_folders_of_save_to_disk_are_read(tmp_path):
    (tmp_path / "dataset_dict.json").write_text("{}")
    save_to_disk(rows(20), tmp_path / "train")
    save_to_disk(rows(4, first=100), tmp_path / "test")
    assert is_as_written(load_dataset(tmp_path))
    alone = load_dataset(tmp_path / "train")
    assert len(alone.test.labels) == 4


def test_a_parquet_file_may_have_texts_as_labels_and_plain_bytes_as_images(tmp_path):
    pictures = [encoded(number) for number in range(20)]
    texts = [NAMES[number % 2] for number in range(20)]
    table = rows(20, image=None, label=None, picture=pictures, y=texts, metadata=None)
    pq.write_table(table, tmp_path / "mine.parquet")
    data = load_dataset(f"{tmp_path}/mine.parquet")
    assert (data.class_names, len(data.test.labels)) == (tuple(NAMES), 4)
    assert load_dataset({"path": f"{tmp_path}/mine.parquet", "resize": 2}).image_shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": None}, r"one column of encoded images .*, got label \(int64\)"),
        ({"label": None}, "one column of labels"),
        ({"label": [0.5] * 10}, "one column of labels"),
        ({"label": None, "a": [1] * 10, "b": [2] * 10}, "named label or .* if several fit, got"),
        ({"label": [None, *[0] * 9]}, r"got 10 rows, 0 without the bytes .* 1 without a label"),
        ({"image": [{"bytes": None, "path": "a"}] * 10}, "has_no_bytes"),
        ({"label": [-1] * 10}, "a whole number from 0 up"),
        ({"image": [{"bytes": b"no picture", "path": None}] * 10}, r"\(row 0\) as a picture"),
    ],
)
def test_other_columns_are_refused_with_the_rule(columns, message, tmp_path):
    table = rows(10, **columns)
    if message == "has_no_bytes":
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = table.set_column(0, "image", table.column("image").cast(kind))
        message = "10 without the bytes of an image"
    pq.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=message):
        load_dataset(f"{tmp_path}/bad.parquet")


def test_a_damaged_table_is_refused(tmp_path):
    file = tmp_path / "bad.parquet"
    pq.write_table(rows(10), file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot read the table in"):
        load_dataset(f"{file}")
    save_to_disk(rows(10), tmp_path / "saved")
    (tmp_path / "saved" / "data-00001-of-00002.arrow").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot read the table in"):
        load_dataset(tmp_path / "saved")


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_a_part_for_validation_is_refused_with_what_to_do(name, tmp_path):
    for part in ("train", name):
        pq.write_table(rows(10), tmp_path / f"{part}-00000-of-00001.parquet")
    with pytest.raises(DataError, match=rf"drawn from those of training, got .*/{name}-00000"):
        load_dataset(tmp_path)


def test_tables_of_any_name_are_for_training_unless_one_is_called_so(tmp_path):
    for name in ("b", "a-1", "test-1"):
        pq.write_table(rows(10), tmp_path / f"{name}.parquet")
    assert len(load_dataset(tmp_path).test.labels) == 10
    pq.write_table(rows(10), tmp_path / "train-1.parquet")
    with pytest.raises(DataError, match="must be those of train and test, got a, b: rename them"):
        load_dataset(tmp_path)
