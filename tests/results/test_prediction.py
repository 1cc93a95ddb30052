import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from study.cli.network_tables import prediction_table, sentences
from study.errors import DataError, NotFoundError
from study.results import answers
from study.results.network import load_model
from study.results.prediction import predict, read_images
from study.training.dataset import load_dataset
from tests.support.recorded_study import NAME, record_study

GREY = (1, 8, 8)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("prediction"))


@pytest.fixture(scope="module")
def test_images(tmp_path_factory):
    """The test images of the digits as a user would have them."""
    test = load_dataset("digits").test
    file = tmp_path_factory.mktemp("images") / "test.npz"
    np.savez(file, x=test.images.numpy()[:, 0], y=test.labels.numpy())
    return file


@pytest.mark.slow
def test_the_accuracy_of_an_npz_is_the_stored_one(home, test_images):
    record = answers.records(NAME, home=home)[0]
    (found,) = predict(NAME, [test_images], 0, home=home)
    assert found.accuracy == pytest.approx(record.test_accuracy)
    assert found.accuracy_sem == pytest.approx(record.test_accuracy_sem)
    with torch.no_grad():
        logits = load_model(NAME, 0, home=home)(load_dataset("digits").test.images)
    mean = logits.softmax(dim=-1).mean(dim=0).numpy()
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-5)
    assert json.loads(json.dumps(found.to_dict()))["images"][3]["class"] == found.classes[3]


def test_a_picture_is_made_to_fit_and_it_is_said(home, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([pixels] * 3, axis=-1)).save(tmp_path / "colour.png")
    Image.fromarray(pixels).resize((32, 24)).save(tmp_path / "large.jpg")
    files = [tmp_path / name for name in ("grey.png", "colour.png", "large.jpg")]
    grey, colour, large = predict(NAME, files, None, home=home)
    assert grey.trial == 1  # the best
    assert grey.notice is None
    assert grey.accuracy is None
    np.testing.assert_allclose(grey.probabilities, colour.probabilities)
    assert large.notice.endswith("was scaled from 32 x 24 to 8 x 8 (width x height)")
    assert large.probabilities.shape == (1, 10)


def test_channels_come_first_and_stay_in_order(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    np.savez(tmp_path / "images.npz", x=pixels[None])
    for name in ("image.png", "images.npz"):
        images = read_images(tmp_path / name, (3, 4, 5), 10).images
        assert (images[0] == pixels.transpose(2, 0, 1)).all()


def test_the_table_shows_the_first_and_says_the_rest(home, test_images):
    found = predict(NAME, [test_images], 0, home=home)
    screen = Console(width=100, record=True, quiet=True)
    screen.print(prediction_table(found, "made"))
    assert len(prediction_table(found, "made").rows) == 20
    first, second = sentences(found)
    assert first.endswith("the first 20 of 359 images; --json prints all")
    record = answers.records(NAME, home=home)[0]
    assert (
        f"accuracy {100 * record.test_accuracy:.2f} ± {100 * record.test_accuracy_sem:.2f} %"
        in (second)
    )
    assert math.isfinite(found[0].accuracy)


IMAGES = np.zeros((2, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros(2, dtype=int)}, r"bad.npz must hold the array x, .* got y"),
        ({"x": IMAGES.astype(float) + 2}, r"floats in 0..1, got float64 .* in 2..2; .*bad.npz"),
        ({"x": IMAGES.astype(int) + 256}, r"whole numbers in 0..255 or floats in 0..1, got int64"),
        ({"x": IMAGES[:, :7]}, r"network's shape \(1, 8, 8\) .* got \(1, 7, 8\)"),
        ({"x": IMAGES, "y": np.array([0])}, r"for each of the 2 images of x, got 1 up to 0"),
        ({"x": IMAGES, "y": np.array([0, 10])}, r"one label below 10 .* got 2 up to 10"),
        ({"x": np.array([{}])}, "cannot read the arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_rule(arrays, message, tmp_path):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_images(tmp_path / "bad.npz", GREY, 10)


def test_labels_may_be_the_names_of_classes(tmp_path):
    np.savez(tmp_path / "named.npz", x=IMAGES, y=np.array(["dog", "cat"]))
    read = read_images(tmp_path / "named.npz", GREY, 2, ("cat", "dog"))
    assert read.labels.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"got 'dog'; did you mean 'dogs'\? known: cat, dogs"):
        read_images(tmp_path / "named.npz", GREY, 2, ("cat", "dogs"))


def test_what_is_no_picture_is_refused_with_the_rule(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"cannot read .*text.png as a picture"):
        read_images(tmp_path / "text.png", GREY, 10)
    with pytest.raises(DataError, match=r"none.png as a picture: No such file"):
        read_images(tmp_path / "none.png", GREY, 10)
    with pytest.raises(DataError, match=r"cannot read the arrays in .*none.npz: .*No such file"):
        read_images(tmp_path / "none.npz", GREY, 10)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="must have 8 bits a channel, got mode I;16"):
        read_images(tmp_path / "deep.png", GREY, 10)
    with pytest.raises(DataError, match="1 or 3 channels, but the network reads 2"):
        read_images(tmp_path / "deep.png", (2, 8, 8), 10)


def test_a_trial_without_weights_is_reported(home, test_images):
    with pytest.raises(NotFoundError, match="were not kept"):
        predict(NAME, [test_images], 2, home=home)


@pytest.mark.slow
def test_it_does_not_wait_for_torch():
    code = "import study.results.prediction, study.cli.network_tables, sys; print(*sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "torch" not in output.split()
