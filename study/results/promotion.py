"""Gives the model of a trial a name that others use: in MLflow's model registry, with an alias."""

import re
from typing import Final

from mlflow.exceptions import MlflowException

from study.errors import BadInputError, NotFoundError
from study.home import Home
from study.results.reader import client, read_study, translated
from study.results.trial_choice import choose
from study.tracking import tags

_ALIAS: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_VERSION: Final = re.compile(r"v\d+", re.IGNORECASE)


def promote(name: str, trial: int, alias: str, home: Home | None = None) -> str:
    """Registers the model of a trial under the study's name, and points the alias at it.

    The alias leaves the trial that had it. A trial that is registered already keeps its version.
    Returns the URI by which MLflow loads it, `models:/NAME@ALIAS`. Raises BadInputError for an alias
    that MLflow does not take, NotFoundError if there is no such trial or its model was not kept.
    """
    if not _ALIAS.fullmatch(alias) or _VERSION.fullmatch(alias) or alias == "latest":
        raise BadInputError(
            "an alias has letters, digits, '_' and '-', starts with a letter, and is neither "
            f"'latest' nor a version such as 'v1', got {alias!r}"
        )
    home = home or Home.find()
    record = choose(read_study(name, home), trial)
    store = client(home)
    with translated(home):
        model_id = store.get_run(record.run_id).data.tags.get(tags.MODEL_TAG)
        if model_id is None:
            raise NotFoundError(
                f"the model of trial {trial} of study {name!r} was not kept: trials keep theirs that "
                "are on the front when they end"
            )
        _register(name, home)
        versions = store.search_model_versions(f"name = '{name}' and run_id = '{record.run_id}'")
        if versions:
            version = versions[0]
        else:
            version = store.create_model_version(
                name,
                # Not as models:/..., which MLflow looks up in the store of its environment.
                source=store.get_logged_model(model_id).artifact_location,
                run_id=record.run_id,
                tags={tags.NUMBER_TAG: str(trial)},
                model_id=model_id,
            )
        store.set_registered_model_alias(name, alias, version.version)
    return f"models:/{name}@{alias}"


def _register(name: str, home: Home) -> None:
    try:
        client(home).create_registered_model(
            name, description=f"Networks of the study {name}; an alias says which one is meant."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
