"""The commands that submit a study to a Ray cluster, and show or stop its job."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import (
    CLUSTER,
    AddressOption,
    EarlierOption,
    LocalArtifactsOption,
    NameArgument,
    SetOption,
    StudyNameOption,
    TrialsOption,
    command,
    console,
    print_json,
    read_spec,
    say,
)

app = typer.Typer()


@command(app, CLUSTER, "study submit mine.toml --address http://head:8265 --wait")
def submit(
    spec: Annotated[Path, typer.Argument(help="The spec, a TOML file.")],
    address: AddressOption,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job until it ends.")] = False,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            help="Restarts after the death of the driver; with --wait, also of the head.",
        ),
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Data set to send with the study: your own file or folder, or the root of "
            "torchvision's data sets.",
            show_default="on the cluster's head",
        ),
    ] = None,
    source: Annotated[
        bool, typer.Option("--source", help="Send the source of this package.")
    ] = False,
    trials: TrialsOption = None,
    name: StudyNameOption = None,
    changes: SetOption = None,
    earlier: EarlierOption = None,
    home: Annotated[
        str | None,
        typer.Option(
            "--home",
            help="Folder of the studies on the disk of the cluster's head.",
            show_default="the head's $STUDY_HOME",
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            help="MLflow store, as reached from the head; $MLFLOW_TRACKING_USERNAME, _PASSWORD and "
            "_TOKEN are sent encrypted, and only to a cluster that requires a token.",
            show_default="the head's $MLFLOW_TRACKING_URI",
        ),
    ] = None,
    local_artifacts: LocalArtifactsOption = False,
    driver_cpus: Annotated[
        float,
        typer.Option(min=0, help="CPUs for the driver, on any node.", show_default="the head"),
    ] = 0.0,
    driver_memory: Annotated[
        float,
        typer.Option(min=0, help="GiB for the driver, on any node.", show_default="the head"),
    ] = 0.0,
) -> None:
    """Submit a study to a Ray cluster; submitting it again continues it or shows its status."""
    study_spec = read_spec(spec, trials, name, changes, earlier)
    from study.cluster.delivery import Delivery
    from study.cluster.submission import submit as submit_spec

    delivery = Delivery(
        home=home,
        tracking_uri=tracking_uri,
        allow_local_artifacts=local_artifacts,
        data=data,
        source=source,
        retries=retries,
        driver_cpus=driver_cpus,
        driver_memory=driver_memory,
    )
    job = submit_spec(study_spec, address, delivery, wait=wait)
    screen = console()
    say(screen, f"job {job}")
    if not wait:
        for command in ("logs --follow", "status", "stop"):
            say(screen, f"  study {command} {study_spec.name} --address {address}")


@command(app, CLUSTER, "study logs mine --address http://head:8265 --follow")
def logs(
    name: NameArgument,
    address: AddressOption,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the output until the job ends.")
    ] = False,
) -> None:
    """Print the output of the job of a study on a cluster."""
    from study.cluster import jobs

    for piece in jobs.logs(address, name, follow=follow):
        sys.stdout.write(piece)
        sys.stdout.flush()


@command(app, CLUSTER, "study stop mine --address http://head:8265")
def stop(name: NameArgument, address: AddressOption) -> None:
    """Stop the job of a study on a cluster; submitting it again continues the study."""
    from study.cluster import jobs

    screen = console()
    jobs.stop(address, name, lambda text: say(screen, text))


def show_jobs(address: str, *, as_json: bool) -> None:
    """Prints the jobs of all studies on a cluster."""
    from study.cluster import jobs

    study_jobs = jobs.study_jobs(address)
    if as_json:
        print_json([job.to_dict() for job in study_jobs])
        return
    from study.cli import tables

    console().print(tables.job_table(study_jobs) if study_jobs else "no jobs of studies yet")


def show_job(address: str, name: str, *, as_json: bool) -> None:
    """Prints the last job of a study on a cluster, and its last message."""
    from study.cluster import jobs

    job = jobs.study_job(address, name)
    message = jobs.last_message(address, job.job)
    if as_json:
        print_json(job.to_dict() | {"last": message})
        return
    from study.cli import tables

    screen = console()
    screen.print(tables.job_table([job]))
    say(screen, message)
