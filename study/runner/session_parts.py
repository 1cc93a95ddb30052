"""What belongs to one run of a study: its parts, and where it keeps what."""

from dataclasses import dataclass
from pathlib import Path

from study import study_folder
from study.home import Home
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import Stop
from study.runner.study_clock import StudyClock
from study.search.searcher import StudySearcher
from study.search.storage import Ledger
from study.spec.study_spec import StudySpec
from study.training.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Session:
    """The parts of one run of a study."""

    spec: StudySpec
    home: Home
    dataset: Dataset
    scoreboard: Scoreboard
    progress: Progress
    ledger: Ledger
    searcher: StudySearcher
    clock: StudyClock
    stop: Stop

    @property
    def folder(self) -> Path:
        return self.home.study_folder(self.spec.name)

    @property
    def store(self) -> Path:
        """Where trials keep their checkpoints."""
        return study_folder.trials(self.folder)

    @property
    def tune_folder(self) -> Path:
        """Ray's own files while the study runs."""
        return self.folder / "tune"

    def over(self) -> str | None:
        """Why the study is over for good, None if it can go on."""
        return self.searcher.met() or self.clock.used_up()
