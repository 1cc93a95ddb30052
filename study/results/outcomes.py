"""The outcomes of a stored network on each test image."""

import tempfile
from pathlib import Path

import pandas as pd

from study.errors import NotFoundError, TrackingError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.network import model_location
from study.results.reader import read_study
from study.results.retrained_run import choose_retrained
from study.study_folder import OUTCOMES
from study.tracking.artifacts import artifacts_in, download
from study.tracking.store import translated


@checked_keywords
def outcomes(
    name: str,
    trial: int | None = None,
    *,
    retrained: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> pd.DataFrame:
    """Whether the networks of a trial classify each test image correctly, and their loss on it.

    A row for each image, in the order of the test images; columns (`correct` or `loss`, seed): bool, and
    the cross-entropy in nats, rounded to half precision. The trial is by default the best; with
    `retrained`, its last retraining. Raises NotFoundError if there is no such study or trial, it was not
    retrained, or its outcomes were not kept, as those of trials that were not on the front when they
    ended, and of a search without test images. Raises TrackingError if they are damaged.
    """
    study = read_study(name, Home.find(home, tracking_uri))
    place = study.home
    record = choose_retrained(study, trial, place) if retrained else study.trial(trial)
    absent = NotFoundError(
        f"the outcomes of trial {record.trial} of study {name!r} on test images were not kept: those of "
        f"a retraining are (`study retrain {name} {record.trial} --replicates N`, retrained=True)"
    )
    location = model_location(record.run_id, place)
    if location is None:
        raise absent
    with translated(place), tempfile.TemporaryDirectory() as folder:
        if OUTCOMES not in {file.path for file in artifacts_in(location, "", place)}:
            raise absent
        data = download(location, OUTCOMES, Path(folder), place).read_bytes()
    from study.training.outcomes import Outcomes  # noqa: PLC0415  # imports torch

    try:
        found, seeds = Outcomes.from_bytes(data)
    except ValueError as error:
        raise TrackingError(
            f"{error} (trial {record.trial} of study {name!r}, artifacts of run {record.run_id})"
        ) from error
    columns = {("correct", seed): row for seed, row in zip(seeds, found.correct, strict=True)}
    columns |= {("loss", seed): row for seed, row in zip(seeds, found.losses, strict=True)}
    return pd.DataFrame(columns).rename_axis(index="image", columns=["outcome", "seed"])
