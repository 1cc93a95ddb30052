"""The commands that show a study: the report, and the MLflow UI."""

from pathlib import Path
from typing import Annotated

import typer

from study import environment
from study.command_line import HomeOption, NameArgument, TrackingOption, console, readers, say
from study.home import Home

app = typer.Typer()


@app.command()
def report(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option(help="File, .html or .png.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Draw the front: one HTML file that works offline, or a PNG."""
    results, _ = readers()
    from study.report import write_report  # noqa: PLC0415  # plotly loads only when it is needed

    place = Home.find(home, tracking_uri)
    file = to or place.study_folder(name) / "report.html"
    write_report(name, results.records(name, place), file)
    say(console(), str(file))


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="By default 5000, or the next free.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Serve the MLflow UI of all studies on this machine, until Ctrl-C."""
    environment.prepare()
    from study.ui import serve  # noqa: PLC0415  # loads only when it is needed

    serve(Home.find(home, tracking_uri), port, lambda text: say(console(), text))
