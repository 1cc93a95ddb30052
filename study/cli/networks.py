"""The commands that take a network out of a study."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from study.cli.options import (
    JsonOption,
    NameArgument,
    TrialArgument,
    console,
    print_json,
    say,
    with_home,
)
from study.errors import BadInputError
from study.home import Home

app = typer.Typer()

RetrainedOption = Annotated[
    bool, typer.Option("--retrained", help="The network of its last retraining, not of the search.")
]


@app.command()
@with_home
def export(
    name: NameArgument,
    trial: Annotated[int | None, typer.Argument(help="Its number; by default the best.")] = None,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder to write, which must not exist.")
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="The same folder.")] = None,
    retrained: RetrainedOption = False,
    *,
    home: Home,
) -> None:
    """Write the trained network of a trial, an example and a model card into a folder."""
    if directory is not None and to is not None:
        raise BadInputError(f"the folder must be given once, got {directory} and --to {to}")
    from study.results.export import export_model

    target = directory or to or Path(name if trial is None else f"{name}-{trial}")
    written = export_model(name, target, trial, home=home, retrained=retrained)
    say(console(), str(written))


@app.command()
@with_home
def predict(
    name: NameArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Pictures, or npz with x and maybe y.")
    ],
    trial: Annotated[int | None, typer.Option(help="By default the best.")] = None,
    retrained: RetrainedOption = False,
    *,
    home: Home,
    as_json: JsonOption = False,
) -> None:
    """Classify images with the trained network of a trial."""
    from study.cli import network_tables
    from study.results import prediction

    found = prediction.predict(name, files, trial, home=home, retrained=retrained)
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    screen = console()
    screen.print(network_tables.prediction_table(found, f"{name}: trial {found[0].trial}"))
    for text in network_tables.sentences(found):
        say(screen, text)


@app.command()
@with_home
def promote(
    name: NameArgument,
    trial: TrialArgument,
    alias: Annotated[str, typer.Option("--as", metavar="ALIAS", help="Such as champion.")],
    *,
    home: Home,
) -> None:
    """Register the model of a trial in MLflow, under the study's name and an alias."""
    from study.results import network

    say(console(), network.promote(name, trial, alias, home=home))


@app.command()
@with_home
def retrain(
    name: NameArgument,
    trial: TrialArgument,
    replicates: Annotated[int, typer.Option(help="Number of replicates, each with a new seed.")],
    epochs: Annotated[int | None, typer.Option(help="By default the study's.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train on the validation images too.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Where the data set is now: its root, or the npz.")
    ] = None,
    *,
    home: Home,
    as_json: JsonOption = False,
) -> None:
    """Train a trial's configuration anew with other seeds, and record it with the study."""
    from study.cli import network_tables
    from study.cli.epoch_progress import EpochProgress
    from study.runner import retraining

    # Nothing but the result may be printed between the JSON.
    screen = Console(stderr=True) if as_json else console()
    with EpochProgress(screen, validates=not full) as progress:
        found = retraining.retrain(
            name,
            trial,
            replicates,
            epochs,
            full=full,
            data=data,
            home=home,
            notify=lambda text: say(screen, text),
            on_epoch=progress,
        )
    if as_json:
        print_json(found.to_dict())
        return
    screen.print(network_tables.retraining_table(found, name))
    say(screen, network_tables.verdict(found))
