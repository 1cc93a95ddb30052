"""The delivery of a study to a cluster: checks before anything is sent, and the folder of the job.

The folder holds the spec, the settings of the job and, where wanted, the source of this package. Ray
unpacks it on every node; the job starts in it.
"""

import hashlib
import json
import os
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, final

import models
from study.cluster.credentials import encrypt, ray_token
from study.errors import BadInputError, SpecError
from study.home import ALLOW_LOCAL_ARTIFACTS, without_passwords
from study.spec.study_spec import StudySpec
from study.tracking.provenance import is_study

SPEC: Final = "spec.json"
_CONFIG: Final = "job.json"
_NO_SOURCE: Final = shutil.ignore_patterns("__pycache__", "*.pyc")
_SQLITE: Final = "sqlite:///"
_CREDENTIALS: Final = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """The configuration of a job, beside its spec.

    `home` is as the head sees it, None for the head's own default. `environment` is set for the
    study, and so is `encrypted`, which may hold passwords (`study.cluster.credentials`). `command` is
    recorded as what runs the study. `retries` says how often a driver that was killed is started again.
    `version` is that of this package, None if its source goes along. `data` is the hash of the data set
    that goes along (`study.cluster.data_package`), if any.
    """

    command: str
    home: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    encrypted: str | None = None
    retries: int = 0
    version: str | None = None
    data: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "JobConfig":
        """The configuration in an unpacked folder; BadInputError if it is of another version."""
        table = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
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


def write_package(folder: Path, spec: StudySpec, config: JobConfig, *, source: bool) -> None:
    """Writes spec, configuration and, with `source`, the packages into an empty folder."""
    (folder / SPEC).write_text(json.dumps(spec.to_dict(), indent=2), encoding="utf-8")
    (folder / _CONFIG).write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    if source:
        for package in _sources():
            shutil.copytree(package, folder / package.name, ignore=_NO_SOURCE)


def fingerprint(spec: StudySpec, data: str | None = None, *, source: bool) -> str:
    """A hash of the spec, of the data that goes along and, with `source`, of the packages.

    Jobs of equal hashes do the same work.
    """
    digest = hashlib.sha256(f"{json.dumps(spec.to_dict())}{data or ''}".encode())
    if source:
        for package in _sources():
            for file in sorted(package.rglob("*.py")):
                digest.update(str(file.relative_to(package.parent)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """The folders of the packages, as they are imported here."""
    return [Path(__file__).parents[1], Path(str(models.__file__)).parent]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The options of a submission.

    `home` and `tracking_uri` are as seen from the cluster's head; their defaults are its $STUDY_HOME,
    else `~/dendritic-study/runs`, and its $MLFLOW_TRACKING_URI. A given tracking URI is sent with
    $MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN, encrypted. `allow_local_artifacts` is that of the
    home. `data` is the data set on this machine to send with the study: your own file or folder, or the
    root of torchvision's data sets. `source` uploads the installed source of this package. `retries` is
    the number of restarts after the driver or its job dies. With `driver_cpus` or `driver_memory` (GiB),
    the driver runs on any node with these resources instead of the head; this requires `home` and
    `tracking_uri`.
    """

    home: str | None = None
    tracking_uri: str | None = None
    allow_local_artifacts: bool = False
    data: Path | None = None
    source: bool = False
    retries: int = 0
    driver_cpus: float = 0.0
    driver_memory: float = 0.0


def job_config_of(spec: StudySpec, delivery: Delivery, data: str | None = None) -> JobConfig:
    """The configuration of the job; `data` is the hash of the data set that goes along.

    Raises SpecError if the path of the data is relative, BadInputError if that of the home is, if a
    driver on any node would not know its stores, or if a password would go to a cluster without a token.
    """
    if data is None:
        _check_data(spec)
    _check_stores(delivery)
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    if delivery.allow_local_artifacts:
        plain[ALLOW_LOCAL_ARTIFACTS] = "1"
    if delivery.tracking_uri is not None:
        shown = without_passwords(delivery.tracking_uri)
        # A password with a space is not recognised.
        safe = shown == delivery.tracking_uri and len(shown.split()) == 1
        (plain if safe else secret)["MLFLOW_TRACKING_URI"] = delivery.tracking_uri
        secret |= {name: os.environ[name] for name in _CREDENTIALS if os.environ.get(name)}
    encrypted = None
    if secret:
        token = ray_token()
        if token is None:
            raise BadInputError(
                "a password may be sent only to a cluster that demands a token, got "
                f"{', '.join(secret)} and no token; set RAY_AUTH_MODE=token, or have the settings "
                "in the environment of the cluster's head and leave --tracking-uri out"
            )
        encrypted = encrypt(secret, token)
    return JobConfig(
        command=_command(spec),
        home=delivery.home,
        environment=plain,
        encrypted=encrypted,
        retries=delivery.retries,
        version=None if delivery.source else installed_version(),
        data=data,
    )


def _command(spec: StudySpec) -> str:
    """The command line, or the equivalent call from Python."""
    if is_study(Path(sys.argv[0])):
        return without_passwords(f"study {shlex.join(sys.argv[1:])}")
    return f"study.submit: {spec.name}"


def job_id(name: str, delivery: Delivery) -> str:
    """The id of the first job of this study in this home; those that follow have a number more."""
    uri = None if delivery.tracking_uri is None else without_passwords(delivery.tracking_uri)
    stores = json.dumps([delivery.home, uri])
    return f"study-{name}-{hashlib.sha256(stores.encode()).hexdigest()[:8]}"


def _check_stores(delivery: Delivery) -> None:
    home, uri = delivery.home, delivery.tracking_uri
    if home is not None and not Path(home).is_absolute():
        raise BadInputError(
            f"the home must be an absolute path of the cluster's machines, got {home!r} (option --home)"
        )
    if uri is not None and uri.startswith(_SQLITE) and not uri.startswith(f"{_SQLITE}/"):
        raise BadInputError(
            "a file of records must be an absolute path of the cluster's machines, as "
            f"sqlite:////mnt/records.db, got {uri!r} (option --tracking-uri)"
        )
    if (delivery.driver_cpus or delivery.driver_memory) and None in (home, uri):
        raise BadInputError(
            "a driver with CPUs or memory of its own may run on any node, where the head's settings do "
            "not reach, so --home and --tracking-uri must be given with --driver-cpus and "
            "--driver-memory"
        )


def _check_data(spec: StudySpec) -> None:
    """Raises SpecError for a relative path: the job runs in a folder of its own."""
    path, key = spec.dataset.root, "dataset.root"
    if spec.dataset.path is not None:
        path, key = spec.dataset.path, "dataset.path"
    if spec.dataset.name != "digits" and not path.is_absolute():
        raise SpecError(
            f"`{key}` must be an absolute path of the cluster's head, got {str(path)!r}; --data PATH "
            "sends a data set of this machine along"
        )
