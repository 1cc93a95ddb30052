"""The commands that take a network out of a study."""

from pathlib import Path
from typing import Annotated

import typer

from study.command_line import HomeOption, NameArgument, TrackingOption, console, readers, say
from study.home import Home

app = typer.Typer()


@app.command()
def export(
    name: NameArgument,
    trial: Annotated[int | None, typer.Argument(help="Its number; by default the best.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write, which must not exist.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Copy the trained network of a trial into a folder (`models.load_network` reads it)."""
    readers()
    from study.export import export_model  # noqa: PLC0415  # as above

    folder = to or Path(name if trial is None else f"{name}-{trial}")
    say(console(), str(export_model(name, folder, trial, Home.find(home, tracking_uri))))
