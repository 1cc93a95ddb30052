"""Tables for a terminal: predictions, and what retraining measured beside the search."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table

from study.cli.tables import plain_table
from study.results.format import estimate, percent
from study.results.prediction import Prediction
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained

_SHOWN: Final = 20
"""Images shown of a file; JSON has them all."""

_ROWS: Final = {
    "val_accuracy": ("val accuracy %", 100.0, 2),
    "val_loss": ("val loss", 1.0, 4),
    "test_accuracy": ("test accuracy %", 100.0, 2),
    "test_loss": ("test loss", 1.0, 4),
}


def prediction_table(predictions: Sequence[Prediction], title: str) -> Table:
    """One row an image, the first of each file: its class, the class's probability, and its label."""
    rows = [
        (prediction, image, shares)
        for prediction in predictions
        for image, shares in enumerate(prediction.probabilities[:_SHOWN])
    ]
    cells = {
        "file": [str(prediction.file) for prediction, _, _ in rows],
        "image": [str(image) for _, image, _ in rows],
        "class": [str(shares.argmax()) for _, _, shares in rows],
        "probability": [f"{shares.max():.4f}" for _, _, shares in rows],
    }
    if any(prediction.labels is not None for prediction in predictions):
        cells["label"] = [
            "" if prediction.labels is None else str(prediction.labels[image])
            for prediction, image, _ in rows
        ]
    table = plain_table(title, cells, left=("file",))
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    return table


def sentences(predictions: Sequence[Prediction]) -> Iterator[str]:
    """Notices, and the accuracy, of each file."""
    for prediction in predictions:
        count = len(prediction.probabilities)
        if prediction.notice is not None:
            yield prediction.notice
        if count > _SHOWN:
            yield f"{prediction.file}: the first {_SHOWN} of {count:,} images; --json prints all"
        if prediction.accuracies is not None:
            accuracy = percent(prediction.accuracy, prediction.accuracy_sem)
            yield (
                f"{prediction.file}: accuracy {accuracy} % of "
                f"{count:,} images, mean over {len(prediction.accuracies)} replicates; of their mean "
                f"probabilities {100 * (prediction.classes == prediction.labels).mean():.2f} %"
            )


def retraining_table(found: Retrained, name: str) -> Table:
    """One row a metric: means ± standard errors over replicates, and whether both agree."""
    search, record = found.search, found.record
    full = "\nvalidation trained on" if found.wanted.full else ""
    cells = {
        "": [heading for heading, _, _ in _ROWS.values()],
        f"search\n{_training(search)}": _estimates(search),
        f"retrained\n{_training(record)}{full}": _estimates(record),
        "difference": [_difference(found, metric, *_ROWS[metric][1:]) for metric in _ROWS],
        "agree": [_agree(found, metric) for metric in _ROWS],
    }
    title = f"{name}: trial {search.trial}, {search.label()}"
    return plain_table(title, cells, left=("", "agree"))


def verdict(found: Retrained) -> str:
    """The meaning of the last column, and the run."""
    known = "trained now" if found.new else "trained before"
    return (
        "agree: the difference does not exceed its standard error, as in two of three repetitions of "
        f"equal networks; {known}, MLflow run "
        f"{found.record.run_id}"
    )


def _training(record: TrialRecord) -> str:
    return f"{record.replicates} x {record.epochs} epochs"


def _estimates(record: TrialRecord) -> list[str]:
    return [
        estimate(getattr(record, metric), getattr(record, f"{metric}_sem"), scale, digits)
        for metric, (_, scale, digits) in _ROWS.items()
    ]


def _difference(found: Retrained, metric: str, scale: float, digits: int) -> str:
    before, after = getattr(found.search, metric), getattr(found.record, metric)
    if before is None or after is None:
        return ""
    return f"{scale * (after - before):+.{digits}f}"


def _agree(found: Retrained, metric: str) -> str:
    agrees = found.agrees(metric)
    return {True: "yes", False: "no", None: ""}[agrees]
