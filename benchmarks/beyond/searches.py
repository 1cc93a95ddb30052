"""The trials of the studies, recorded in files, with which the race needs their home no longer.

A file for each study: the machine and its versions, the data set, the seed of its split, how many trials
of each group were trained, to the end or until they were stopped, and the complete ones.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, final

from benchmarks.beyond.contender import Contender, group_of
from benchmarks.machine import describe
from models import Architecture
from study import StudyError, best_configs, records, study_spec
from study.home import Home
from study.study_folder import replace_file

_FOLDER: Final = "searches"


@final
@dataclass(frozen=True, kw_only=True)
class Searches:
    """What some studies have in common, and how many trials of each group they trained.

    `source` is their data set, a table of a spec without its folder, `seed` that of its split.
    """

    source: dict[str, Any]
    seed: int
    trials: dict[str, int]


def record(study: str, home: Home, folder: Path) -> Path:
    """Writes the trials of a study into the folder of the race; returns the file.

    Raises NotFoundError if there is no such study in the home.
    """
    spec = study_spec(study, home=home)
    trained = records(study, home=home, states=("COMPLETE", "PRUNED"))
    groups = Counter(group_of(Architecture(**one.architecture)) for one in trained)
    searches = Searches(
        source=spec.dataset.model_dump(mode="json", exclude={"root"}),
        seed=spec.seed,
        trials=dict(groups),
    )
    complete = [
        json.dumps(vars(Contender.of(study, one, spec.seed + spec.replicates)))
        for one in best_configs(study, home=home, order="val_accuracy")
    ]
    lines = ",\n".join(complete)  # a trial a line
    head = json.dumps({"machine": describe()} | asdict(searches))
    text = f'{head[:-1]},\n"complete": [\n{lines}\n]}}\n'
    file = _file(folder, study)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, text, durably=False)
    return file


def read(folder: Path, studies: Sequence[str]) -> tuple[Searches, list[Contender]]:
    """What the recorded studies have in common, and their complete trials, the most accurate first.

    Each configuration comes once: a study that learns from an earlier one begins with those of its
    front. Raises StudyError for a study that is not recorded, or has another data set or split.
    """
    trials: Counter[str] = Counter()
    complete: dict[str, Contender] = {}
    common: tuple[dict[str, Any], int] | None = None
    for study in studies:
        file = _file(folder, study)
        if not file.exists():
            raise StudyError(
                f"each study must be recorded before the race, got no {file}: run the study, then this "
                f"command with --record {study}"
            )
        stored = json.loads(file.read_text(encoding="utf-8"))
        common = common or (stored["source"], stored["seed"])
        if common != (stored["source"], stored["seed"]):
            raise StudyError(
                f"the studies of a race must have one data set and one split, got {common} for "
                f"{studies[0]}, {stored['source'], stored['seed']} for {study}"
            )
        trials.update(stored["trials"])
        for one in (Contender(**table) for table in stored["complete"]):
            complete.setdefault(one.configuration, one)
    if common is None:
        raise StudyError("a race must have one study or more, got none")
    ranked = sorted(complete.values(), key=lambda one: (-one.search[0], one.trainable_parameters))
    return Searches(source=common[0], seed=common[1], trials=dict(trials)), ranked


def _file(folder: Path, study: str) -> Path:
    return folder / _FOLDER / f"{study}.json"
