"""What public functions take, and what they refuse."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from typer.testing import CliRunner

import study
from study.cli.app import app
from study.errors import BadInputError, DataError, SpecError, StudyError
from study.tracking.seed_curves import FILE
from study.tracking.tags import CLASSES_TAG, REPLICATES_TAG, replicates_text
from tests.support.recorded_study import NAME, record_study

CURVE = ((0.5, 0.01), (0.75, 0.02), (0.9, 0.03))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("public"))


def test_a_misspelt_keyword_is_refused_with_the_nearest():
    with pytest.raises(
        TypeError,
        match=r"best_configs\(\) has no parameter 'max_params'; did you mean 'max_parameters'",
    ):
        study.best_configs(NAME, max_params=5)
    with pytest.raises(TypeError, match="did you mean 'family'"):
        study.trials(NAME, familly=["mlp"])


def test_a_home_is_given_by_its_folder_or_its_database(home):
    expected = study.records(NAME, home=home)
    assert study.records(NAME, home=str(home.folder)) == expected
    assert study.records(NAME, home=home.folder) == expected
    assert study.records(NAME, tracking_uri=home.database) == expected
    assert study.records(NAME, home="elsewhere", tracking_uri=home.tracking_uri) == expected


def test_a_state_and_an_order_may_be_a_single_text(home):
    several = study.records(NAME, states=["COMPLETE"], order=["macs:desc"], home=home)
    assert len(several) == 3
    assert study.records(NAME, states="COMPLETE", order="macs:desc", home=home) == several
    assert study.best_configs(NAME, order="macs:desc", home=home) == several


def test_a_table_has_the_trial_once(home):
    for frame in (study.trials(NAME, home=home), study.trials(NAME, home=home, min_accuracy=1.0)):
        assert frame.index.name == "trial"
        assert "trial" in frame.reset_index().columns
        assert list(frame.sort_values("trial").index) == sorted(frame.index)


def test_curves_have_a_row_for_each_trial_and_epoch(home):
    store = MlflowClient(home.tracking_uri)
    first, second = study.records(NAME, home=home)[:2]
    for epoch, (value, error) in enumerate(CURVE, start=1):
        store.log_metric(first.run_id, "epoch/val_accuracy", value, step=epoch)
        store.log_metric(first.run_id, "epoch/val_accuracy_sem", error, step=epoch)
    store.log_metric(second.run_id, "epoch/val_accuracy", 0.7, step=1)
    curves = study.curves(NAME, home=home)
    assert curves.index.names == ["trial", "epoch"]
    assert curves.loc[first.trial].index.tolist() == [1, 2, 3]
    assert curves.loc[first.trial].to_numpy().tolist() == [list(point) for point in CURVE]
    assert curves.loc[second.trial, "val_accuracy"].tolist() == [0.7]
    assert curves.loc[second.trial, "val_accuracy_sem"].isna().all()
    assert study.curves(NAME, [second.trial], home=home).equals(curves.loc[[second.trial]])
    assert study.curves(NAME, second.trial, home=home).equals(curves.loc[[second.trial]])
    assert study.curves(NAME, [], home=home).equals(curves.iloc[:0])
    store.log_metric(first.run_id, "epoch/val_loss", 1.5, step=2)
    both = study.curves(NAME, metric=["val_accuracy", "val_loss"], home=home)
    assert both[curves.columns].equals(curves)
    assert both["val_loss"].dropna().to_dict() == {(first.trial, 2): 1.5}
    with pytest.raises(SpecError, match="`metric` must be one or several of val_"):
        study.curves(NAME, metric=[], home=home)
    with pytest.raises(SpecError, match="unknown metric of epochs 'loss'; did you mean 'val_loss'"):
        study.curves(NAME, metric="loss", home=home)
    shown = CliRunner().invoke(app, ["trials", NAME, "--home", str(home.folder), "--curves"])
    assert "\u2581\u2585\u2588" in shown.stdout, shown.output


def test_curves_of_seeds_are_read_from_the_files_of_the_runs(home):
    store = MlflowClient(home.tracking_uri)
    first, second = study.records(NAME, home=home)[:2]
    assert study.curves(NAME, seeds=True, home=home).empty
    file = "epoch,seed,val_accuracy,val_loss,train_loss\n1,0,0.25,2,\n1,1,0.5,1,\n2,0,,1,\n2,1,0.75,1,\n"
    store.log_text(first.run_id, file, FILE)
    curves = study.curves(NAME, seeds=True, home=home)
    assert curves.index.names == ["trial", "seed", "epoch"]
    assert curves.loc[(first.trial, 1), "val_accuracy"].to_dict() == {1: 0.5, 2: 0.75}
    assert math.isnan(curves.loc[(first.trial, 0, 2), "val_accuracy"])
    losses = study.curves(NAME, first.trial, metric="val_loss", seeds=True, home=home)
    assert losses["val_loss"].tolist() == [2, 1, 1, 1]
    both = study.curves(NAME, metric=("val_loss", "val_accuracy"), seeds=True, home=home)
    assert both["val_loss"].equals(losses["val_loss"])
    assert both["val_accuracy"].equals(curves["val_accuracy"])
    assert study.curves(NAME, second.trial, seeds=True, home=home).empty

    def shown(*options):
        place = ("trials", NAME, "--home", str(home.folder), "--curves", "--seeds")
        return CliRunner().invoke(app, [*place, *options]).stdout

    assert re.search(r"0\s+1\s+2\s+0\.75\s+\u2585\u2588", shown())
    assert shown("--csv").splitlines()[1:3] == ["0,0,1,0.25", "0,0,2,"]
    assert json.loads(shown("--json", "--metric", "val_loss"))[0] == {
        "trial": 0,
        "seed": 0,
        "epoch": 1,
        "val_loss": 2.0,
    }
    store.log_text(first.run_id, file.replace("val_loss", "loss"), FILE)
    with pytest.raises(
        StudyError, match=f"{FILE} of the MLflow run {first.run_id} .* columns must"
    ):
        study.curves(NAME, seeds=True, home=home)


def test_values_of_replicates_have_a_row_for_each_trial_and_seed(home, tmp_path):
    store = MlflowClient(home.tracking_uri)
    first, second = study.records(NAME, home=home)[:2]
    assert study.seeds(NAME, home=home).empty
    measured = {"val_accuracy": [0.25, 1 / 3], "test_loss": [1e-9, 2.0]}
    store.set_tag(first.run_id, REPLICATES_TAG, replicates_text(measured))
    values = study.seeds(NAME, home=home)
    assert values.index.tolist() == [(first.trial, 0), (first.trial, 1)]
    assert values["val_accuracy"].tolist() == [0.25, 0.333333333]
    assert values["test_loss"].tolist() == [1e-9, 2.0]
    assert values["val_loss"].isna().all()
    assert study.seeds(NAME, [second.trial], home=home).equals(values.iloc[:0])
    assert study.seeds(NAME, first.trial, home=home).equals(values)

    def shown(*options):
        done = CliRunner().invoke(app, ["trials", NAME, "--home", str(home.folder), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert re.search(r"0\s+1\s+33\.33\s+2\.0000", shown("--seeds"))
    assert shown("--seeds", "--csv").splitlines()[1] == "0,0,0.25,,,1e-09"
    for options, frame in (
        (("--seeds",), values),
        (("--curves",), study.curves(NAME, home=home)),
        ((), study.trials(NAME, home=home)),
    ):
        shown(*options, "--parquet", str(tmp_path / "new" / "table.parquet"))
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "new" / "table.parquet"), frame, check_dtype=False
        )
    store.set_tag(first.run_id, REPLICATES_TAG, '{"val_accuracy": [0.25]}')
    with pytest.raises(StudyError, match=f"the MLflow run {first.run_id} .* cannot be read"):
        study.seeds(NAME, home=home)
    store.delete_tag(first.run_id, REPLICATES_TAG)


def test_images_are_predicted_from_arrays_and_tensors_alike(home):
    images = study.load_dataset("digits").test.images[:5]
    network = study.load_model(NAME, home=home)
    expected = network(images).softmax(dim=-1).mean(dim=0).detach().numpy()
    sources = [images, images.numpy(), images.numpy()[:, 0], images.numpy() / np.float32(255)]
    for found in study.predict(NAME, sources, home=home):
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
        assert found.file is None
    (one,) = study.predict(NAME, images[0].numpy(), home=home)
    np.testing.assert_allclose(one.probabilities, expected[:1], atol=1e-5)
    for wrong, message in (
        (images.numpy().astype(int), "uint8 in 0..255 or floats in 0..1, got int64"),
        (images.numpy().astype(float), "got float64 in 0.0..255.0"),
        (np.zeros((3, 5), np.uint8), r"got \(3, 5\)"),
    ):
        with pytest.raises(DataError, match=message):
            study.predict(NAME, wrong, home=home)
    assert torch.equal(network(images.numpy()), network(images))


def test_predictions_have_the_names_of_classes(home):
    store, image = MlflowClient(home.tracking_uri), study.load_dataset("digits").test.images[:1]
    parent = study.status(NAME, home=home).parent_run_id
    assert study.predict(NAME, image, home=home)[0].names == [None]
    names = [f"<{number}>" for number in range(10)]
    store.set_tag(parent, CLASSES_TAG, json.dumps(names))
    (found,) = study.predict(NAME, image, home=home)
    assert found.names == [names[found.classes[0]]]
    assert found.to_dict()["images"][0]["name"] == found.names[0]
    assert f"{found.classes[0]} &lt;{found.classes[0]}&gt;" in found._repr_html_()
    for damaged in ("[", "[1]", '["a"]', '{"a": 1}'):
        store.set_tag(parent, CLASSES_TAG, damaged)
        assert study.predict(NAME, image, home=home)[0].names == [None]
    store.delete_tag(parent, CLASSES_TAG)


def test_a_record_and_a_network_are_a_line_each(home):
    record = study.best_configs(NAME, home=home)[0]
    assert "\n" not in repr(record)
    assert len(repr(record)) < 150
    assert record.label() in repr(record)
    assert record.label() in repr(study.load_model(NAME, home=home))


def test_results_are_tables_in_notebooks_with_all_text_escaped(home):
    records = study.records(NAME, home=home)
    assert len(repr(records).splitlines()) == len(records) == 3
    page = records._repr_html_()
    assert page.count("<tr>") == 1 + len(records)
    assert records[0].label() in page
    assert "reason" not in page  # what no trial has is left out
    (best,) = study.best_configs(NAME, home=home, limit=1)
    for one in (best, study.status(NAME, home=home), study.list_studies(home=home)):
        assert best.label() in one._repr_html_()
    values = {0: {"val_accuracy": 0.25}, 1: {"val_accuracy": 0.5}}
    odd = replace(best, notice="<script>", by_seed=values)
    page = odd._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "0.2500" in page
    images = study.load_dataset("digits").test.images[:40]
    predictions = study.predict(NAME, images, home=home)
    assert len(repr(predictions[0])) < 150
    assert predictions._repr_html_().count("<tr>") == 2
    assert predictions[0]._repr_html_().count("<tr>") > 30
    network = study.load_model(NAME, home=home)
    assert f"Network: {best.label()}" in network._repr_html_()
    assert network._repr_html_().count("<li>") == len(network.layers)
    assert study.records(NAME, home=home, min_accuracy=1)._repr_html_() == "<p>none</p>"


def test_a_spec_is_given_as_a_file_or_as_a_table(tmp_path):
    (tmp_path / "bad.toml").write_text('name = "a"\ndataset = "digits"\nfamilies = ["dann-x"]\n')
    for spec in (
        tmp_path / "bad.toml",
        str(tmp_path / "bad.toml"),
        {"name": "a", "dataset": "digits", "families": ["dann-x"]},
    ):
        with pytest.raises(SpecError, match="unknown family 'dann-x'; did you mean 'dann-r'"):
            study.run(spec, home=tmp_path / "home")
    assert not (tmp_path / "home").exists()
    with pytest.raises(SpecError, match="the path of a file, got 3"):
        study.run(3)


def test_a_single_study_is_not_compared(home):
    with pytest.raises(BadInputError, match=f"two or more studies, got {NAME}"):
        study.compare(NAME, home=home)
