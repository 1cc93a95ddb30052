"""What a job brings along: the spec, its orders, and, where wanted, the source of this package.

It is a folder that Ray unpacks on every node of the cluster; a job starts in it.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import models
from study.errors import BadInputError
from study.spec.study_spec import StudySpec

SPEC: Final = "spec.json"
_ORDERS: Final = "job.json"
_NO_SOURCE: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a job is to do with the spec.

    `home` is as the head sees it, None for the head's own default. `environment` is set for the
    study; `sealed` too, and it may hold passwords (`study.cluster.credentials`). `command` is what the study is
    recorded to be run by. `retries` says how often a driver that was killed is started again.
    `version` is that of this package, None if its source goes along.
    """

    command: str
    home: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    sealed: str | None = None
    retries: int = 0
    version: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "Orders":
        """The orders in an unpacked folder; BadInputError if they are another version's."""
        table = json.loads((folder / _ORDERS).read_text(encoding="utf-8"))
        here, there = table.get("version"), installed_version()
        if here not in (None, there):
            raise BadInputError(
                "`version here = version of the cluster` must hold for dendritic-study, got "
                f"{here} here, {there} on the cluster; install the same on its nodes, or submit with "
                "--source"
            )
        return cls(**table)


def installed_version() -> str:
    """The version of this package, `none` if only its source is here."""
    try:
        return version("dendritic-study")
    except PackageNotFoundError:
        return "none"


def write_package(folder: Path, spec: StudySpec, orders: Orders, *, source: bool) -> None:
    """Fills an empty folder."""
    (folder / SPEC).write_text(json.dumps(spec.to_dict(), indent=2), encoding="utf-8")
    (folder / _ORDERS).write_text(json.dumps(asdict(orders), indent=2), encoding="utf-8")
    if source:
        for place in _sources():
            shutil.copytree(place, folder / place.name, ignore=_NO_SOURCE)


def fingerprint(spec: StudySpec, *, source: bool) -> str:
    """Differs where what a job would do differs, its source included."""
    known = hashlib.sha256(json.dumps(spec.to_dict()).encode())
    if source:
        for place in _sources():
            for file in sorted(place.rglob("*.py")):
                known.update(str(file.relative_to(place.parent)).encode())
                known.update(file.read_bytes())
    return known.hexdigest()


def _sources() -> list[Path]:
    """The folders of the packages, as they are imported here."""
    return [Path(__file__).parents[1], Path(str(models.__file__)).parent]
