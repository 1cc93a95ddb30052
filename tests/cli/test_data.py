import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from study.cli.app import app
from study.errors import BadInputError, DataError, SpecError
from tests.support.published_files import as_official, made_fashion_mnist


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(40):
        file = folder / "train" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6 + number % 2, 6), 5 * number, np.uint8)).save(file)
    return folder


def run(*arguments):
    done = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_what_would_be_read_is_shown(photos, tmp_path):
    sheet = tmp_path / "new" / "sheet.png"
    shown = run(photos, "--set", "dataset.resize=[4,5]", "--to", sheet)
    assert "images of 1 x 4 x 5 (channels, height, width)" in shown
    assert "pixels from 5 to 195 of 0 to 255; 2 classes" in shown
    (row,) = (line.split() for line in shown.splitlines() if "1 dog" in line)
    assert row == ["1", "dog", "15", "1", "4"]
    with Image.open(sheet) as picture:
        assert picture.width > 120


def test_a_spec_and_json_are_served(photos, tmp_path):
    spec = tmp_path / "own.toml"
    spec.write_text(
        f'name = "own"\nfamilies = ["vann"]\n[dataset]\npath = "{photos}"\nresize = 3\n'
    )
    shown = json.loads(run(spec, "--json"))
    assert shown["image_shape"] == [1, 3, 3]
    assert shown["images"] == {"train": 29, "validation": 3, "test": 8}
    assert [one["name"] for one in shown["classes"]] == ["cat", "dog"]
    assert sum(one["train"] for one in shown["classes"]) == 29


def test_files_other_than_the_official_ones_are_noticed(tmp_path, monkeypatch):
    folder = made_fashion_mnist(tmp_path / "packed", monkeypatch)
    shown = run("fashion_mnist", "--set", f"dataset.root={tmp_path}")
    assert f"notice: the files in {folder} are not the official ones" in " ".join(shown.split())
    asked = ("fashion_mnist", "--set", f"dataset.root={tmp_path}", "--json")
    assert json.loads(run(*asked))["official"] is False
    as_official(folder, monkeypatch)
    shown = " ".join(run("fashion_mnist", "--set", f"dataset.root={tmp_path}").split())
    assert f"the files in {folder} are the official ones" in shown
    assert json.loads(run(*asked))["official"] is True


def test_dark_images_are_pointed_out(tmp_path):
    np.savez(tmp_path / "dark.npz", x=np.full((40, 4, 4), 16), y=np.arange(40) % 4)
    shown = run(tmp_path / "dark.npz")
    assert "the images are dark, up to 16 of 255: scale the pixels up, such as by 15" in shown


def test_a_part_without_images_of_a_class_is_pointed_out(tmp_path):
    labels = np.array([0] * 90 + [1] * 3)
    np.savez(tmp_path / "rare.npz", x=np.full((93, 4, 4), 200), y=labels)
    assert "no validation image has the class 1" in run(tmp_path / "rare.npz")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), DataError, r"one size, .* such as --set dataset.resize=6"),
        (("--to", "a.jpg"), BadInputError, "must end in .png, got a.jpg"),
        (("--set", "dataset.rezise=2"), SpecError, "unknown key 'rezise'; did you mean 'resize'"),
        (("--set", "seed=2"), BadInputError, "only keys of the data set can be changed, got seed"),
    ],
)
def test_what_is_wrong_is_said_with_the_rule(arguments, error, message, photos):
    with pytest.raises(error, match=message):
        run(photos, *arguments)
