"""Reads studies and their trials from MLflow."""

import difflib
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.utils import get_results_from_paginated_fn

from study import study_folder
from study.errors import BadInputError, NotFoundError, StudyError
from study.home import Home, checked_name, is_name
from study.results.stored_study import StoredStudy
from study.tracking import tags
from study.tracking.artifacts import check_location
from study.tracking.store import check_reachable, client, translated
from study.tracking.tags import spec_of

_NAMED: Final = 20  # the most studies that a message lists


def study_experiments(home: Home) -> dict[str, Experiment]:
    """The experiments of all studies of this layout, by name in alphabetical order.

    Experiments with invalid names for a study are left out.
    """
    if home.database is not None and not home.database.exists():
        return {}
    check_reachable(home)
    layout = f"tags.`{tags.LAYOUT_TAG}` = '{study_folder.LAYOUT}'"
    with translated(home):
        store = client(home)
        experiments: list[Experiment] = get_results_from_paginated_fn(  # type: ignore[no-untyped-call]  # MLflow's
            lambda size, token: store.search_experiments(
                filter_string=layout, max_results=size, page_token=token
            ),
            SEARCH_MAX_RESULTS_DEFAULT,
        )
    named = [one for one in experiments if is_name(one.name)]
    return {one.name: one for one in sorted(named, key=lambda experiment: experiment.name)}


def read_study(name: str, home: Home, *, fresh: bool = False) -> StoredStudy:
    """Reads a study by name, but its trials only when needed, with `fresh` from the runs themselves.

    Raises NotFoundError if there is none or its first records are not written yet, BadInputError for an
    invalid name or a study of another layout, StudyError if its spec is unreadable.
    """
    experiment = _experiment(checked_name(name), home)
    stored = None if experiment is None else experiment.tags.get(tags.LAYOUT_TAG)
    if stored not in (None, study_folder.LAYOUT):
        raise BadInputError(
            f"the study {name!r} in {home.shown_uri} must be of layout {study_folder.LAYOUT}, got "
            f"{stored}: another version wrote it and can read it"
        )
    if experiment is None or stored is None or experiment.lifecycle_stage != "active":
        raise NotFoundError(_unknown(name, home))
    with translated(home):
        parent = _parent(client(home), experiment.experiment_id)
    if parent is None:
        raise NotFoundError(f"the study {name!r} in {home.shown_uri} has no records yet")
    try:
        spec = spec_of(parent.data.tags)
    except (KeyError, ValueError, BadInputError) as error:
        raise StudyError(
            f"the tag {tags.SPEC_TAG} of the MLflow run {parent.info.run_id} of study {name!r} in "
            f"{home.shown_uri} must hold a spec, but cannot be read: {error}"
        ) from error
    return StoredStudy(home=home, parent=parent, spec=spec, fresh=fresh)


def _unknown(name: str, home: Home) -> str:
    known = list(study_experiments(home))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    more = len(known) - _NAMED
    rest = f" and {more} more (study list)" if more > 0 else ""
    has = ", ".join(known[:_NAMED]) or "none yet"
    return f"no study {name!r} in {home.shown_uri}; it has: {has}{rest}{hint}"


def check_free(name: str, home: Home, identity: str | None) -> None:
    """Raises BadInputError if anything but this study has the name in the store.

    `identity` is that of the study in the home, None for a new study.
    """
    if home.database is not None and not home.database.exists():
        return
    experiment = _experiment(name, home)
    if experiment is None:
        return
    stage, kind = experiment.lifecycle_stage, experiment.tags.get(tags.LAYOUT_TAG)
    if kind != study_folder.LAYOUT or stage != "active":
        raise BadInputError(
            f"the MLflow experiment {name!r} at {home.shown_uri} must be a study of layout "
            f"{study_folder.LAYOUT} and not deleted, got layout {kind or 'none'}, {stage}; "
            f"give the study another name"
        )
    check_location(experiment.artifact_location, home)
    with translated(home):
        parent = _parent(client(home), experiment.experiment_id)
    if parent is not None and parent.data.tags.get(tags.IDENTITY_TAG) != identity:
        raise BadInputError(
            f"the study {name!r} at {home.shown_uri} was run from another home than "
            f"{home.folder}, which lacks its search; continue it from its own home "
            f"(--home DIR), or give this study another name"
        )


def _experiment(name: str, home: Home) -> Experiment | None:
    if home.database is not None and not home.database.exists():
        return None
    check_reachable(home)
    with translated(home):
        return client(home).get_experiment_by_name(name)


def _parent(store: MlflowClient, experiment_id: str) -> Run | None:
    """The parent run; the older of two, which a lost response of the server can cause."""
    runs = store.search_runs(
        [experiment_id],
        filter_string=f"tags.`{tags.ROLE_TAG}` = 'study'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    return runs[0] if runs else None
