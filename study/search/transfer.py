"""Earlier studies of a home, from which a study learns (key `earlier` of a spec).

Their specs and journals are copied into the folder of the study, so that it resumes with the same ones.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from study.errors import NotFoundError, nearest
from study.home import Home
from study.search.configuration import Configuration
from study.search.earlier_study import EarlierStudy, EarlierTrial
from study.search.journal import intact, repair
from study.search.observations import Report
from study.search.samplers import Count, features_of, report_of
from study.search.storage import stored_identity
from study.search.stored_trial import (
    continued_by,
    continues_of,
    epochs_of,
    is_cut_short,
    metrics_of,
    rungs_of,
)
from study.spec.dimensions import Choice
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder, replace_file

_EARLIER: Final = "earlier"  # the folder of the copies


def check_earlier(spec: StudySpec, home: Home) -> None:
    """Raises NotFoundError, before anything is written, if the home lacks an earlier study."""
    for name in spec.earlier:
        source = home.study_folder(name)
        if _copy(spec, home, name).spec.exists():
            continue
        if not source.spec.exists() or stored_identity(source.journal) is None:
            raise NotFoundError(
                f"no study {name!r} in {home.folder} (key earlier); {nearest(name, home.studies())}"
            )


def copy_earlier(spec: StudySpec, home: Home) -> dict[str, str]:
    """Copies the earlier studies, unless they are copied; the SHA-256 of each one's journal, by name."""
    hashes = {}
    for name in spec.earlier:
        source, copy = home.study_folder(name), _copy(spec, home, name)
        if not copy.spec.exists():
            copy.path.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.journal, copy.journal)
            repair(copy.journal)  # its driver may have been writing a line
            # The last, and at once: where it is, the copy is whole.
            replace_file(copy.spec, source.spec.read_bytes())
        hashes[name] = hashlib.sha256(copy.journal.read_bytes()).hexdigest()
    return hashes


def read_earlier(spec: StudySpec, home: Home, count: Count) -> list[EarlierStudy]:
    """The earlier studies of a spec, as they were copied.

    Settings that they searched and this study does not are compared with this study's values; sizes
    are those that the networks would have here. Trials whose networks do not fit are left out.
    """
    return [_translated(spec, _copy(spec, home, name), count) for name in spec.earlier]


def _copy(spec: StudySpec, home: Home, name: str) -> StudyFolder:
    return StudyFolder(home.study_folder(spec.name).path / _EARLIER / name, name)


def _translated(spec: StudySpec, folder: StudyFolder, count: Count) -> EarlierStudy:
    source = StudySpec.from_toml(folder.spec)
    with intact(folder.journal):
        storage = JournalStorage(JournalFileBackend(str(folder.journal)))
        trials = optuna.load_study(study_name=folder.name, storage=storage).trials
    distributions: dict[str, BaseDistribution] = {}
    found = []
    continued = {continues_of(trial) for trial in trials}
    for trial in trials:
        distributions |= trial.distributions
        reports: dict[int | None, Report] = {}
        for one in (*continued_by(trial, trials), trial.number):
            reports |= _reports(spec, source, trials[one])
        if not reports or trial.number in continued:
            continue
        try:
            configuration = Configuration(source, given=trial.params)
            features = features_of(count(configuration.architecture))
        except (KeyError, ValueError):
            continue
        settings = _settings(configuration) | trial.params
        found.append(EarlierTrial(params=settings, reports=reports, features=features))
    return EarlierStudy(
        trials=found,
        distributions=distributions,
        epochs=source.budget.epochs,
        fixed=_fixed(spec),
    )


def _reports(spec: StudySpec, source: StudySpec, trial: FrozenTrial) -> dict[int | None, Report]:
    reports: dict[int | None, Report] = {
        epoch: report_of(spec, metrics) for epoch, metrics in rungs_of(trial).items()
    }
    if trial.state == TrialState.COMPLETE:
        end = epochs_of(trial) if is_cut_short(trial, source) else None
        reports[end] = report_of(spec, metrics_of(trial))
    return reports


def _settings(configuration: Configuration) -> dict[str, Any]:
    """All settings of a configuration, also those that its study did not search."""
    config = configuration.for_trial(0)
    settings = asdict(config.architecture) | asdict(config.training)
    return {name: value for name, value in settings.items() if value is not None}


def _fixed(spec: StudySpec) -> Mapping[str, Any]:
    """The settings that a spec does not search."""
    dimensions = {name: getattr(spec.space, name) for name in type(spec.space).model_fields}
    dimensions["family"] = Choice(spec.families)
    return {
        name: dimension.values[0]
        for name, dimension in dimensions.items()
        if isinstance(dimension, Choice) and len(dimension.values) == 1
    }
