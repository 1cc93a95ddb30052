"""The documents of an exported network: its training history as JSON, and a model card."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from models.architecture import FAMILIES, Architecture
from study.results.format import estimate
from study.results.record import TrialRecord
from study.spec.study_spec import StudySpec

_METRICS: Final = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")

PAPER: Final = (
    "Chavlis, S. & Poirazi, P. Dendrites endow artificial neural networks with accurate, robust and "
    "parameter-efficient learning. *Nature Communications* **16**, 943 (2025). "
    "https://doi.org/10.1038/s41467-025-56297-9"
)

_CARD: Final = """\
# {label}

Trial {trial} of the study `{study}`{retrained}: {description}.

It classifies images of {shape} (channels, height, width; whole numbers from 0 to 255). It has
{replicates} replicates: networks of one architecture, each with its own seed for wiring, initial weights
and order of batches. `python example.py` computes with them.

## Files

{files}

## Architecture

Of one replicate: {parameters:,} trainable parameters, {macs:,} multiply-accumulates an image. Only
weights that exist are stored, computed and counted.

{architecture}

## Results

Means over {replicates} replicates ± standard errors, of the kept weights.

{results}

{validation} The test images steered nothing.

## Data

{data}

## Training

Adam on the cross-entropy for {epochs} epochs, with the seeds {seeds}. `keep` says which weights these
are: of each replicate's best validation epoch, or of the last.{unusual}

{training}

## Intended use and limits

For research on dendritic and other small networks, and for images like those that it was trained on:
prepared alike, and of these classes. It gives a class to any image, also to one of none. Its
probabilities are not calibrated. It was not examined for robustness, fairness or safety.

## How to cite

{paper}
"""


def training_history(
    spec: StudySpec,
    record: TrialRecord,
    image_shape: Sequence[int],
    seeds: Sequence[int],
    *,
    retrained: bool,
) -> dict[str, Any]:
    """The training and the measurements of a trial's network, as JSON types.

    `metrics` has a mean over replicates and its standard error for each; `seeds` are one a replicate.
    """
    dataset = spec.dataset
    # A network that was trained on the validation images has no metrics on them.
    validated = not retrained or record.val_accuracy is not None
    return {
        "study": spec.name,
        "trial": record.trial,
        "run_id": record.run_id,
        "retrained": retrained,
        "package": f"dendritic-study {version('dendritic-study')}",
        "architecture": record.architecture,
        "image_shape": list(image_shape),
        "training": record.training | {"optimizer": "adam", "epochs_trained": record.epochs},
        "trained_on": ["train"] if validated else ["train", "validation"],
        "seeds": list(seeds),
        "dataset": {
            "name": dataset.name,
            "file": None if dataset.path is None else dataset.path.name,
            "train_size": dataset.train_size,
            "validation_size": dataset.validation_size,
            "split_seed": spec.seed,
        },
        "objectives": spec.objectives,
        "trainable_parameters": record.trainable_parameters,
        "macs": record.macs,
        "metrics": {
            name: {"mean": getattr(record, name), "sem": getattr(record, f"{name}_sem")}
            for name in _METRICS
        },
    }


def model_card(history: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The card, Markdown, from `training_history` and the purpose of each file of the folder."""
    architecture = Architecture(**history["architecture"])
    return _CARD.format(
        label=architecture.label(),
        trial=history["trial"],
        study=history["study"],
        retrained=", trained anew with seeds of its own" if history["retrained"] else "",
        description=FAMILIES[architecture.family].description,
        shape=" x ".join(map(str, history["image_shape"])),
        replicates=len(history["seeds"]),
        files=_table(("file", "what it is"), [(f"`{file}`", text) for file, text in files.items()]),
        parameters=history["trainable_parameters"],
        macs=history["macs"],
        architecture=_settings(history["architecture"]),
        results=_results(history["metrics"]),
        validation=_validation(history),
        data=_data(history["dataset"]),
        epochs=history["training"]["epochs_trained"],
        seeds=", ".join(map(str, history["seeds"])),
        unusual=_unusual(history["training"]),
        training=_settings(history["training"]),
        paper=PAPER,
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _settings(settings: Mapping[str, Any]) -> str:
    rows = [(name, str(value)) for name, value in settings.items() if value is not None]
    return _table(("setting", "value"), rows)


def _unusual(training: Mapping[str, Any]) -> str:
    """Sentences about settings that are not the default."""
    text = ""
    if training.get("patience"):
        text += (
            f" A replicate whose validation loss was not below its lowest for {training['patience']} "
            "epochs stopped, and has the weights of its lowest."
        )
    if training.get("noise"):
        text += (
            f" All images, also those of the results, had Gaussian noise of {training['noise']:g} (a "
            "standard deviation, of pixels from 0 to 1), drawn once."
        )
    if training.get("batch_order") == "by_class":
        text += " A batch had images of one class only, and each epoch went class after class."
    return text


def _results(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = [
        (
            images,
            _estimate(metrics[f"{prefix}_accuracy"], 100, 2),
            _estimate(metrics[f"{prefix}_loss"], 1, 4),
        )
        for images, prefix in (("validation", "val"), ("test", "test"))
    ]
    return _table(("images", "accuracy (%)", "cross-entropy (nats)"), rows)


def _estimate(measured: Mapping[str, float | None], scale: float, digits: int) -> str:
    return estimate(measured["mean"], measured["sem"], scale, digits) or "not measured"


def _validation(history: Mapping[str, Any]) -> str:
    if "validation" in history["trained_on"]:
        return "The validation images were trained on."
    if history["retrained"]:
        return "Validation chose the configuration, with other seeds, and the epoch that was kept."
    return "Validation steered the search, so its value is likely a little too good."


def _data(dataset: Mapping[str, Any]) -> str:
    name = dataset["file"] or dataset["name"]
    train, validation = dataset["train_size"], dataset["validation_size"]
    return (
        f"`{name}`. Its training images are split by the seed {dataset['split_seed']}, each class in "
        f"proportion: {validation or 'a tenth'} for validation, {train or 'all others'} to train on. "
        f"The test images are the data set's own, or, where it has none, a fifth that is the same for "
        f"every seed."
    )
