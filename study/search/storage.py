"""The stored search: every trial that was ever asked for and how it ended, in an Optuna study.

This is the one truth of a study. Each change is one line in a journal, on disk before it counts.
"""

import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.errors import BadInputError
from study.search.journal import Journal, intact
from study.search.proposals import Proposal
from study.search.stored_trial import CONTINUES, EPOCHS, RUNG, START, continues_of
from study.spec.study_spec import StudySpec
from study.study_folder import LAYOUT

_IDENTITY: Final = "identity"
_LAYOUT: Final = "layout"
_DATA: Final = "data"  # the hash of its arrays
_FILES: Final = "files"  # the MD5 of the files of a published data set, by name
_EARLIER: Final = "earlier"  # the earlier studies, and the hashes of their journals
_SECONDS: Final = "seconds"
_PROMOTED: Final = "promoted"  # on the study: ended trials that are to be continued
RUN_ID: Final = "mlflow_run_id"
_LATE_RUN_IDS: Final = "mlflow_run_ids"  # on the study: what was not known when the trial ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial ended, in Optuna's words, and what is kept of it.

    `values` are its objectives if it is complete, `violations` by how much it breaks which
    constraint, `attributes` whatever else is known: metrics, reason, MLflow run.
    """

    state: TrialState
    values: Sequence[float] | None
    violations: Mapping[str, float]
    attributes: Mapping[str, Any]


@final
class SearchStorage:
    """The stored search of a spec, new or as it was left.

    `data` is the hash of the arrays that a new study trains on, `files` the MD5 of the files that they
    were read from, by name. Raises BadInputError, and writes nothing, if another version made it, and
    StudyError if its journal is damaged.
    """

    def __init__(
        self,
        spec: StudySpec,
        journal: Path,
        data: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.journal: Final = journal
        self._epochs = spec.budget.epochs
        self._lines = Journal(journal)
        with intact(journal):
            self._storage = JournalStorage(self._lines)
            studies = self._storage.get_all_studies()
        for stored in studies:
            _check_layout(stored.user_attrs, journal)
        self.study = optuna.create_study(
            storage=self._storage,
            study_name=spec.name,
            directions=list(spec.objectives.values()),
            sampler=optuna.samplers.RandomSampler(),  # never asked: study.search.proposals does
            load_if_exists=True,
        )
        if _IDENTITY not in self.study.user_attrs:
            self.study.set_user_attr(_LAYOUT, LAYOUT)
            if data is not None:
                self.study.set_user_attr(_DATA, data)
            if files:
                self.study.set_user_attr(_FILES, dict(files))
            self.study.set_user_attr(_IDENTITY, uuid.uuid4().hex)
        names = list(spec.objectives)
        with warnings.catch_warnings():
            # Experimental; optuna-dashboard shows the names, nothing else needs them.
            warnings.simplefilter("ignore", ExperimentalWarning)
            if self.study.metric_names != names:
                self.study.set_metric_names(names)
        self._study_id = self._storage.get_study_id_from_name(spec.name)
        self._asked = len(self.trials())

    @property
    def identity(self) -> str:
        """What tells this search from every other, also from one of the same name elsewhere."""
        return str(self.study.user_attrs[_IDENTITY])

    @property
    def data(self) -> str | None:
        """The hash of the arrays that the study trains on, None if it was not stored."""
        return self.study.user_attrs.get(_DATA)

    @property
    def files(self) -> dict[str, str]:
        """The MD5 of the files of the data set, by name; empty if they were not stored."""
        return dict(self.study.user_attrs.get(_FILES, {}))

    @property
    def asked(self) -> int:
        """How many trials were ever asked for; the next one has this number."""
        return self._asked

    def trials(self) -> list[FrozenTrial]:
        """Every trial, by number."""
        return self.study.get_trials(deepcopy=False)

    def ask(self, proposal: Proposal) -> int:
        """Stores a proposal as a running trial; its number."""
        about = {
            EPOCHS: self._epochs,
            START: proposal.start,
            CONTINUES: proposal.continues,
        }
        trial = create_trial(
            state=TrialState.RUNNING,
            params=proposal.configuration.params,
            distributions=proposal.configuration.distributions,
            system_attrs=proposal.system_attrs,
            user_attrs={name: value for name, value in about.items() if value is not None},
        )
        self.study.add_trial(trial)
        self._asked += 1
        return self._asked - 1

    def note_rung(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """What a trial had reached when it came to a rung."""
        self._storage.set_trial_user_attr(self._id(number), f"{RUNG}{epoch}", dict(values))

    def tell(self, number: int, ending: Ending) -> None:
        """Stores the end of a trial, with all that belongs to it, in one append."""
        trial_id = self._id(number)
        trial = optuna.Trial(self.study, trial_id)
        with self._lines.together():
            for name, value in ending.attributes.items():
                self._storage.set_trial_user_attr(trial_id, name, value)
            for text, violation in ending.violations.items():
                if text not in trial.constraints:  # of an end that a power cut left incomplete
                    trial.set_constraint(text, violation)
            self._storage.set_trial_state_values(trial_id, ending.state, ending.values)

    def note_earlier(self, hashes: Mapping[str, str]) -> None:
        """The earlier studies from which the search learns, with the SHA-256 of their journals."""
        if dict(hashes) != self.earlier:
            self.study.set_user_attr(_EARLIER, dict(hashes))

    @property
    def earlier(self) -> dict[str, str]:
        """What `note_earlier` noted."""
        return dict(self.study.user_attrs.get(_EARLIER, {}))

    def promote(self, numbers: Iterable[int]) -> None:
        """Stores that ended trials are to be continued, in this order."""
        known = self.study.user_attrs.get(_PROMOTED, [])
        new = [number for number in numbers if number not in known]
        if new:
            self.study.set_user_attr(_PROMOTED, [*known, *new])

    @property
    def promoted(self) -> list[int]:
        """The ended trials that are to be continued, but those that have been since."""
        continued = {continues_of(trial) for trial in self.trials()}
        known = self.study.user_attrs.get(_PROMOTED, [])
        return [number for number in known if number not in continued]

    def note_seconds(self, seconds: float) -> None:
        """Stores the running time of the study so far, summed over its runs."""
        self.study.set_user_attr(_SECONDS, seconds)

    def note_run_ids(self, run_ids: Mapping[int, str]) -> None:
        """The MLflow runs of trials that ended before their run was made.

        Optuna takes no more attributes of a trial that has ended, so they are the study's.
        """
        known = self.study.user_attrs.get(_LATE_RUN_IDS, {})
        late = {
            str(trial.number): run_ids[trial.number]
            for trial in self.trials()
            if trial.state.is_finished()
            and trial.number in run_ids
            and RUN_ID not in trial.user_attrs
        }
        if not late.items() <= known.items():
            self.study.set_user_attr(_LATE_RUN_IDS, known | late)

    @property
    def seconds(self) -> float:
        """The running time of the study when it was last noted."""
        return float(self.study.user_attrs.get(_SECONDS, 0.0))

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def stored_identity(journal: Path) -> str | None:
    """The identity of the search in a journal, None if there is none yet.

    Writes nothing: another driver may have the journal. Raises BadInputError like `SearchStorage`.
    """
    return _head(journal).get(_IDENTITY)


def stored_data(journal: Path) -> str | None:
    """The hash of the arrays of the study in a journal, None if there is none; as `stored_identity`."""
    return _head(journal).get(_DATA)


def _head(journal: Path) -> dict[str, Any]:
    """The attributes of the study in a journal, read no further than to its identity, the last."""
    attributes: dict[str, Any] = {}
    if not journal.exists():
        return attributes
    with intact(journal):
        for line in JournalFileBackend(str(journal)).read_logs(0):
            if "study_id" in line:
                attributes |= line.get("user_attr", {})
            if _IDENTITY in attributes:
                break
    if _IDENTITY not in attributes:
        return {}
    _check_layout(attributes, journal)
    return attributes


def _check_layout(attributes: Mapping[str, Any], journal: Path) -> None:
    """Raises BadInputError if another version made the journal of a study with these attributes."""
    layout = attributes.get(_LAYOUT, "1" if _IDENTITY in attributes else LAYOUT)
    if layout != LAYOUT:
        raise BadInputError(
            f"the study in {journal.parent} must be of layout {LAYOUT}, got layout {layout}: "
            "another version created it and can continue it; with this version, give the study another "
            "name"
        )
