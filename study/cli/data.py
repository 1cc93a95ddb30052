"""The command that shows a data set as a study would read it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from study.cli.options import RUN, JsonOption, SetOption, command, console, print_json, say
from study.errors import BadInputError

if TYPE_CHECKING:
    from study.training.dataset import Dataset

app = typer.Typer()

_PARTS = ("train", "validation", "test")
_MOST_CLASSES = 50  # rows of the table


@command(app, RUN, "study data photos --to photos.png", "data")
def show_data(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of images, an npz or Parquet file, a spec, or the name of a data set.",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="PNG to write with some images of each class.")
    ] = None,
    changes: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a study reads of a data set: the shape of its images, its classes, its splits.

    Change keys of the data set with --set, for example --set dataset.resize=32.
    """
    if to is not None and to.suffix.lower() != ".png":
        raise BadInputError(f"the file of the images must end in .png, got {to} (option --to)")
    from study.spec.spec_file import with_changes
    from study.spec.study_spec import StudySpec
    from study.training.data_sources import check_files
    from study.training.dataset import dataset_spec, load_dataset

    if source.endswith((".toml", ".json")):
        study_spec = StudySpec.from_toml(source, changes or [])
        spec, seed = study_spec.dataset, study_spec.seed
    else:
        spec = dataset_spec(Path(source) if Path(source).exists() else source)
        table = with_changes({"dataset": spec.model_dump(mode="json")}, changes or [])
        for key in table.keys() - {"dataset"}:
            raise BadInputError(
                f"only keys of the data set can be changed, got {key} (option --set)"
            )
        spec, seed = dataset_spec(table["dataset"]), 0
    check_files(spec)
    dataset = load_dataset(spec, seed)
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        dataset.contact_sheet().save(to)
    if as_json:
        print_json(_described(dataset))
        return
    screen = console()
    channels, height, width = dataset.image_shape
    low, high = int(dataset.train.images.min()), int(dataset.train.images.max())
    say(screen, f"{source}: images of {channels} x {height} x {width} (channels, height, width)")
    say(screen, f"pixels from {low} to {high} of 0 to 255; {dataset.classes:,} classes")
    for notice in dataset.notices():
        say(screen, notice)
    screen.print(_table(dataset))
    if dataset.classes > _MOST_CLASSES:
        say(screen, f"the first {_MOST_CLASSES} of {dataset.classes:,} classes; all with --json")
    if to is not None:
        say(screen, f"{to}")


def _described(dataset: "Dataset") -> dict[str, Any]:
    """The data set as JSON types."""
    return {
        "name": dataset.name,
        "image_shape": list(dataset.image_shape),
        "sha256": dataset.sha256(),
        "files": None if dataset.files is None else dict(dataset.files.md5),
        "official": None if dataset.files is None else not dataset.files.differing,
        "images": {part: len(getattr(dataset, part).labels) for part in _PARTS},
        "classes": [
            {"label": label, "name": dataset.class_names[label] if dataset.class_names else None}
            | {part: counts[label] for part, counts in _counts(dataset).items()}
            for label in range(dataset.classes)
        ],
    }


def _counts(dataset: "Dataset") -> dict[str, list[int]]:
    """The images of each class in each part."""
    return {
        part: getattr(dataset, part).labels.bincount(minlength=dataset.classes).tolist()
        for part in _PARTS
    }


def _table(dataset: "Dataset") -> Table:
    from study.cli.tables import plain_table

    labels = range(min(dataset.classes, _MOST_CLASSES))
    cells = {"class": [*(escape(dataset.class_label(label)) for label in labels), "all"]}
    for part, counts in _counts(dataset).items():
        cells[part] = [f"{one:,}" for one in [*counts[: len(labels)], sum(counts)]]
    return plain_table("images", cells, left=("class",))
