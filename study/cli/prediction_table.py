"""Predictions as a table for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.table import Table

from study.results.prediction import Prediction

_SHOWN: Final = 20
"""Of the images of a file; JSON has them all."""


def prediction_table(predictions: Sequence[Prediction], title: str) -> Table:
    """One row an image, the first of each file: its class, the class's probability, and its label."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    labelled = any(prediction.labels is not None for prediction in predictions)
    for heading in ("image", "class", "probability", *(("label",) if labelled else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    for prediction in predictions:
        for image, shares in enumerate(prediction.probabilities[:_SHOWN]):
            cells = [str(image), str(shares.argmax()), f"{shares.max():.4f}"]
            if prediction.labels is not None:
                cells.append(str(prediction.labels[image]))
            table.add_row(str(prediction.file), *cells)
    return table


def sentences(predictions: Sequence[Prediction]) -> Iterator[str]:
    """What else there is to say of each file."""
    for prediction in predictions:
        count = len(prediction.probabilities)
        if prediction.notice is not None:
            yield prediction.notice
        if count > _SHOWN:
            yield f"{prediction.file}: the first {_SHOWN} of {count:,} images; --json prints all"
        if prediction.accuracies is not None:
            error = (
                "" if prediction.accuracy_sem is None else f" ± {100 * prediction.accuracy_sem:.2f}"
            )
            yield (
                f"{prediction.file}: accuracy {100 * (prediction.accuracy or 0):.2f}{error} % of "
                f"{count:,} images, mean over {len(prediction.accuracies)} replicates; of their mean "
                f"probabilities {100 * (prediction.classes == prediction.labels).mean():.2f} %"
            )
