"""The commands that take a network out of a study."""

from pathlib import Path
from typing import Annotated

import typer

from study.command_line import (
    HomeOption,
    JsonOption,
    NameArgument,
    TrackingOption,
    console,
    print_json,
    readers,
    say,
)
from study.errors import BadInputError
from study.home import Home

app = typer.Typer()


@app.command()
def export(
    name: NameArgument,
    trial: Annotated[int | None, typer.Argument(help="Its number; by default the best.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder to write, which must not exist.")
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="The same folder.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Write the trained network of a trial, an example and a model card into a folder."""
    if folder is not None and to is not None:
        raise BadInputError(f"the folder must be given once, got {folder} and --to {to}")
    readers()
    from study.export import export_model  # noqa: PLC0415  # as above

    place = folder or to or Path(name if trial is None else f"{name}-{trial}")
    say(console(), str(export_model(name, place, trial, Home.find(home, tracking_uri))))


@app.command()
def predict(
    name: NameArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Pictures, or npz with x and maybe y.")
    ],
    trial: Annotated[int | None, typer.Option(help="By default the best.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify images with the trained network of a trial."""
    readers()
    from study import prediction, prediction_table  # noqa: PLC0415  # as above

    found = prediction.predict(name, files, trial, Home.find(home, tracking_uri))
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    screen = console()
    screen.print(prediction_table.prediction_table(found, f"{name}: trial {found[0].trial}"))
    for text in prediction_table.sentences(found):
        say(screen, text)
