"""The commands on trained networks: export, predict, serve, promote, retrain."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from study.cli.options import (
    NETWORKS,
    JsonOption,
    NameArgument,
    TrialArgument,
    command,
    console,
    print_json,
    say,
    with_home,
)
from study.errors import BadInputError
from study.home import Home

app = typer.Typer()

RetrainedOption = Annotated[
    bool, typer.Option("--retrained", help="Use the network of the last retraining of the trial.")
]


@command(app, NETWORKS, "study export mine 3 --to my-network")
@with_home
def export(
    name: NameArgument,
    trial: Annotated[
        int | None, typer.Argument(help="Number of the trial, by default the best.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Folder to write, which must not exist. By default NAME or NAME-TRIAL.",
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="The same as DIR.")] = None,
    retrained: RetrainedOption = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write it as ONNX, for other runtimes.")
    ] = False,
    *,
    home: Home,
) -> None:
    """Write the trained network of a trial to a folder, with an example and a model card."""
    if directory is not None and to is not None:
        raise BadInputError(f"the folder must be given once, got {directory} and --to {to}")
    from study.results.export import export_model

    target = directory or to or Path(name if trial is None else f"{name}-{trial}")
    written = export_model(name, target, trial, home=home, retrained=retrained, onnx=onnx)
    say(console(), str(written))


@command(app, NETWORKS, "study predict mine digit.png")
@with_home
def predict(
    name: NameArgument,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Pictures, or npz files with x and optionally y."),
    ],
    trial: Annotated[
        int | None, typer.Option(help="Number of the trial, by default the best.")
    ] = None,
    retrained: RetrainedOption = False,
    *,
    home: Home,
    as_json: JsonOption = False,
) -> None:
    """Classify images with the trained network of a trial."""
    from study.cli import network_tables
    from study.results import prediction

    predictions = prediction.predict(name, files, trial, home=home, retrained=retrained)
    if as_json:
        print_json([one.to_dict() for one in predictions])
        return
    screen = console()
    title = f"{name}: trial {predictions[0].trial}"
    screen.print(network_tables.prediction_table(predictions, title))
    for text in network_tables.sentences(predictions):
        say(screen, text)


@command(app, NETWORKS, "study serve mine --port 5001")
@with_home
def serve(
    name: NameArgument,
    trial: Annotated[
        int | None, typer.Argument(help="Number of the trial, by default the best.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port, by default the first free one from 5001."),
    ] = None,
    retrained: RetrainedOption = False,
    *,
    home: Home,
) -> None:
    """Serve the trained network of a trial over HTTP on this machine, until Ctrl-C."""
    from study.results.serving import serve_network

    serve_network(
        name,
        trial,
        home=home,
        port=port,
        retrained=retrained,
        notify=lambda text: say(console(), text),
    )


@command(app, NETWORKS, "study promote mine 3 --as champion")
@with_home
def promote(
    name: NameArgument,
    trial: TrialArgument,
    alias: Annotated[
        str, typer.Option("--as", metavar="ALIAS", help="MLflow alias, such as champion.")
    ],
    *,
    home: Home,
) -> None:
    """Register the model of a trial in MLflow, under the name of the study and an alias."""
    from study.results import network

    say(console(), network.promote(name, trial, alias, home=home))


@command(app, NETWORKS, "study retrain mine 3 --replicates 5")
@with_home
def retrain(
    name: NameArgument,
    trial: TrialArgument,
    replicates: Annotated[int, typer.Option(help="Number of replicates, each with a new seed.")],
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs, by default that of the study.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train on the validation images too.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="New location of the data: the root, or the path of your own data."),
    ] = None,
    *,
    home: Home,
    as_json: JsonOption = False,
) -> None:
    """Retrain the configuration of a trial with new seeds, and record it with the study."""
    from study.cli import network_tables
    from study.cli.epoch_progress import EpochProgress
    from study.runner import retraining

    # With --json, stdout has only the result.
    screen = Console(stderr=True) if as_json else console()
    with EpochProgress(screen, validates=not full) as progress:
        result = retraining.retrain(
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
        print_json(result.to_dict())
        return
    screen.print(network_tables.retraining_table(result, name))
    say(screen, network_tables.verdict(result))
