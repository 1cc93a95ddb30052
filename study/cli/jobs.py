"""The commands that submit a study to a Ray cluster, and show and stop its job."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import (
    AddressOption,
    LocalArtifactsOption,
    NameArgument,
    SetOption,
    StudyNameOption,
    TrialsOption,
    console,
    print_json,
    read_spec,
    say,
)

app = typer.Typer()


@app.command()
def submit(
    spec: Annotated[Path, typer.Argument(help="The spec, TOML.")],
    address: AddressOption,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job to its end.")] = False,
    retries: Annotated[
        int,
        typer.Option(
            min=0, help="Restarts if the driver is killed; with --wait, also if the head is."
        ),
    ] = 0,
    source: Annotated[
        bool, typer.Option("--source", help="Send the source of this package.")
    ] = False,
    trials: TrialsOption = None,
    name: StudyNameOption = None,
    changes: SetOption = None,
    home: Annotated[
        str | None,
        typer.Option(
            "--home",
            help="Folder of the studies on the cluster, shared by its nodes.",
            show_default="the head's $STUDY_HOME",
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            help="MLflow store as the head reaches it; $MLFLOW_TRACKING_USERNAME and _PASSWORD are "
            "sent encrypted.",
            show_default="the head's $MLFLOW_TRACKING_URI",
        ),
    ] = None,
    local_artifacts: LocalArtifactsOption = False,
    driver_cpus: Annotated[
        float, typer.Option(min=0, help="CPUs of the driver, on any node.", show_default="the head")
    ] = 0.0,
    driver_memory: Annotated[
        float, typer.Option(min=0, help="GiB of the driver, likewise.", show_default="the head")
    ] = 0.0,
) -> None:
    """Submit a study to a Ray cluster; submitting it again continues it, or shows its status."""
    wanted = read_spec(spec, trials, name, changes)
    from study.cluster.delivery import Delivery
    from study.cluster.submission import submit as hand_over

    delivery = Delivery(
        home=home,
        tracking_uri=tracking_uri,
        allow_local_artifacts=local_artifacts,
        source=source,
        retries=retries,
        driver_cpus=driver_cpus,
        driver_memory=driver_memory,
    )
    job = hand_over(wanted, address, delivery, wait=wait)
    screen = console()
    say(screen, f"job {job}")
    if not wait:
        for command in ("logs --follow", "status", "stop"):
            say(screen, f"  study {command} {wanted.name} --address {address}")


@app.command()
def logs(
    name: NameArgument,
    address: AddressOption,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
) -> None:
    """Print what a study's job on a cluster printed."""
    from study.cluster import jobs

    for piece in jobs.logs(address, name, follow=follow):
        sys.stdout.write(piece)
        sys.stdout.flush()


@app.command()
def stop(name: NameArgument, address: AddressOption) -> None:
    """Stop a study's job on a cluster; finished trials are kept, submitting it again continues it."""
    from study.cluster import jobs

    screen = console()
    jobs.stop(address, name, lambda text: say(screen, text))


def show_jobs(address: str, *, as_json: bool) -> None:
    """Prints the jobs of all studies."""
    from study.cluster import jobs

    found = jobs.study_jobs(address)
    if as_json:
        print_json([job.to_dict() for job in found])
        return
    from study.cli import tables

    console().print(tables.job_table(found) if found else "no jobs of studies yet")


def show_job(address: str, name: str, *, as_json: bool) -> None:
    """Prints the newest job of a study, and its last message."""
    from study.cluster import jobs

    found = jobs.study_job(address, name)
    message = jobs.last_message(address, found.job)
    if as_json:
        print_json(found.to_dict() | {"last": message})
        return
    from study.cli import tables

    screen = console()
    screen.print(tables.job_table([found]))
    say(screen, message)
