import math

import pytest

from study.tracking.seed_curves import EPOCH_METRICS, HEADER, SeedCurves, parse_curves
from study.training.generalisation import ReplicateCurves


def test_curves_are_stored_by_epoch_and_seed_and_the_later_report_counts():
    curves = SeedCurves([3, 4])
    assert curves.to_csv() is None
    curves.add(2, {"val_accuracy": [[0.5, 1 / 3]], "train_loss": [[1.0, 2.0]]})
    curves.add(1, {"val_accuracy": [[0.25, 0.0], [0.5, math.nan]], "train_loss": [[3.0, 4.0]]})
    text = curves.to_csv()
    assert text.splitlines() == [
        "epoch,seed,val_accuracy,val_loss,train_loss",
        "1,3,0.25,,3",
        "1,4,0,,4",
        "2,3,0.5,,1",
        "2,4,,,2",
    ]
    frame = parse_curves(text)
    assert frame["seed"].tolist() == [3, 4, 3, 4]
    assert frame["val_accuracy"].isna().tolist() == [False, False, False, True]
    assert parse_curves(HEADER).empty


@pytest.mark.parametrize(
    "text",
    ["", "epoch,seed\n1,0\n", f"{HEADER}\n1,0,a,,\n", f"{HEADER}\n1.5,0,,,\n", f"{HEADER},x\n"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_curves(text)


def test_the_metrics_are_those_that_a_worker_reports():
    assert set(ReplicateCurves().since(0)) == set(EPOCH_METRICS)
