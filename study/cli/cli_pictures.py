"""The commands that show a study: the report, and the MLflow UI."""

from pathlib import Path
from typing import Annotated

import typer

from study import environment
from study.cli.options import HomeOption, NameArgument, TrackingOption, console, say
from study.errors import BadInputError
from study.home import Home

app = typer.Typer()


@app.command()
def report(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option(help="File, .html or .png.")] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Which figure of a PNG: front, curves, hypervolume, settings, importance, stopping.",
            show_default="front",
        ),
    ] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Write the report: one HTML page that works offline, or a figure of it as PNG."""
    environment.prepare()
    place = Home.find(home, tracking_uri)
    file = to or _report_file(name, place)
    if file.suffix not in (".html", ".png"):
        raise BadInputError(f"the report's file must end in .html or .png, got {file}")
    if figure is not None and file.suffix != ".png":
        raise BadInputError(
            f"a single figure needs a file that ends in .png (option --to), got {file}"
        )
    from study.report.report import write_figure, write_report  # noqa: PLC0415  # plotly loads only when needed

    if file.suffix == ".png":
        write_figure(name, place, file, figure or "front")
    else:
        write_report(name, place, file)
    say(console(), str(file))


def _report_file(name: str, place: Home) -> Path:
    """Beside what the study keeps, or, on a machine that only reads its records, here."""
    folder = place.study_folder(name)
    return folder / "report.html" if folder.is_dir() else Path(f"{name}-report.html")


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="By default 5000, or the next free.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Serve the MLflow UI of all studies on this machine, until Ctrl-C."""
    environment.prepare()
    from study.report.ui import serve  # noqa: PLC0415  # loads only when it is needed

    serve(Home.find(home, tracking_uri), port, lambda text: say(console(), text))
